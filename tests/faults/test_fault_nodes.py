"""Hosts on two nodes: spread, a node lost, a node cut off that returns, a release rolled over."""

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from clubs_under_test import CHAIN, CLUBS
from faulted_house import FaultedHouse, FaultReport, machine_ms
from pcs_watched import watched_pcs
from ray_nodes import Nodes, club_on_the_other, house_on_two_nodes, joined, two_hosts
from release_after import NEXT_RELEASE, next_release, releases
from stack_under_test import until

from actors.placement import shard_of_club

pytestmark = [
    pytest.mark.faults,
    pytest.mark.integration,
    pytest.mark.ray,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(400),
]
PACE = 30.0
CUT_OFF_S = 75.0
"""Ray takes about a minute to give a silent node up and starts its hosts elsewhere then."""
AFTERWARDS_S = 10.0
TAKEN_WITHIN_S = 8.0
LATE_MAX_S = 5.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nodes_and_house(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[FaultedHouse, Nodes]]:
    folder = tmp_path_factory.mktemp("nodes") / "state"
    async with house_on_two_nodes(folder, speed=PACE) as both:
        yield both


async def map_now(house: FaultedHouse) -> dict[str, str]:
    """Club -> host, by the coordinator's map."""
    assigned = await house.stack.store.assignments()
    return {club: assigned[shard_of_club(CHAIN, club)] for club in CLUBS}


async def test_hosts_are_spread_over_the_nodes(
    nodes_and_house: tuple[FaultedHouse, Nodes],
) -> None:
    house, nodes = nodes_and_house
    await two_hosts(house)
    owners = [await house.owner(club) for club in CLUBS]
    assert sum(nodes.head.runs(owner) for owner in owners) == 1
    assert sum(nodes.other.runs(owner) for owner in owners) == 1


async def test_a_node_is_cut_off_and_returns(
    nodes_and_house: tuple[FaultedHouse, Nodes], report: FaultReport
) -> None:
    house, nodes = nodes_and_house
    club, zombie = await club_on_the_other(house, nodes)
    shard = shard_of_club(CHAIN, club)
    before, place = await map_now(house), await house.newest_entry()
    staying = next(one for one in CLUBS if one != club)
    async with watched_pcs(house.stack.processes.broker.url) as watch:
        cut_at_ms = machine_ms()
        nodes.other.signal(signal.SIGSTOP)
        try:
            seconds = await house.ticks_go_on(cut_at_ms, after=place, clubs=(club,))
            assert (await map_now(house))[staying] == before[staying]
            await asyncio.sleep(CUT_OFF_S - seconds)
        finally:
            taken = (await house.stack.store.owners([shard]))[shard]
            nodes.other.signal(signal.SIGCONT)
        await asyncio.sleep(AFTERWARDS_S)
        after = (await house.stack.store.owners([shard]))[shard]
        pcs = frozenset(one.pc_id for one in watch.targets if one.pc_id.startswith(club))
        late = watch.from_before(taken.epoch, pcs, cut_at_ms + int(CUT_OFF_S * 1_000))
        assert watch.went_back() == []
        assert watch.locks_since(cut_at_ms) == []
    records = await house.stack.store.hosts()
    assert zombie.incarnation not in {record.incarnation for record in records}
    assert after.epoch >= taken.epoch
    await house.books_are_whole()
    report.note(
        f"node cut off for {CUT_OFF_S:.0f} s", [seconds], late_documents=len(late), speed=PACE
    )
    assert late == []
    assert seconds < TAKEN_WITHIN_S


async def test_a_release_rolls_over_both_nodes_and_one_is_killed(
    nodes_and_house: tuple[FaultedHouse, Nodes], report: FaultReport
) -> None:
    house, nodes = nodes_and_house
    nodes.other.child.start()
    await joined(nodes.other)
    # Where actors go is decided by a raylet, which hears of a new one with the next round.
    await asyncio.sleep(AFTERWARDS_S)
    began_at_ms = machine_ms()
    with next_release(house.stack, nodes.address):

        async def only_the_next() -> bool:
            return await releases(house) == {NEXT_RELEASE}

        await until(only_the_next, what="the old release's departure")
        await house.books_are_whole()
        late_s = await house.worst_lateness_s(began_at_ms)
        report.note("rolling release on two nodes (latest tick)", [late_s], speed=PACE)
        assert late_s < LATE_MAX_S
        await two_hosts(house)
        club, victim = await club_on_the_other(house, nodes)
        before, place = await map_now(house), await house.newest_entry()
        staying = next(one for one in CLUBS if one != club)
        killed_at_ms = machine_ms()
        nodes.other.kill()
        seconds = await house.ticks_go_on(killed_at_ms, after=place, clubs=(club,))
        assert (await map_now(house))[staying] == before[staying]
        assert (await house.owner(club)).incarnation != victim.incarnation
        report.note("node killed", [seconds], speed=PACE)
        assert seconds < TAKEN_WITHIN_S
        await house.books_are_whole()
        await house.archive_is_the_ledger()
