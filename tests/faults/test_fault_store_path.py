"""A host's way to the store is cut: its shards move, and nothing it still believes happens.

It goes on hearing its PCs and speaking to them, the controller goes on hearing it, and Ray has no
reason to end it. What it sent while the way was silent arrives when the way is back.
"""

import asyncio
from collections.abc import AsyncIterator
from itertools import takewhile

import pytest
import pytest_asyncio
from clubs_under_test import CHAIN
from faulted_house import FaultedHouse, FaultReport, machine_ms
from hall_watched import pcs_at_work
from pcs_watched import PcWatch, watched_pcs
from stack_under_test import until
from store_path import Loss, StorePath, house_on_a_path
from store_watched import recorded_store

from actors.placement import shard_of_club
from actors.store import HostRecord, Ownership

pytestmark = [
    pytest.mark.faults,
    pytest.mark.integration,
    pytest.mark.ray,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(400),
]
PACE = 10.0
AWAY_S = 20.0
"""Longer than a host that cannot say it lives goes on by itself."""
AFTERWARDS_S = 10.0
LATE_MAX_S = 8.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house_and_path(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[FaultedHouse, StorePath]]:
    folder = tmp_path_factory.mktemp("path") / "state"
    async with house_on_a_path(folder, speed=PACE) as both:
        yield both
        await both[0].archive_is_the_ledger()


async def taken_from(
    house: FaultedHouse, lost: HostRecord, clubs: tuple[str, ...]
) -> dict[str, Ownership]:
    """Who owns the clubs once it is somebody else."""
    shards = {club: shard_of_club(CHAIN, club) for club in clubs}
    found: dict[str, Ownership] = {}

    async def elsewhere() -> bool:
        owners = await house.stack.store.owners(list(shards.values()))
        found.update({club: owners[shard] for club, shard in shards.items() if shard in owners})
        return len(found) == len(clubs) and all(o.host != lost.name for o in found.values())

    await until(elsewhere, what="another owner")
    return found


def late_documents(watch: PcWatch, since_ms: int, taken: dict[str, Ownership]) -> int:
    """How many documents of the former owner were published since; no PC obeyed one."""
    assert watch.went_back() == []
    return sum(
        len(watch.from_before(owner.epoch, pcs, since_ms))
        for club, owner in taken.items()
        if (pcs := frozenset(one.pc_id for one in watch.targets if one.pc_id.startswith(club)))
    )


@pytest.mark.parametrize("loss", list(Loss))
async def test_a_host_that_lost_the_store_takes_no_effect_when_it_is_back(
    house_and_path: tuple[FaultedHouse, StorePath], report: FaultReport, loss: Loss
) -> None:
    house, path = house_and_path
    await pcs_at_work(house)
    stack, lost = house.stack, await house.owner("north")
    clubs, place = await house.clubs_of(lost), await house.newest_entry()
    async with watched_pcs(stack.processes.broker.url) as watch:
        lost_at_ms = machine_ms()
        path.lose(int(lost.details["pid"]), loss)
        try:
            taken = await taken_from(house, lost, clubs)
            taken_at_ms = machine_ms()
            await house.ticks_go_on(lost_at_ms, after=place, clubs=clubs)
            await asyncio.sleep(AWAY_S - (machine_ms() - lost_at_ms) / 1_000)
            async with recorded_store(stack.processes.valkey.port) as record:
                back_at_ms = machine_ms()
                path.mend()

                async def works() -> bool:
                    found = await stack.host(lost.name)
                    return found is not None and found.incarnation == lost.incarnation

                await until(works, what="the host's return")
                await asyncio.sleep(AFTERWARDS_S)
        finally:
            path.mend()
        late_while_away = late_documents(watch, taken_at_ms, taken)
        late = late_documents(watch, back_at_ms, taken)
        orders = [order for order in watch.orders if order[0] >= taken_at_ms]
        assert watch.locks_since(lost_at_ms) == []
        assert watch.targets
    asked = record.asked_by(frozenset(path.far_ends))
    late_s = await house.worst_lateness_s(lost_at_ms)
    report.note(
        f"a host's way to the store {loss} for {AWAY_S:.0f} s (latest tick)",
        [late_s],
        speed=PACE,
        taken_after_s=round((taken_at_ms - lost_at_ms) / 1_000, 2),
        asked_when_back=asked,
        late_documents=late,
        late_documents_while_away=late_while_away,
    )
    assert asked, "the host was not seen at the store again"
    writes = record.writes_by(frozenset(path.far_ends), CHAIN)
    # Once it is given a shard again it writes by right; the first sign of that is its new lease.
    assert list(takewhile(lambda words: b":lease:" not in words, writes)) == []
    assert (late, orders) == (0, [])
    assert late_s < LATE_MAX_S
    await house.books_are_whole()
