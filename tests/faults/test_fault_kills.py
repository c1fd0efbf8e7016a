"""A random host killed again and again, ``FAULTS_KILLS`` times (100), under a full house.

``FAULTS_CROWD`` says how many play (2,000). This is the row that says how soon ticks go on.
Business time runs 5 times as fast: 167 ticks a second, as of 10,000 who play in real time.
"""

import asyncio
import os
import signal
from random import Random
from statistics import median

import pytest
from faulted_house import FaultedHouse, FaultReport, machine_ms
from paying_customer import paying
from stack_under_test import send_signal

pytestmark = [
    pytest.mark.faults,
    pytest.mark.integration,
    pytest.mark.ray,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(3_600),
]
CROWD = int(os.environ.get("FAULTS_CROWD", "2000"))
PACE = 5.0
KILLS = int(os.environ.get("FAULTS_KILLS", "100"))
PAUSE_S = (1.0, 3.0)
MEDIAN_MAX_S = 3.0
WORST_MAX_S = 8.0
CHECK_EVERY = 10


async def test_hosts_are_killed_over_and_over(house: FaultedHouse, report: FaultReport) -> None:
    luck, seconds = Random(5), list[float]()
    async with paying(house):
        while len(seconds) < KILLS:
            victim = await house.owner(luck.choice(("north", "south")))
            clubs, place = await house.clubs_of(victim), await house.newest_entry()
            killed_at_ms = machine_ms()
            try:
                send_signal(victim, signal.SIGKILL)
            except ProcessLookupError:
                # It is the last one's record: its process died already.
                await asyncio.sleep(PAUSE_S[0])
                continue
            seconds.append(await house.ticks_go_on(killed_at_ms, after=place, clubs=clubs))
            ordered = sorted(seconds)
            ninety = ordered[len(ordered) * 9 // 10]
            report.note(
                "random host killed",
                seconds,
                ninety_of_hundred_s=round(ninety, 2),
                sessions=CROWD,
                speed=PACE,
            )
            await asyncio.sleep(luck.uniform(*PAUSE_S))
            if len(seconds) % CHECK_EVERY == 0:
                await house.books_are_whole()
    await house.books_are_whole()
    assert median(seconds) < MEDIAN_MAX_S
    assert max(seconds) < WORST_MAX_S
