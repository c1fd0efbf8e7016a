"""What a player's own programs do to a lock on the display they share with it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from displays_under_test import Display, a_display, part_of

from pc_daemon.agent_state import Screen
from pc_daemon.last_resort import Plight, Resort, runs_command
from pc_daemon.lockers import Deadlines, LockerError, ScreenHeard, ScreenNews
from pc_daemon.screen_windows import CARD, NIGHT
from pc_daemon.session_launch import UserSession
from pc_daemon.session_screen import SessionScreen
from schemas.device import LockReason, PcMode

RED = "#ff0000"
LOCKED = Screen(PcMode.LOCKED, LockReason.FREE, club="North", title="PC 07")
PLAYING = Screen(PcMode.UNLOCKED, club="North", title="PC 07", lease_seq=1)
AN_HOUR = Deadlines(lock_after_ms=3_600_000, ends_in_ms=3_600_000)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

STAYS_ABOVE = """
import tkinter
root = tkinter.Tk()
root.withdraw()
top = tkinter.Toplevel(root, background="#ff0000")
top.overrideredirect(True)
top.geometry("800x600+0+0")
top.update()
top.focus_force()
top.grab_set_global()
def again():
    top.lift()
    root.after(5, again)
again()
root.mainloop()
"""
HOLDS_THE_INPUT = """
import tkinter
root = tkinter.Tk()
root.overrideredirect(True)
root.geometry("8x8+0+0")
root.configure(background="#ff0000")
root.update()
root.grab_set_global()
root.mainloop()
"""
KILLS_THE_SCREEN = """
import json, os, signal, sys, time
while True:
    try:
        os.kill(json.load(open(sys.argv[1]))["pid"], signal.SIGKILL)
    except (OSError, ValueError):
        pass
    time.sleep(0.1)
"""


class Pc:
    """A screen, looked at as often as the agent does."""

    def __init__(self, display: Display, folder: Path, resort: Resort) -> None:
        self.display = display
        self.note = folder / "screen.json"
        self.heard: list[ScreenHeard] = []
        self.troubles: list[str] = []
        self.wanted = PLAYING
        self.screen = SessionScreen(
            [sys.executable, "-m", "pc_daemon.screen"],
            UserSession(None, {"DISPLAY": display.name}),
            real_s=time.monotonic,
            note=self.note,
            last_resort=resort,
        )
        self.screen.attach(self.heard.append)
        self._over = threading.Event()
        self._agent = threading.Thread(target=self._look)

    def start(self) -> None:
        self._agent.start()

    def _look(self) -> None:
        while not self._over.wait(0.25):
            deadlines = AN_HOUR if self.wanted is PLAYING else Deadlines()
            try:
                self.screen.show(self.wanted, deadlines)
                self.screen.check()
            except LockerError as error:
                self.troubles.append(str(error))

    def stand_down(self) -> None:
        """The agent ends; its screen stays."""
        self._over.set()
        self._agent.join()
        self.screen.close()

    def end(self) -> None:
        self.stand_down()
        with contextlib.suppress(ProcessLookupError):
            os.kill(json.loads(self.note.read_text())["pid"], signal.SIGKILL)

    def plays(self) -> None:
        self.display.shows(lambda one: part_of(one, CARD) > 0)

    def covers(self) -> None:
        self.display.shows(lambda one: part_of(one, NIGHT) > 0.8)

    def news(self) -> list[ScreenNews]:
        return [one.news for one in self.heard if one.news is not None]

    def runs(self, program: str, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start a program of the player."""
        environment = {**os.environ, "DISPLAY": self.display.name}
        command = [sys.executable, "-c", program, *arguments]
        return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


