"""The last resort of a PC that must be locked and is not: when, whose session, and never twice."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pc_daemon import choose_locker as chosen
from pc_daemon.choose_locker import choose_locker
from pc_daemon.last_resort import (
    FORGOTTEN_AFTER_S,
    PATIENCE_S,
    PAUSE_S,
    LastResort,
    Patience,
    Plight,
    ends_session,
)
from pc_daemon.lockers import LockerKind
from pc_daemon.settings import AgentSettings, LastResortKind


class Watch:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


class Waiting:
    """Asks once a second, as the agent does."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.patience = Patience(self.watch)

    def ends_after(self, plight: Plight, *, whose: str = "7", within_s: int = 300) -> int | None:
        for second in range(within_s):
            if self.patience.is_over(plight, whose):
                return second
            self.watch.now_s += 1
        return None


@pytest.mark.parametrize("plight", list(Plight))
def test_each_plight_has_its_patience(plight: Plight) -> None:
    assert Waiting().ends_after(plight) == PATIENCE_S[plight]


def test_a_screen_that_is_well_in_between_starts_anew() -> None:
    waiting = Waiting()
    assert waiting.ends_after(Plight.HIDDEN, within_s=4) is None
    waiting.watch.now_s += FORGOTTEN_AFTER_S + 1
    assert waiting.ends_after(Plight.HIDDEN) == PATIENCE_S[Plight.HIDDEN]


def test_the_next_session_has_a_minute_to_let_the_screen_in() -> None:
    waiting = Waiting()
    waiting.ends_after(Plight.NO_SCREEN, whose="7")
    assert waiting.ends_after(Plight.NO_SCREEN, whose="8") == PAUSE_S


def test_a_session_that_begins_is_not_charged_with_the_one_before() -> None:
    waiting = Waiting()
    assert waiting.ends_after(Plight.NO_SCREEN, whose="7", within_s=10) is None
    assert waiting.ends_after(Plight.NO_SCREEN, whose="8") == PATIENCE_S[Plight.NO_SCREEN]


def test_tampering_waits_for_nothing() -> None:
    waiting = Waiting()
    assert waiting.ends_after(Plight.TAMPERED) == 0
    assert waiting.ends_after(Plight.TAMPERED) == 0


def test_tampering_is_not_lost_while_the_last_resort_is_at_work() -> None:
    ended: list[str] = []
    hold = threading.Event()

    def whose() -> str:
        hold.wait(10)
        return "7"

    resort = LastResort(Patience(Watch()), whose=whose, end=ended.append)
    resort(Plight.HIDDEN)
    for _ in range(5):
        resort(Plight.HIDDEN)
    resort(Plight.TAMPERED)
    hold.set()
    soon(lambda: ended == ["7"])


def soon(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def a_loginctl(folder: Path, *, session: str, kind: str) -> tuple[Path, Path]:
    """A ``loginctl`` that knows one session, and where it writes down what it ended."""
    ended, program = folder / "ended", folder / "loginctl"
    program.write_text(
        "#!/bin/sh\n"
        f'case "$1 $2 $3" in\n'
        f'"show-seat seat0 --property=ActiveSession") echo "{session}" ;;\n'
        f'"show-session {session} --property=Class") echo "{kind}" ;;\n'
        f'"terminate-session {session} ") echo "{session}" >> {ended} ;;\n'
        f'*) echo "$@" >> {ended}; exit 1 ;;\n'
        "esac\n"
    )
    program.chmod(0o755)
    return program, ended


def test_the_session_in_front_is_ended(tmp_path: Path) -> None:
    loginctl, ended = a_loginctl(tmp_path, session="c2", kind="user")
    ends_session(Watch(), str(loginctl))(Plight.TAMPERED)
    soon(lambda: ended.exists() and ended.read_text() == "c2\n")


@pytest.mark.parametrize(("session", "kind"), [("", "user"), ("c1", "greeter")])
def test_where_nobody_is_signed_in_nothing_is_ended(
    session: str, kind: str, tmp_path: Path
) -> None:
    loginctl, ended = a_loginctl(tmp_path, session=session, kind=kind)
    resort = ends_session(Watch(), str(loginctl))
    resort(Plight.TAMPERED)
    soon(lambda: not resort.is_working)
    assert not ended.exists()


def test_a_last_resort_that_fails_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "clubctl.pc"):
        ends_session(Watch(), str(tmp_path / "nowhere"))(Plight.TAMPERED)
        soon(lambda: "last resort failed" in caplog.text)


@pytest.mark.parametrize(
    ("resort", "warning"),
    [
        (LastResortKind.END_SESSION, "no logind here"),
        (LastResortKind.NONE, "no last resort"),
    ],
)
def test_production_is_warned_where_a_defeated_screen_leaves_the_pc_open(
    resort: LastResortKind,
    warning: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chosen, "has_logind", lambda: False)
    settings = AgentSettings(
        club_id="north",
        pc_id="pc1",
        env="production",
        mqtt_url="mqtts://broker",
        keys_file=tmp_path / "keys",
        locker=LockerKind.TK,
        session_user="screen",
        last_resort=resort,
        state_dir=tmp_path,
    )
    with caplog.at_level(logging.WARNING, "clubctl.pc"):
        choose_locker(settings, time.monotonic)
    assert warning in caplog.text
