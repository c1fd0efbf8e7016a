"""A host frozen for 90 s and resumed: nothing it believes may happen any more."""

import asyncio
import os
import signal
from itertools import takewhile

import pytest
from clubs_under_test import CHAIN
from faulted_house import FaultedHouse, FaultReport, machine_ms
from pcs_watched import PcWatch, retained_targets, watched_pcs
from stack_under_test import send_signal, until
from store_watched import connections_of, recorded_store

from actors.placement import shard_of_club
from actors.store import Ownership

FLEET = True
PACE = 5.0
pytestmark = [
    pytest.mark.faults,
    pytest.mark.integration,
    pytest.mark.ray,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(600),
]
TAKEN_OVER_MAX_S = 8.0
FROZEN_S = float(os.environ.get("FAULTS_HOST_FROZEN_S", "90"))
AFTERWARDS_S = 10.0
CONNECTIONS_EVERY_S = 0.05


async def owners(house: FaultedHouse, clubs: tuple[str, ...]) -> dict[str, Ownership]:
    """Who owns each club."""
    shards = {club: shard_of_club(CHAIN, club) for club in clubs}
    found = await house.stack.store.owners(list(shards.values()))
    return {club: found[shard] for club, shard in shards.items()}


async def connections_while(pid: int, seconds: float) -> frozenset[str]:
    """Every connection a process has, or makes, within this time."""
    found: frozenset[str] = frozenset()
    for _ in range(int(seconds / CONNECTIONS_EVERY_S)):
        found |= connections_of(pid)
        await asyncio.sleep(CONNECTIONS_EVERY_S)
    return found


async def order_something(house: FaultedHouse, watch: PcWatch) -> None:
    """The host that is about to freeze orders a PC about, so that orders of it can be seen."""
    pc_id = "north-main-0"
    message = {"command": "MESSAGE", "text": "Ten minutes to go."}
    await house.stack.post(f"/clubs/north/pcs/{pc_id}/commands", message)

    async def ordered() -> bool:
        return any(told == pc_id for _, told in watch.orders)

    await until(ordered, what="the order on the broker")


def assert_pcs_went_on(watch: PcWatch, since_ms: int, taken: dict[str, Ownership]) -> int:
    """No PC obeyed the former owner; how many of its documents reached the broker."""
    late = [
        one
        for club, owner in taken.items()
        for one in watch.from_before(
            owner.epoch,
            frozenset(t.pc_id for t in watch.targets if t.pc_id.startswith(club)),
            since_ms,
        )
    ]
    assert watch.went_back() == []
    assert watch.locks_since(since_ms) == []
    assert [order for order in watch.orders if order[0] >= since_ms] == []
    return len(late)


async def test_a_frozen_host_takes_no_effect_when_it_returns(
    house: FaultedHouse, report: FaultReport
) -> None:
    stack = house.stack
    frozen = await house.owner("north")
    pid = int(frozen.details["pid"])
    clubs, place = await house.clubs_of(frozen), await house.newest_entry()
    before = await owners(house, clubs)
    async with watched_pcs(stack.processes.broker.url) as watch:
        await order_something(house, watch)
        frozen_at_ms = machine_ms()
        send_signal(frozen, signal.SIGSTOP)
        try:
            seconds = await house.ticks_go_on(frozen_at_ms, after=place, clubs=clubs)
            await asyncio.sleep(max(0.0, FROZEN_S - seconds))
            taken = await owners(house, clubs)
            async with recorded_store(stack.processes.valkey.port) as record:
                woken_at_ms = machine_ms()
                held = connections_of(pid)
                send_signal(frozen, signal.SIGCONT)
                held |= await connections_while(pid, AFTERWARDS_S)
        finally:
            send_signal(frozen, signal.SIGCONT)
        late = assert_pcs_went_on(watch, woken_at_ms, taken)
        seen = len(watch.targets)
    assert seen
    asked = record.asked_by(held)
    report.note(
        f"host frozen {FROZEN_S:.0f} s",
        [seconds],
        speed=PACE,
        latest_tick_s=round(await house.worst_lateness_s(frozen_at_ms), 2),
        asked_after_waking=asked,
        late_documents=late,
    )
    assert seconds < TAKEN_OVER_MAX_S
    assert asked, "the woken host was not seen at the store"
    for club in clubs:
        assert before[club].epoch < taken[club].epoch
    # Once it is given a shard again it writes by right; the first sign of that is its new lease.
    unrightful = takewhile(lambda words: b":lease:" not in words, record.writes_by(held, CHAIN))
    assert list(unrightful) == []
    assert late == 0
    retained = await retained_targets(stack.processes.broker.url)
    assert retained
    for pc_id, version in retained.items():
        club = pc_id.partition("-")[0]
        assert club not in taken or version[0] >= taken[club].epoch, pc_id
    await house.books_are_whole()
