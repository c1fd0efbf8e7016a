"""A host frozen for 90 s, and the store for 60 s, with PCs watching."""

import asyncio
import os
import signal

import pytest
from clubs_under_test import CHAIN, CLUBS
from faulted_house import FaultedHouse, FaultReport, machine_ms
from stack_under_test import send_signal

from actors.placement import shard_of_club

FLEET = True
PACE = 5.0
"""A minute of real time must stay well inside the half hour that a PC's lease outlives us."""
pytestmark = [
    pytest.mark.faults,
    pytest.mark.integration,
    pytest.mark.ray,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(600),
]
HOST_FROZEN_S = float(os.environ.get("FAULTS_HOST_FROZEN_S", "90"))
STORE_FROZEN_S = float(os.environ.get("FAULTS_STORE_FROZEN_S", "60"))
AFTERWARDS_S = 5.0
WATCHED = tuple(f"{club}-{zone}-{n}" for club in CLUBS for zone in ("main", "vip") for n in (0, 1))


async def locked_pcs(house: FaultedHouse) -> set[str]:
    """Which simulated PCs say that they are locked."""
    tiles = [await house.stack.tile(pc_id.partition("-")[0], pc_id) for pc_id in WATCHED]
    return {pc_id for pc_id, tile in zip(WATCHED, tiles, strict=True) if tile["locked"]}


async def test_a_frozen_host_takes_no_effect_when_it_returns(
    house: FaultedHouse, report: FaultReport
) -> None:
    frozen = await house.owner("north")
    clubs, place = await house.clubs_of(frozen), await house.newest_entry()
    shard = shard_of_club(CHAIN, "north")
    before = (await house.stack.store.owners([shard]))[shard]
    frozen_at_ms = machine_ms()
    send_signal(frozen, signal.SIGSTOP)
    try:
        seconds = await house.ticks_go_on(frozen_at_ms, after=place, clubs=clubs)
        await asyncio.sleep(max(0.0, HOST_FROZEN_S - seconds))
        taken = (await house.stack.store.owners([shard]))[shard]
    finally:
        send_signal(frozen, signal.SIGCONT)
    report.note(f"host frozen {HOST_FROZEN_S:.0f} s", [seconds], speed=PACE)
    await asyncio.sleep(AFTERWARDS_S)
    after = (await house.stack.store.owners([shard]))[shard]
    assert before.epoch < taken.epoch <= after.epoch
    assert not await locked_pcs(house)
    await house.books_are_whole()


async def test_a_frozen_store_costs_nobody_a_minute(
    house: FaultedHouse, report: FaultReport
) -> None:
    child = house.stack.processes.valkey.child
    place = await house.newest_entry()
    assert not await locked_pcs(house)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(STORE_FROZEN_S)
    finally:
        back_at_ms = machine_ms()
        os.kill(child.pid, signal.SIGCONT)
    seconds = await house.ticks_go_on(back_at_ms, after=place, clubs=CLUBS)
    report.note(f"store frozen {STORE_FROZEN_S:.0f} s (from its return)", [seconds], speed=PACE)
    assert not await locked_pcs(house)
    await house.books_are_whole()
    await house.archive_is_the_ledger()
