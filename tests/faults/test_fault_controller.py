"""The controller and the parts of Ray it runs on are killed; whoever keeps it alive restarts it."""

import os
import signal
from pathlib import Path

import pytest
from clubs_under_test import CLUBS
from faulted_house import FaultedHouse, FaultReport, machine_ms
from stack_under_test import until

pytestmark = [
    pytest.mark.faults,
    pytest.mark.integration,
    pytest.mark.ray,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(400),
]
ENDS_WITHIN_S = 120.0


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


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("controller.cli run", "controller killed"),
        ("gcs_server", "Ray's head (GCS) killed"),
        ("raylet/raylet", "Ray's raylet killed"),
    ],
)
async def test_a_part_of_the_controller_is_killed(
    house: FaultedHouse, report: FaultReport, *, part: str, name: str
) -> None:
    controller, place = house.stack.processes.controller, await house.newest_entry()
    assert controller.pid is not None
    family = descendants(controller.pid)
    victims = [pid for pid, line in family.items() if part in line and "guard.py" not in line]
    assert victims, family
    killed_at_ms = machine_ms()
    for pid in victims:
        os.kill(pid, signal.SIGKILL)

    async def over() -> bool:
        return not controller.is_running

    await until(over, within_s=ENDS_WITHIN_S, what="the end of a controller without its parts")
    ended_s = (machine_ms() - killed_at_ms) / 1_000
    controller.start()
    began_at_ms = machine_ms()
    seconds = await house.ticks_go_on(began_at_ms, after=place, clubs=CLUBS)
    await house.books_are_whole()
    report.note(
        f"{name} (from its restart)",
        [seconds],
        controller_ended_after_s=round(ended_s, 2),
        latest_tick_s=round(await house.worst_lateness_s(killed_at_ms), 2),
    )
