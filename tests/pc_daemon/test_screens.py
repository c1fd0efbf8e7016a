"""Lockers and the screen process: told what to show, never free because something died."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pc_daemon.agent_state import Screen
from pc_daemon.keyboard_hook import KeyboardHook, leaves_the_window
from pc_daemon.lockers import (
    LockerError,
    LockerKind,
    LoginctlLocker,
    NullLocker,
    ProcessLocker,
    make_locker,
)
from pc_daemon.screen_model import NOTICE_S, ScreenModel
from schemas.device import PcMode, WarningLevel

ECHO = "import sys; out = open(sys.argv[1], 'a', buffering=1); [out.write(l) for l in sys.stdin]"
LOCKED = Screen(PcMode.LOCKED, title="Welcome", message="Ask at the desk")
UNLOCKED = Screen(PcMode.UNLOCKED, player_label="Ann", lease_seq=1)


def soon(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def order(mode: str, left_ms: int | None = None, **screen: object) -> str:
    return json.dumps({"screen": {"mode": mode, **screen}, "lock_after_ms": left_ms})


def test_a_screen_process_is_told_everything_in_order(tmp_path: Path) -> None:
    told = tmp_path / "told"
    locker = ProcessLocker([sys.executable, "-c", ECHO, str(told)])
    locker.show(LOCKED, None)
    locker.show(UNLOCKED, 90_000)
    locker.notify("Ünïcode")
    locker.check()
    soon(lambda: told.exists() and told.read_text().count("\n") == 3)

    first, second, third = map(json.loads, told.read_text().splitlines())
    assert first["screen"]["mode"] == "LOCKED"
    assert first["screen"]["title"] == "Welcome"
    assert (second["lock_after_ms"], second["screen"]["player_label"]) == (90_000, "Ann")
    assert third == {"notice": "Ünïcode"}
    locker.close()


def test_a_screen_process_that_died_is_noticed_and_started_again(tmp_path: Path) -> None:
    told = tmp_path / "told"
    once = f"open({str(told)!r}, 'a').write(input() + chr(10))"
    locker = ProcessLocker([sys.executable, "-c", once])
    locker.show(LOCKED, None)

    def is_dead() -> bool:
        try:
            locker.check()
        except LockerError:
            return True
        return False

    soon(is_dead)
    locker.show(LOCKED, None)
    soon(lambda: told.read_text().count("\n") == 2)
    soon(is_dead)
    locker.close()


def test_a_screen_process_that_does_not_read_is_replaced() -> None:
    locker = ProcessLocker([sys.executable, "-c", "import time; time.sleep(60)"])

    def tell_on() -> None:
        for _ in range(5_000):
            locker.show(LOCKED, None)

    with pytest.raises(LockerError, match=r"does not read|temporarily unavailable"):
        tell_on()
    locker.close()


def test_a_missing_screen_program_is_a_locker_error() -> None:
    with pytest.raises(LockerError, match="No such file"):
        ProcessLocker(["/nowhere/screen"]).show(LOCKED, None)


def test_loginctl_is_asked_and_its_refusal_noticed(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    fake = tmp_path / "loginctl"
    fake.write_text(f'#!/bin/sh\necho "$@" >> {asked}\n[ "$1" = lock-session ]\n')
    fake.chmod(0o755)
    locker = LoginctlLocker("7", command=str(fake))

    locker.show(LOCKED, None)
    soon(lambda: asked.exists() and asked.read_text() == "lock-session 7\n")
    locker.show(UNLOCKED, 1_000)
    soon(lambda: asked.read_text().endswith("unlock-session 7\n"))

    def refused() -> bool:
        try:
            locker.check()
        except LockerError as error:
            return "ended with 1" in str(error)
        return False

    soon(refused)
    locker.close()


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        (LockerKind.NULL, NullLocker),
        (LockerKind.TK, ProcessLocker),
        (LockerKind.WIN32, ProcessLocker),
        (LockerKind.LOGINCTL, LoginctlLocker),
        (LockerKind.EXEC, ProcessLocker),
    ],
)
def test_every_kind_has_a_locker(kind: LockerKind, made: type, tmp_path: Path) -> None:
    assert type(make_locker(kind, command=("screen",), state_dir=tmp_path)) is made


def test_the_exec_locker_needs_a_command(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="locker_command"):
        make_locker(LockerKind.EXEC, command=(), state_dir=tmp_path)


def test_a_screen_is_locked_until_told_otherwise() -> None:
    assert ScreenModel().at(0.0).covers
    assert not ScreenModel().told(order("UNLOCKED", 60_000), 0.0).at(0.0).covers


def test_an_abandoned_screen_locks_when_the_lease_it_knows_is_over() -> None:
    model = ScreenModel().told(order("UNLOCKED", 60_000), 100.0)
    assert not model.at(1_000.0).covers

    orphan = model.abandoned()

    assert not orphan.at(159.9).covers
    assert orphan.at(160.0).covers
    assert ScreenModel().told(order("UNLOCKED"), 0.0).abandoned().at(0.0).covers


def test_a_renewed_lease_moves_the_deadline_of_the_screen() -> None:
    model = ScreenModel().told(order("UNLOCKED", 60_000), 0.0)
    model = model.told(order("UNLOCKED", 60_000), 30.0).abandoned()
    assert not model.at(89.0).covers
    assert model.at(90.0).covers


def test_a_notice_goes_away_and_a_warning_names_the_minutes() -> None:
    model = ScreenModel().told(order("UNLOCKED", 180_000, warning=WarningLevel.ENDING_SOON), 0.0)
    assert model.at(0.0).notice == "3 min"
    assert model.at(NOTICE_S).notice == ""
    assert ScreenModel().told('{"notice": "hi"}', 0.0).at(1.0).notice == "hi"


@pytest.mark.parametrize("line", ["", "{", "[]", "{}", '{"screen": {"mode": "OPEN"}}', "null"])
def test_a_bad_order_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"order|screen|value|delimiter|Expecting"):
        ScreenModel().told(line, 0.0)


@pytest.mark.parametrize(
    ("vk_code", "alt", "control", "leaves"),
    [
        (0x5B, False, False, True),
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
