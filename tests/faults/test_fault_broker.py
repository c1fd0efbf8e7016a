"""The broker killed among playing PCs and gone for a minute: one incident a club, and no PC locks.

What a host decides meanwhile reaches its PC once the broker is back.
"""

import os

import pytest
from clubs_under_test import CHAIN, CLUBS
from faulted_house import FaultedHouse, FaultReport, machine_ms, sound
from hall_watched import all_online, events_after, seen_while
from pcs_watched import PcWatch, retained_targets, watched_pcs
from stack_under_test import until

from controller.archive import open_archive
from controller.verify import verify
from schemas.device import PcMode, UsageEnd
from schemas.events import ClubEventKind
from schemas.views import LinkState

FLEET = True
PACE = 5.0
CROWD = 8
"""As many as the simulated PCs: a PC without an agent would not answer anyway."""
pytestmark = [
    pytest.mark.faults,
    pytest.mark.integration,
    pytest.mark.ray,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(600),
]
AWAY_S = float(os.environ.get("FAULTS_BROKER_AWAY_S", "60"))
"""Longer than a PC may be silent before it counts as not responding."""
AFTERWARDS_S = 45.0
USAGE = ClubEventKind.PC_USAGE
ENDED_PC = "north-main-0"


def obeyed(watch: PcWatch, since_ms: int) -> dict[str, tuple[tuple[int, int], PcMode]]:
    """What each PC said last that it obeys."""
    words = [one for one in watch.reports if one.at_ms >= since_ms and not one.retained]
    return {one.pc_id: (one.version, one.mode) for one in words}


async def session_at(house: FaultedHouse, pc_id: str) -> str:
    tile = await house.stack.tile(pc_id.partition("-")[0], pc_id)
    return str(tile["session_id"])


async def test_a_broker_that_is_killed_locks_nobody_and_accuses_nobody(
    house: FaultedHouse, report: FaultReport
) -> None:
    stack, broker = house.stack, house.stack.processes.broker
    await until(lambda: all_online(house), what="every PC heard")
    ended = await session_at(house, ENDED_PC)
    place, told_from = await house.newest_entry(), (await stack.store.image(CHAIN)).outbox_until
    async with watched_pcs(broker.url) as watch:
        killed_at_ms = machine_ms()
        broker.kill()
        await house.ticks_go_on(killed_at_ms, after=place, clubs=CLUBS)
        shown = await seen_while(house, AWAY_S / 2)
        latest_s = await house.worst_lateness_s(killed_at_ms)
        await stack.end(ended)
        shown |= await seen_while(house, AWAY_S / 2)
        back_at_ms = machine_ms()
        broker.start()

        async def locked() -> bool:
            return obeyed(watch, back_at_ms).get(ENDED_PC, ((0, 0), None))[1] is PcMode.LOCKED

        locked_after_s = await until(locked, what="the end of a session at its PC")
        online_after_s = await until(lambda: all_online(house), what="every PC heard again")
        shown |= await seen_while(house, AFTERWARDS_S)
        locks = {one.pc_id for one in watch.locks_since(killed_at_ms)}
        told = obeyed(watch, back_at_ms)
    report.note(
        f"broker away {AWAY_S:.0f} s among PCs (latest tick)",
        [latest_s],
        sessions=CROWD,
        speed=PACE,
        locked_after_s=round(locked_after_s, 1),
        online_after_s=round(locked_after_s + online_after_s, 1),
    )
    assert LinkState.LINK_UNKNOWN in shown
    assert LinkState.NOT_RESPONDING not in shown
    assert locks == {ENDED_PC}
    events = await events_after(house, told_from)
    kinds = [event["kind"] for event in events]
    assert kinds.count(ClubEventKind.CLUB_LINK_DOWN) == len(CLUBS)
    assert kinds.count(ClubEventKind.CLUB_LINK_RESTORED) == len(CLUBS)
    assert ClubEventKind.PC_NOT_RESPONDING not in kinds
    ends = {str(event["payload"]["end"]) for event in events if event["kind"] == USAGE}
    assert ends <= {UsageEnd.DOCUMENT.value}, "a PC stopped serving by itself"
    targets = await retained_targets(broker.url)
    for pc_id, (version, _) in told.items():
        assert version <= targets[pc_id]
    archive = open_archive(stack.processes.archive_url)
    try:
        sound(await verify(stack.store, archive))
    finally:
        archive.close()
