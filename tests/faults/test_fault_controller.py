"""The controller and the parts of Ray it runs on are killed; whoever keeps it alive restarts it."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from clubs_under_test import CLUBS
from faulted_house import FaultedHouse, FaultReport, machine_ms
from stack_under_test import until

from controller.demo.processes import answers

pytestmark = [
    pytest.mark.faults,
    pytest.mark.integration,
    pytest.mark.ray,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(400),
]
ENDS_WITHIN_S = 120.0
WITHOUT_RAYLET_S = 20.0
FROZEN_S = 30.0
AFTERWARDS_S = 10.0
RESTARTED_MAX_S = 15.0
LATE_MAX_S = 5.0


def descendants(pid: int) -> dict[int, str]:
    """Every process below one, with its command line."""
    parents, lines = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        parents[int(folder.name)] = int(stat[1])
        lines[int(folder.name)] = line
    found: dict[int, str] = {}
    last = {pid}
    while last:
        last = {child for child, parent in parents.items() if parent in last} - found.keys()
        found |= {child: lines[child] for child in last}
    return found


def signal_every(part: str, house: FaultedHouse, number: signal.Signals = signal.SIGKILL) -> int:
    """A signal to the parts of the controller whose command line says so; when."""
    pid = house.stack.processes.controller.pid
    assert pid is not None
    family = descendants(pid)
    victims = [pid for pid, line in family.items() if part in line and "guard.py" not in line]
    assert victims, family
    sent_at_ms = machine_ms()
    for victim in victims:
        os.kill(victim, number)
    return sent_at_ms


async def ended(house: FaultedHouse) -> float:
    """Wait for the controller's own end; real seconds."""
    controller = house.stack.processes.controller

    async def over() -> bool:
        return not controller.is_running

    return await until(over, within_s=ENDS_WITHIN_S, what="the end of a controller without parts")


async def restarted(house: FaultedHouse) -> float:
    """Start the controller again, as whoever keeps it alive does; seconds until all tick."""
    place, began_at_ms = await house.newest_entry(), machine_ms()
    house.stack.processes.controller.start()
    seconds = await house.ticks_go_on(began_at_ms, after=place, clubs=CLUBS)
    await house.books_are_whole()
    # Nobody has to start the API again: it leaves a Ray that is gone, and joins the next.
    assert house.stack.processes.api.is_running
    url = f"{house.stack.processes.shape.hall_url}/readyz"

    async def serving() -> bool:
        return await answers(url)

    await until(serving, what="the API")
    await house.stack.post("/clubs/north/players/p0/wallet/top-ups", {"amountMinor": 100})
    return seconds


@pytest.mark.parametrize(
    ("part", "name"),
    [("gcs_server", "Ray's head (GCS)"), ("raylet/raylet", "Ray's raylet")],
)
async def test_hosts_tick_on_beside_a_part_of_ray_that_is_frozen_and_returns(
    house: FaultedHouse, report: FaultReport, *, part: str, name: str
) -> None:
    frozen_at_ms = signal_every(part, house, signal.SIGSTOP)
    try:
        await asyncio.sleep(FROZEN_S)
    finally:
        signal_every(part, house, signal.SIGCONT)
    await asyncio.sleep(AFTERWARDS_S)
    await house.books_are_whole()
    late_s = await house.worst_lateness_s(frozen_at_ms)
    report.note(f"{name} frozen {FROZEN_S:.0f} s (latest tick)", [late_s])
    assert late_s < LATE_MAX_S
    assert house.stack.processes.controller.is_running
    await house.stack.post("/clubs/north/players/p0/wallet/top-ups", {"amountMinor": 100})


@pytest.mark.parametrize(
    ("part", "name"),
    [("controller.cli run", "controller killed"), ("gcs_server", "Ray's head (GCS) killed")],
)
async def test_the_controller_ends_and_is_restarted(
    house: FaultedHouse, report: FaultReport, *, part: str, name: str
) -> None:
    killed_at_ms = signal_every(part, house)
    ended_s = await ended(house)
    seconds = await restarted(house)
    report.note(
        f"{name} (from its restart)",
        [seconds],
        controller_ended_after_s=round(ended_s, 2),
        latest_tick_s=round(await house.worst_lateness_s(killed_at_ms), 2),
    )
    assert seconds < RESTARTED_MAX_S


async def test_hosts_outlive_their_raylet_and_a_controller_without_room_ends(
    house: FaultedHouse, report: FaultReport
) -> None:
    killed_at_ms = signal_every("raylet/raylet", house)
    await asyncio.sleep(WITHOUT_RAYLET_S)
    await house.books_are_whole()
    late_s = await house.worst_lateness_s(killed_at_ms)
    report.note("Ray's raylet killed (latest tick)", [late_s])
    assert late_s < LATE_MAX_S
    signal_every("ray::ShardHost", house)
    ended_s = await ended(house)
    seconds = await restarted(house)
    report.note(
        "raylet and every host killed (from the restart)",
        [seconds],
        controller_ended_after_s=round(ended_s, 2),
    )
    assert seconds < RESTARTED_MAX_S
