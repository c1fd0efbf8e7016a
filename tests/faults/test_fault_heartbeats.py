"""Every PC beats ten times as often as usual while players are billed: nobody notices."""

import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from clubs_under_test import CHAIN
from faulted_house import FaultedHouse, FaultReport, machine_ms
from hall_watched import all_online, events_after, links, seen_while
from prometheus_client.parser import text_string_to_metric_families
from stack_under_test import until

from controller.embedded import ChildProcess
from controller.metrics import SNAPSHOT_PREFIX
from schemas.events import ClubEventKind
from schemas.views import LinkState

PACE = 10.0
pytestmark = [
    pytest.mark.faults,
    pytest.mark.integration,
    pytest.mark.ray,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(600),
]
USUAL_S, OFTEN_S = 10.0, 1.0
LOOKED_AT_S = 45.0
"""Longer than a PC may be silent before it counts as not responding."""
TOLD_EVERY_S = 2.0
ONLINE_WITHIN_S = 120.0
BEATS_LEAST = 5
COMMITS_MOST = 1.5
"""Of the commits of as long a time before; beats that cost one each would make it many times."""
LATE_SHARE = 0.01
HEARD = 'clubctl_device_messages_total{leaf="hb"}'
COMMITS = "clubctl_commit_latency_seconds_count{}"
TICKS = "clubctl_tick_lateness_seconds_count{}"
TICKS_IN_TIME = 'clubctl_tick_lateness_seconds_bucket{le="1.0"}'


async def figures(house: FaultedHouse) -> Counter[str]:
    """What all hosts have counted so far, by series."""
    found: Counter[str] = Counter()
    for text in (await house.stack.store.snapshots(SNAPSHOT_PREFIX)).values():
        for family in text_string_to_metric_families(text.decode()):
            for sample in family.samples:
                kept = [(k, v) for k, v in sample.labels.items() if k in {"leaf", "le"}]
                labels = ",".join(f'{name}="{value}"' for name, value in kept)
                found[f"{sample.name}{{{labels}}}"] += int(sample.value)
    return found


async def counted(house: FaultedHouse, seconds: float) -> tuple[Counter[str], set[str]]:
    """What hosts counted within this time, and how well PCs were heard."""
    before = await figures(house)
    shown = await seen_while(house, seconds)
    # A host tells its figures every two seconds.
    shown |= await seen_while(house, TOLD_EVERY_S)
    after = await figures(house)
    after.subtract(before)
    return after, shown


@asynccontextmanager
async def fleet_that_beats(house: FaultedHouse, every_s: float) -> AsyncIterator[None]:
    """A simulated PC at every seat; at the end it is gone without a word."""
    processes = house.stack.processes
    pcs = await links(house)
    processes.write_roster([(pc_id.partition("-")[0], pc_id) for pc_id in pcs])
    options = ("--heartbeat-s", str(every_s), "--roster", str(processes.roster_file))
    fleet = ChildProcess(
        f"fleet-{every_s:.0f}",
        [sys.executable, "-m", "controller.cli", "sim", "fleet", *options],
        log_file=processes.state.log_file(f"fleet-{every_s:.0f}"),
        environment=processes.environment,
    )
    fleet.start()
    try:
        yield
    finally:
        fleet.kill()


async def beats_come(house: FaultedHouse) -> None:
    """Wait until every PC is online and hosts have told of beats since."""
    await until(lambda: all_online(house), within_s=ONLINE_WITHIN_S, what="every PC heard")
    before = (await figures(house))[HEARD]
    pcs = len(await links(house))

    async def heard() -> bool:
        return (await figures(house))[HEARD] >= before + pcs

    await until(heard, within_s=ONLINE_WITHIN_S, what="a beat of every PC")


async def test_ten_times_the_heartbeats_delay_no_tick_and_accuse_nobody(
    house: FaultedHouse, report: FaultReport
) -> None:
    async with fleet_that_beats(house, USUAL_S):
        await beats_come(house)
        usual, _ = await counted(house, LOOKED_AT_S)
    async with fleet_that_beats(house, OFTEN_S):
        await beats_come(house)
        told_from, began_at_ms = await outbox_until(house), machine_ms()
        often, shown = await counted(house, LOOKED_AT_S)
        late_s = await house.worst_lateness_s(began_at_ms)
        events = await events_after(house, told_from)
        await house.books_are_whole()
    late = often[TICKS] - often[TICKS_IN_TIME]
    report.note(
        "heartbeats ten times as many (latest tick)",
        [late_s],
        speed=PACE,
        beats=[usual[HEARD], often[HEARD]],
        commits=[usual[COMMITS], often[COMMITS]],
        ticks=[usual[TICKS], often[TICKS]],
        ticks_later_than_a_second=late,
    )
    assert often[HEARD] > BEATS_LEAST * usual[HEARD] > 0
    assert often[COMMITS] < COMMITS_MOST * usual[COMMITS]
    assert often[TICKS] > 0
    assert late <= LATE_SHARE * often[TICKS]
    assert LinkState.NOT_RESPONDING not in shown
    assert ClubEventKind.PC_NOT_RESPONDING not in {event["kind"] for event in events}


async def outbox_until(house: FaultedHouse) -> str:
    """The newest event."""
    return (await house.stack.store.image(CHAIN)).outbox_until
