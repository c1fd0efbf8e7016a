"""A screen's process that writes down what it is told, and the agent's end of it."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pc_daemon.agent_state import Screen
from pc_daemon.last_resort import Plight
from pc_daemon.lockers import Deadlines, LockerError, ScreenHeard, ScreenLocker, ScreenNews
from pc_daemon.process_note import noted
from pc_daemon.session_launch import UserSession
from pc_daemon.session_screen import SessionScreen
from schemas.device import LockReason, PcMode

SPEAKER = """
import sys, threading, time, json
def speak():
    while True:
        print(json.dumps({"alive": {"covers": True, "monitors": 1}}), flush=True)
        time.sleep(0.1)
threading.Thread(target=speak, daemon=True).start()
with open(sys.argv[1], "a", buffering=1) as out:
    for line in sys.stdin:
        out.write(line)
    time.sleep(60)
"""
LOCKED = Screen(PcMode.LOCKED, LockReason.FREE, club="North", title="PC 07")
UNLOCKED = Screen(PcMode.UNLOCKED, title="PC 07", player_label="Ann", lease_seq=1)
SOON = Deadlines(lock_after_ms=90_000, ends_in_ms=80_000)


def soon(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Rig:
    """A locker with a screen that writes down what it is told."""

    def __init__(self, folder: Path) -> None:
        self.told_file = folder / "told"
        self.note = folder / "screen.json"
        self.heard: list[ScreenHeard] = []
        self.skipped_s = 0.0
        self.resorts: list[Plight] = []
        self.locker = self.make(SPEAKER)

    def make(self, program: str, *, speaks: bool = True) -> SessionScreen:
        locker = SessionScreen(
            [sys.executable, "-c", program, str(self.told_file)],
            UserSession(),
            real_s=lambda: time.monotonic() + self.skipped_s,
            note=self.note,
            speaks=speaks,
            last_resort=self.resorts.append,
        )
        locker.attach(self.heard.append)
        return locker

    def told(self) -> list[dict[str, dict[str, object]]]:
        if not self.told_file.exists():
            return []
        return [json.loads(line) for line in self.told_file.read_text().splitlines()]

    @property
    def pid(self) -> int:
        return int(json.loads(self.note.read_text())["pid"])

    def died(self) -> int:
        return sum(1 for one in self.heard if one.news is ScreenNews.DIED)


def is_sound(locker: ScreenLocker) -> bool:
    try:
        locker.check()
    except LockerError:
        return False
    return True


@contextmanager
def a_rig(folder: Path) -> Iterator[Rig]:
    """A rig whose screen is ended with it."""
    rig = Rig(folder)
    try:
        yield rig
    finally:
        rig.locker.close()
        found = noted(rig.note, besides=0)
        if found is not None:
            found.end()
