"""Eight hours of a chain's life at speed: who serves it does not grow, and the books agree.

``FAULTS_SOAK_SPEED`` (60) says how fast, ``FAULTS_SOAK_HOURS`` (8) how long in business time.
"""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psutil
import pytest
from clubs_under_test import CLUBS
from faulted_house import EVERYTHING, FaultReport
from stack_under_test import Stack, running_stack, until

from actors.clock import clock_for
from controller.archive import ArchiveConsumer, open_archive
from controller.verify import verify

pytestmark = [
    pytest.mark.faults,
    pytest.mark.integration,
    pytest.mark.ray,
    pytest.mark.timeout(3_600),
]
SPEED = float(os.environ.get("FAULTS_SOAK_SPEED", "60"))
HOURS = float(os.environ.get("FAULTS_SOAK_HOURS", "8"))
PER_ZONE = 10
WARM_UP_SHARE = 0.25
"""Memory that is taken once, for what is loaded at first use and for pools, is not a leak."""
SAMPLES = 60
GROWTH_MAX_MB_PER_HOUR = 2.0
"""Of business time, in which a club of this size lives some hundred sessions."""
MEGABYTE = 1_048_576
BOOKS_CHECKED_EVERY_S = "30"
"""The first ones fall into the warm-up, and what each of the others would leave adds up."""
PLAYS_MINUTES = (3, 20)
PRICE_MINOR = {"main": 2_00, "vip": 4_00}


@dataclass
class Memory:
    """Resident megabytes by process, sampled at business hours."""

    hours: list[float] = field(default_factory=list)
    by_process: dict[str, list[float]] = field(default_factory=dict)

    def sample(self, hour: float, processes: Mapping[str, int]) -> None:
        self.hours.append(hour)
        for name, pid in processes.items():
            resident = psutil.Process(pid).memory_info().rss / MEGABYTE
            self.by_process.setdefault(name, []).append(resident)

    def slope(self, name: str) -> float:
        """Megabytes an hour, by least squares, after the warm-up."""
        first = int(len(self.hours) * WARM_UP_SHARE)
        xs, ys = self.hours[first:], self.by_process[name][first:]
        mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
        spread = sum((x - mean_x) ** 2 for x in xs)
        return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / spread


async def processes_of(stack: Stack) -> dict[str, int]:
    """What must not grow, by name."""
    found = {f"host {one.name}": int(one.details["pid"]) for one in await stack.store.hosts()}
    children = stack.processes
    for child in (children.api, children.archive, children.broker.child):
        assert child.pid is not None, child.name
        found[child.name] = child.pid
    guard = children.controller.pid
    assert guard is not None
    found["controller"] = psutil.Process(guard).children()[0].pid
    return found


async def lives(stack: Stack, player_id: str, pc_id: str, luck: Random) -> None:
    """Somebody plays, pays for some minutes, is locked out, and comes again; for ever."""
    price_minor = PRICE_MINOR[pc_id.split("-")[1]]
    while True:
        minutes = luck.randint(*PLAYS_MINUTES)
        await stack.play(player_id, pc_id, minutes * price_minor)
        await asyncio.sleep((minutes + 2) * 60 / SPEED)

        async def free(pc_id: str = pc_id) -> bool:
            return (await stack.tile(pc_id.partition("-")[0], pc_id))["use"] == "FREE"

        await until(free, what=f"{pc_id} free again")


async def soaked(stack: Stack) -> Memory:
    """Let time pass and look at memory now and then."""
    memory, clock = Memory(), clock_for(stack.anchor)
    began_ms, step_s = clock.wall_ms(), HOURS * 3_600 / SPEED / SAMPLES
    for _ in range(SAMPLES):
        await asyncio.sleep(step_s)
        memory.sample((clock.wall_ms() - began_ms) / 3_600_000, await processes_of(stack))
    return memory


async def test_memory_stays_flat_over_eight_hours(
    tmp_path: Path, report: FaultReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLUBCTL_VERIFY_EVERY_S", BOOKS_CHECKED_EVERY_S)
    seats = [
        f"{club}-{zone}-{n}" for club in CLUBS for zone in PRICE_MINOR for n in range(PER_ZONE)
    ]
    players = tuple(f"p{n}" for n in range(len(seats)))
    async with running_stack(
        tmp_path / "state",
        speed=SPEED,
        archive=True,
        pcs_per_zone=PER_ZONE,
        fleet_per_zone=PER_ZONE,
        players=players,
    ) as stack:
        playing = [
            asyncio.create_task(lives(stack, player, seat, Random(seat)))
            for player, seat in zip(players, seats, strict=True)
        ]
        memory = await soaked(stack)
        ended = [task for task in playing if task.done()]
        for task in playing:
            task.cancel()
        await asyncio.wait(playing)
        assert ended == [], ended[0].exception()
        archive = open_archive(stack.processes.archive_url)
        await stack.processes.stop_writers()
        try:
            await ArchiveConsumer(stack.store, archive, clock_for(stack.anchor)).step()
            found = await verify(stack.store, archive)
        finally:
            archive.close()
    assert found.ok, found.rows[:5]
    slopes = {name: round(memory.slope(name), 2) for name in memory.by_process}
    peaks = {name: round(max(values), 1) for name, values in memory.by_process.items()}
    report.note(
        f"soak of {HOURS:.0f} h",
        [0.0],
        speed=SPEED,
        mb_per_hour=slopes,
        peak_mb=peaks,
        transactions=found.transactions,
        sessions_played=found.sessions,
    )
    assert found.transactions < EVERYTHING
    assert max(slopes.values()) < GROWTH_MAX_MB_PER_HOUR, slopes