def soon(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


@contextmanager
def a_pc(folder: Path, resort: Resort) -> Iterator[Pc]:
    with a_display(800, 600) as display:
        pc = Pc(display, folder, resort)
        pc.start()
        try:
            yield pc
        finally:
            pc.end()


@contextmanager
def ended_after(process: "subprocess.Popen[bytes]") -> Iterator["subprocess.Popen[bytes]"]:
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_program_that_stays_over_the_lock_is_cut_off_and_told_of(tmp_path: Path) -> None:
    plights: list[Plight] = []
    with a_pc(tmp_path, plights.append) as pc:
        pc.plays()
        with ended_after(pc.runs(STAYS_ABOVE)) as hostile:
            pc.display.shows(lambda one: part_of(one, RED) > 0.9)
            pc.wanted = LOCKED

            pc.covers()

            soon(lambda: hostile.poll() is not None)
        soon(lambda: ScreenNews.HIDDEN in pc.news())
        assert any("does not cover" in one for one in pc.troubles)
        assert Plight.HIDDEN in plights
        while ScreenHeard(code="7") not in pc.heard:
            pc.display.press("Escape", "7", "Return")
            time.sleep(0.2)


def test_a_game_over_which_nothing_is_locked_is_left_alone(tmp_path: Path) -> None:
    plights: list[Plight] = []
    with a_pc(tmp_path, plights.append) as pc:
        pc.plays()
        with ended_after(pc.runs(STAYS_ABOVE)) as game:
            pc.display.shows(lambda one: part_of(one, RED) > 0.9)
            time.sleep(3)
            assert game.poll() is None
        assert (plights, pc.troubles) == ([], [])


def test_a_program_that_holds_the_input_is_the_last_resorts(tmp_path: Path) -> None:
    plights: list[Plight] = []
    with a_pc(tmp_path, plights.append) as pc:
        pc.plays()
        with ended_after(pc.runs(HOLDS_THE_INPUT)):
            pc.display.shows(lambda one: part_of(one, RED) > 0)
            pc.wanted = LOCKED
            soon(lambda: Plight.INPUT in plights)
            assert ScreenNews.INPUT_HELD in pc.news()
            pc.covers()
        soon(lambda: ScreenHeard(code="7") in pc.heard or pc.display.press("7", "Return"))


def test_a_cover_that_was_taken_off_the_display_is_made_anew(tmp_path: Path) -> None:
    with a_pc(tmp_path, lambda _plight: None) as pc:
        pc.wanted = LOCKED
        pc.covers()
        environment = {**os.environ, "DISPLAY": pc.display.name}
        found = subprocess.check_output(
            ["xdotool", "search", "--onlyvisible", "--name", ""], env=environment, text=True
        )
        # It is back before anybody looks, unless it stands still meanwhile.
        screen_pid = json.loads(pc.note.read_text())["pid"]
        os.kill(screen_pid, signal.SIGSTOP)
        for window in found.split():
            subprocess.run(["xdotool", "windowunmap", window], env=environment, check=False)
        pc.display.shows(lambda one: part_of(one, NIGHT) < 0.1)
        os.kill(screen_pid, signal.SIGCONT)
        pc.covers()


def test_the_screen_of_an_agent_before_is_nobody_who_is_in_the_way(tmp_path: Path) -> None:
    plights: list[Plight] = []
    with a_pc(tmp_path, plights.append) as pc:
        pc.wanted = LOCKED
        pc.covers()
        older = json.loads(pc.note.read_text())["pid"]
        again = Pc(pc.display, tmp_path, plights.append)
        again.wanted = LOCKED
        pc.stand_down()
        again.start()
        try:
            soon(lambda: json.loads(pc.note.read_text())["pid"] != older)
            soon(lambda: ScreenHeard(code="7") in again.heard or pc.display.press("7", "Return"))
            again.covers()
        finally:
            again.end()
        assert [one for one in again.news() if one is not ScreenNews.DIED] == []
        assert (again.troubles, plights) == ([], [])


def test_a_screen_killed_in_a_loop_is_ended_by_the_last_resort(tmp_path: Path) -> None:
    pid_file = tmp_path / "killer"
    # Ending a player's session ends what runs in it.
    ends = runs_command(
        ["sh", "-c", f"kill -9 $(cat {pid_file})"], real_s=lambda: 2 * time.monotonic()
    )
    with a_pc(tmp_path, ends) as pc:
        pc.wanted = LOCKED
        pc.covers()
        with ended_after(pc.runs(KILLS_THE_SCREEN, str(pc.note))) as hostile:
            pid_file.write_text(str(hostile.pid))
            soon(lambda: hostile.poll() is not None)
        pc.covers()
        assert pc.troubles
