"""The locker that asks logind, against a ``loginctl`` of ours that keeps sessions in files."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from screens_under_test import LOCKED, UNLOCKED

from pc_daemon.lockers import Deadlines, LockerError, ScreenHeard, ScreenNews
from pc_daemon.logind_lock import LoginctlLocker

LOGINCTL = """#!/bin/sh
cd {folder}
case "$1 $3" in
"show-seat --property=ActiveSession") cat front ;;
"show-session --property=Class") cat "class-$2" ;;
"show-session --property=LockedHint") cat "hint-$2" ;;
"lock-session "|"unlock-session ") [ -e "hint-$2" ] && echo "$1 $2" >> asked ;;
*) exit 2 ;;
esac
"""


@dataclass
class Seat:
    """A seat whose sessions come and go."""

    folder: Path

    def signs_in(self, session: str, kind: str = "user") -> None:
        (self.folder / f"class-{session}").write_text(kind)
        self.hints(session, "no")
        (self.folder / "front").write_text(session)

    def signs_out(self, session: str) -> None:
        (self.folder / "front").write_text("")
        (self.folder / f"hint-{session}").unlink()

    def hints(self, session: str, said: str) -> None:
        (self.folder / f"hint-{session}").write_text(said)

    @property
    def asked(self) -> list[str]:
        file = self.folder / "asked"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def seat(tmp_path: Path) -> Seat:
    program = tmp_path / "loginctl"
    program.write_text(LOGINCTL.format(folder=tmp_path))
    program.chmod(0o755)
    (tmp_path / "front").write_text("")
    return Seat(tmp_path)


@pytest.fixture
def locker(seat: Seat) -> Iterator[LoginctlLocker]:
    locker = LoginctlLocker(command=str(seat.folder / "loginctl"), look_every_s=0.02)
    yield locker
    locker.close()


def soon(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def trouble(locker: LoginctlLocker) -> str:
    try:
        locker.check()
    except LockerError as error:
        return str(error)
    return ""


def test_the_session_in_front_is_locked_and_opened(seat: Seat, locker: LoginctlLocker) -> None:
    seat.signs_in("7")
    locker.show(LOCKED, Deadlines())
    soon(lambda: "lock-session 7" in seat.asked)
    seat.hints("7", "yes")
    locker.show(UNLOCKED, Deadlines())
    soon(lambda: seat.asked[-1] == "unlock-session 7")
    assert not trouble(locker)


def test_who_signs_in_at_a_locked_pc_is_locked(seat: Seat, locker: LoginctlLocker) -> None:
    locker.show(LOCKED, Deadlines())
    seat.signs_in("c1", "greeter")
    time.sleep(0.2)
    assert not seat.asked
    assert not trouble(locker)
    seat.signs_in("8")
    soon(lambda: "lock-session 8" in seat.asked)
    seat.signs_in("9")
    soon(lambda: seat.asked[-1] == "lock-session 9")
    seat.signs_out("9")
    locker.show(UNLOCKED, Deadlines())
    soon(lambda: seat.asked[-1] == "unlock-session 8")


def test_a_lock_that_the_player_opens_is_locked_again(seat: Seat, locker: LoginctlLocker) -> None:
    heard: list[ScreenHeard] = []
    told = threading.Event()
    locker.attach(lambda one: (heard.append(one), told.set())[0])
    seat.signs_in("7")
    locker.show(LOCKED, Deadlines())
    soon(lambda: "lock-session 7" in seat.asked)
    seat.hints("7", "yes")
    time.sleep(0.3)
    asked = len(seat.asked)
    seat.hints("7", "no")
    soon(lambda: len(seat.asked) > asked)
    assert told.wait(10)
    assert heard == [ScreenHeard(ScreenNews.HIDDEN)]


def test_a_session_is_asked_until_it_says_that_it_locked(
    seat: Seat, locker: LoginctlLocker
) -> None:
    seat.signs_in("7")
    locker.show(LOCKED, Deadlines())
    soon(lambda: len(seat.asked) > 3)
    seat.hints("7", "yes")
    time.sleep(0.3)
    asked = seat.asked
    time.sleep(0.3)
    assert seat.asked == asked


def test_a_refusal_is_noticed_until_it_is_over(seat: Seat, locker: LoginctlLocker) -> None:
    (seat.folder / "front").write_text("7")
    locker.show(LOCKED, Deadlines())
    soon(lambda: "ended with 1" in trouble(locker))
    seat.signs_in("7")
    soon(lambda: not trouble(locker))
    assert seat.asked[0] == "lock-session 7"


def test_a_pc_without_logind_says_so(tmp_path: Path) -> None:
    locker = LoginctlLocker("7", command=str(tmp_path / "nowhere"))
    locker.show(LOCKED, Deadlines())
    soon(lambda: "No such file" in trouble(locker))
    locker.close()
