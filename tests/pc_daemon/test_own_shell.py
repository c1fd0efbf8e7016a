"""A club's own shell as the screen (``exec``): told on its input, and free to be silent."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from screens_under_test import LOCKED, SOON, UNLOCKED, is_sound, soon

from pc_daemon import session_screen
from pc_daemon.choose_locker import choose_locker
from pc_daemon.lockers import Deadlines, LockerError, LockerKind, ScreenHeard, ScreenNews
from pc_daemon.settings import AgentSettings, LastResortKind

SHELL = """
import sys
print("a shell of our own", flush=True)
with open(sys.argv[1], "a", buffering=1) as out:
    for line in sys.stdin:
        out.write(line)
"""


def test_a_shell_is_told_what_to_show_may_be_silent_and_comes_back(tmp_path: Path) -> None:
    told_file, note = tmp_path / "told", tmp_path / "screen.json"
    skipped_s = 0.0

    def told() -> list[dict[str, dict[str, Any]]]:
        lines = told_file.read_text().splitlines(keepends=True) if told_file.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def pid() -> int:
        return int(json.loads(note.read_text())["pid"])

    settings = AgentSettings(
        club_id="north",
        pc_id="pc1",
        locker=LockerKind.EXEC,
        locker_command=(sys.executable, "-c", SHELL, str(told_file)),
        last_resort=LastResortKind.NONE,
        state_dir=tmp_path,
    )
    locker = choose_locker(settings, lambda: time.monotonic() + skipped_s)
    heard: list[ScreenHeard] = []
    locker.attach(heard.append)
    locker.show(UNLOCKED, SOON)
    locker.notify("Your pizza is ready")
    soon(lambda: len(told()) == 2)
    shown, notice = told()
    assert (shown["show"]["mode"], shown["show"]["pc"]) == ("UNLOCKED", "PC 07")
    assert shown["show"]["lock_after_ms"] == SOON.lock_after_ms
    assert notice == {"notice": {"text": "Your pizza is ready"}}

    skipped_s += session_screen.STARTUP_S + session_screen.SILENT_AFTER_S
    locker.check()
    locker.show(LOCKED, Deadlines())
    soon(lambda: len(told()) == 3)
    assert told()[2]["show"]["mode"] == "LOCKED"
    assert heard == []

    first = pid()
    psutil.Process(first).kill()
    soon(lambda: heard == [ScreenHeard(ScreenNews.DIED)] and not is_sound(locker))
    with pytest.raises(LockerError, match="ended with -9"):
        locker.check()
    locker.show(LOCKED, Deadlines())
    soon(lambda: len(told()) == 4)
    assert pid() != first
    assert told()[3] == told()[2]
    skipped_s += session_screen.STEADY_AFTER_S
    locker.check()
    locker.close()
