"""Calendars moved by an hour under running processes: the controller's, the store's, the PCs'."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from clubs_under_test import CLUBS
from faulted_house import FaultedHouse, FaultReport, full_house, machine_ms
from pcs_watched import watched_pcs
from stack_under_test import send_signal, until

from actors.timekeeping import known_time
from controller.doctor import Health, clock_finding
from controller.metrics import SNAPSHOT_PREFIX
from controller.settings import Settings

pytestmark = [
    pytest.mark.faults,
    pytest.mark.integration,
    pytest.mark.ray,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
]
HOUR_S = 3_600
PACE = 30.0
PC_HOUR_S = int(HOUR_S / PACE)
"""A simulated PC's calendar runs as fast as its business time."""
TOLD_WITHIN_S = 20.0
AFTERWARDS_S = 5.0
LATE_MAX_S = 5.0
FAKETIME = "faketime/libfaketime.so.1"
LIBRARIES = (Path("/usr/lib"), Path("/usr/lib64"))


class Calendars:
    """Where processes read by how much their calendars are moved."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def move(self, whose: str, seconds: int) -> None:
        fresh = self.folder / f"{whose}.new"
        fresh.write_text(str(seconds))
        fresh.replace(self.folder / whose)


@pytest.fixture(scope="module")
def calendars(tmp_path_factory: pytest.TempPathFactory) -> Calendars:
    return Calendars(tmp_path_factory.mktemp("calendars") / "moved")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(
    tmp_path_factory: pytest.TempPathFactory, calendars: Calendars
) -> AsyncIterator[FaultedHouse]:
    """A house all of whose Python processes read calendars that can be moved."""
    launcher = str(Path(__file__).parent / "moved_calendar")
    with pytest.MonkeyPatch.context() as patch:
        paths = [launcher, os.environ.get("PYTHONPATH", "")]
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
        patch.setenv("MOVED_CALENDARS", str(calendars.folder))
        folder = tmp_path_factory.mktemp("house") / "state"
        async with full_house(folder, fleet=True, speed=PACE) as running:
            yield running


async def jumps_told(house: FaultedHouse) -> bool:
    """Whether a host says that it has seen a jump."""
    texts = await house.stack.store.snapshots(SNAPSHOT_PREFIX)
    return any(re.search(rb"clubctl_clock_jumps_total [1-9]", text) for text in texts.values())


@pytest.mark.parametrize("moved_s", [HOUR_S, -HOUR_S])
async def test_a_controllers_calendar_is_moved(
    house: FaultedHouse, report: FaultReport, calendars: Calendars, moved_s: int
) -> None:
    moved_at_ms = machine_ms()
    async with watched_pcs(house.stack.processes.broker.url) as watch:
        calendars.move("controller", moved_s)

        async def told() -> bool:
            records = (await known_time(house.stack.store)).records.values()
            return any(abs(one.ahead_ms / 1_000 - moved_s) < 1 for one in records)

        await until(told, within_s=TOLD_WITHIN_S, what="a word about the moved calendar")
        await until(lambda: jumps_told(house), within_s=TOLD_WITHIN_S, what="a count of jumps")
        settings = Settings(redis_url=house.stack.processes.valkey.url)
        found = await asyncio.to_thread(clock_finding, settings)
        assert found.health is Health.WARNING
        await house.books_are_whole()
        # A host that begins now finds nothing but the moved calendar, and time as it was.
        clubs, place = CLUBS, await house.newest_entry()
        for club in CLUBS:
            send_signal(await house.owner(club), signal.SIGKILL)
        await house.ticks_go_on(machine_ms(), after=place, clubs=clubs)
        await house.books_are_whole()
        late_s = await house.worst_lateness_s(moved_at_ms)
        calendars.move("controller", 0)
        await asyncio.sleep(AFTERWARDS_S)
        await house.books_are_whole()
        assert watch.locks_since(moved_at_ms) == []
    report.note(f"controller's calendar moved by {moved_s} s (latest tick)", [late_s])


@pytest.mark.parametrize("moved_s", [PC_HOUR_S, -PC_HOUR_S])
async def test_the_calendars_of_pcs_are_moved(
    house: FaultedHouse, report: FaultReport, calendars: Calendars, moved_s: int
) -> None:
    began_ms = machine_ms()
    async with watched_pcs(house.stack.processes.broker.url) as watch:
        calendars.move("pcs", moved_s)
        await asyncio.sleep(AFTERWARDS_S)
        await house.books_are_whole()
        assert watch.locks_since(began_ms) == []
        calendars.move("pcs", 0)
        await asyncio.sleep(AFTERWARDS_S)
        assert watch.locks_since(began_ms) == []
    await house.books_are_whole()
    late_s = await house.worst_lateness_s(began_ms)
    report.note(f"PCs' calendars moved by {moved_s} s (latest tick)", [late_s])
    assert late_s < LATE_MAX_S


def faketime() -> str:
    """The library that moves the calendar of a process that is not Python."""
    found = next((str(f) for place in LIBRARIES for f in place.rglob(FAKETIME)), None)
    assert found is not None, "install libfaketime: the store's calendar is moved with it"
    return found


@pytest.mark.parametrize("moved", ["+1h", "-1h"])
async def test_the_stores_calendar_is_moved(
    house: FaultedHouse, report: FaultReport, tmp_path: Path, moved: str
) -> None:
    """The server comes back with another calendar; hosts go by their own count of time.

    The last row: the ledger's ids, by which other rows measure, stay ahead of time after it.
    """
    valkey, told = house.stack.processes.valkey, tmp_path / "store-time"
    told.write_text(moved)
    moved_at_ms = machine_ms()
    valkey.stop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_PRELOAD", faketime())
        patch.setenv("FAKETIME", moved)
        patch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        valkey.start()
    known = await known_time(house.stack.store)
    assert abs(abs(known.store_ms - machine_ms()) / 1_000 - HOUR_S) < 10
    await house.books_are_whole()
    for club in CLUBS:
        send_signal(await house.owner(club), signal.SIGKILL)
    await house.books_are_whole()
    valkey.restart()
    await house.books_are_whole()
    report.note(f"store's calendar moved {moved}", [(machine_ms() - moved_at_ms) / 1_000])
