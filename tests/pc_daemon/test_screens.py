"""Lockers and the screen's process: told what to show, brought back, never free by dying."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from screens_under_test import LOCKED, SOON, SPEAKER, UNLOCKED, Rig, a_rig, is_sound, soon

from pc_daemon import session_screen
from pc_daemon.agent_state import Screen
from pc_daemon.choose_locker import choose_locker, command_of
from pc_daemon.keyboard_hook import KeyboardHook, leaves_the_window
from pc_daemon.last_resort import Plight
from pc_daemon.lockers import (
    Deadlines,
    LockerError,
    LockerKind,
    NullLocker,
    ScreenHeard,
    ScreenNews,
)
from pc_daemon.logind_lock import LoginctlLocker
from pc_daemon.process_note import NotedProcess, keep_note, noted
from pc_daemon.session_launch import UserSession, interpreter
from pc_daemon.session_screen import SessionScreen
from pc_daemon.settings import AgentSettings


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with a_rig(tmp_path) as rig:
        yield rig


def test_a_screen_is_told_everything_in_order(rig: Rig) -> None:
    rig.locker.show(LOCKED, Deadlines())
    rig.locker.show(UNLOCKED, SOON)
    rig.locker.notify("Ünïcode")
    rig.locker.identify(10_000)
    rig.locker.check()
    soon(lambda: len(rig.told()) == 4)

    first, second, third, fourth = rig.told()
    assert (first["show"]["mode"], first["show"]["pc"]) == ("LOCKED", "PC 07")
    assert (first["show"]["club"], first["show"]["reason"]) == ("North", "FREE")
    assert (second["show"]["lock_after_ms"], second["show"]["ends_in_ms"]) == (90_000, 80_000)
    assert third == {"notice": {"text": "Ünïcode"}}
    assert fourth == {"identify": {"for_ms": 10_000}}


@pytest.mark.parametrize(
    ("ending", "silence_s"),
    [(signal.SIGSTOP, session_screen.STARTUP_S), (signal.SIGKILL, 0)],
    ids=["hangs", "dead"],
)
def test_what_a_screen_cannot_show_is_not_said_to_be_shown(
    rig: Rig, ending: signal.Signals, silence_s: float
) -> None:
    rig.locker.show(LOCKED, Deadlines())
    soon(rig.told)
    os.kill(rig.pid, ending)

    def is_refused(say: Callable[[], None]) -> bool:
        rig.skipped_s += silence_s
        try:
            say()
        except LockerError:
            return True
        return False

    soon(lambda: is_refused(lambda: rig.locker.notify("Pizza")))
    soon(lambda: is_refused(lambda: rig.locker.identify(10_000)))


def test_a_killed_screen_is_noticed_and_comes_back_as_it_was_told(rig: Rig) -> None:
    rig.locker.show(LOCKED, Deadlines())
    soon(rig.told)
    first = rig.pid
    time.sleep(session_screen.LEAST_LIFE_S)

    psutil.Process(first).kill()
    soon(rig.died)
    with pytest.raises(LockerError, match="ended with -9"):
        rig.locker.check()
    rig.locker.show(LOCKED, Deadlines())

    assert rig.pid != first
    soon(lambda: len(rig.told()) == 2)
    with pytest.raises(LockerError, match="just started again"):
        rig.locker.check()
    rig.skipped_s += session_screen.STEADY_AFTER_S
    soon(lambda: is_sound(rig.locker))


def test_a_frozen_screen_is_replaced(rig: Rig) -> None:
    rig.locker.show(UNLOCKED, SOON)
    soon(rig.told)
    frozen = rig.pid
    psutil.Process(frozen).suspend()
    rig.skipped_s += session_screen.STARTUP_S + session_screen.SILENT_AFTER_S

    with pytest.raises(LockerError, match="does not answer"):
        rig.locker.check()
    rig.locker.show(LOCKED, Deadlines())

    assert rig.pid != frozen
    soon(lambda: len(rig.told()) == 2)
    assert rig.told()[1]["show"]["mode"] == "LOCKED"


def test_deaths_far_apart_are_not_tampering(rig: Rig) -> None:
    rig.locker.show(LOCKED, Deadlines())
    for death in range(1, session_screen.TAMPER_DEATHS + 1):
        rig.skipped_s += session_screen.TAMPER_WINDOW_S
        psutil.Process(rig.pid).kill()
        soon(lambda death=death: rig.died() == death)
        rig.locker.show(LOCKED, Deadlines())
    assert ScreenNews.TAMPERED not in [one.news for one in rig.heard]


def test_a_screen_that_ends_at_once_is_not_started_in_a_loop(rig: Rig) -> None:
    locker = rig.make("pass")
    deadline = time.monotonic() + 3 * session_screen.LEAST_LIFE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(LockerError):
            locker.show(LOCKED, Deadlines())
        time.sleep(0.01)
    locker.close()
    assert 1 <= rig.died() <= 4


@pytest.mark.parametrize(
    ("screen", "locked"), [(LOCKED, 2), (UNLOCKED, 0)], ids=["locked", "unlocked"]
)
def test_a_pc_that_must_be_locked_and_has_no_screen_is_locked_by_the_last_resort(
    screen: Screen, locked: int, tmp_path: Path
) -> None:
    resorts: list[Plight] = []
    locker = SessionScreen(
        ["/nonexistent/screen"],
        UserSession(),
        real_s=time.monotonic,
        note=tmp_path / "note",
        last_resort=resorts.append,
    )
    for _ in range(2):
        with pytest.raises(LockerError, match="does not start"):
            locker.show(screen, Deadlines())
    assert resorts == [Plight.NO_SCREEN] * locked


def test_a_screen_that_does_not_read_is_given_up(rig: Rig) -> None:
    locker = rig.make("import time; time.sleep(60)", speaks=False)

    def tell_on() -> None:
        for _ in range(5_000):
            locker.show(LOCKED, Deadlines())

    with pytest.raises(LockerError, match=r"does not read|cannot be told"):
        tell_on()
    locker.close()


def test_a_missing_screen_program_is_a_locker_error(tmp_path: Path) -> None:
    locker = SessionScreen(
        ["/nowhere/screen"], UserSession(), real_s=time.monotonic, note=tmp_path / "note"
    )
    with pytest.raises(LockerError, match="No such file"):
        locker.show(LOCKED, Deadlines())


def test_a_technicians_code_reaches_the_agent(rig: Rig) -> None:
    word = json.dumps({"code": {"code": "4711"}})
    locker = rig.make(f"print({word!r}, flush=True); import time; time.sleep(60)")
    locker.show(LOCKED, Deadlines())
    soon(lambda: ScreenHeard(code="4711") in rig.heard)
    locker.close()


def test_the_screen_outlives_its_agent_until_the_next_one_covers(rig: Rig) -> None:
    rig.locker.show(LOCKED, Deadlines())
    soon(rig.told)
    older = NotedProcess(rig.pid, noted(rig.note, besides=0).began_s)  # type: ignore[union-attr]
    rig.locker.close()
    assert is_running(older.pid)

    rig.locker = rig.make(SPEAKER)
    rig.locker.show(LOCKED, Deadlines())

    soon(lambda: not is_running(older.pid))
    assert is_running(rig.pid)


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def test_a_note_never_ends_a_process_that_took_over_the_number(tmp_path: Path) -> None:
    keep_note(tmp_path / "note", os.getpid())
    found = noted(tmp_path / "note", besides=0)
    assert found is not None
    NotedProcess(found.pid, found.began_s - 100).end()
    assert noted(tmp_path / "note", besides=os.getpid()) is None
    (tmp_path / "note").write_text("{}")
    assert noted(tmp_path / "note", besides=0) is None


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        (LockerKind.NULL, NullLocker),
        (LockerKind.TK, SessionScreen),
        (LockerKind.WIN32, SessionScreen),
        (LockerKind.LOGINCTL, LoginctlLocker),
        (LockerKind.EXEC, SessionScreen),
    ],
)
def test_every_kind_has_a_locker(kind: LockerKind, made: type, tmp_path: Path) -> None:
    settings = AgentSettings(
        club_id="north", pc_id="pc1", locker=kind, locker_command=("x",), state_dir=tmp_path
    )
    assert type(choose_locker(settings, time.monotonic)) is made


@pytest.mark.parametrize(
    ("vk_code", "alt", "control", "leaves"),
    [
        (0x5B, False, False, True),
        (0xB6, False, False, True),
        (0x09, True, False, True),
        (0x09, False, False, False),
        (0x73, True, False, True),
        (0x1B, False, True, True),
        (0x1B, False, False, False),
        (0x41, True, True, False),
    ],
)
def test_which_keys_leave_the_lock_window(
    vk_code: int, alt: bool, control: bool, leaves: bool
) -> None:
    assert leaves_the_window(vk_code, alt=alt, control=control) is leaves


def test_the_keyboard_hook_is_refused_where_there_is_none() -> None:
    assert sys.platform != "win32"
    with pytest.raises(OSError, match="Windows"):
        KeyboardHook().start()


@pytest.mark.parametrize("place", ["Scripts/python.exe", "python.exe"])
def test_the_screen_of_a_windows_service_is_run_by_python_not_by_the_services_host(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / place
    python.parent.mkdir(exist_ok=True)
    python.touch()
    monkeypatch.setattr(sys, "exec_prefix", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "pythonservice.exe"))
    assert interpreter() == str(python)


def test_elsewhere_the_screen_is_run_by_the_same_python() -> None:
    assert interpreter() == sys.executable


def test_python_loads_nothing_for_the_screen_that_a_player_could_have_put_there(
    tmp_path: Path,
) -> None:
    (tmp_path / "pc_daemon").mkdir()
    (tmp_path / "pc_daemon" / "__init__.py").write_text("raise SystemExit('a player was here')")
    settings = AgentSettings(club_id="north", pc_id="pc1", locker=LockerKind.TK)
    argv = [*command_of(settings), "--help"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    told = subprocess.run(
        argv, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    assert "The screen of a club PC" in told.stdout
