"""What is done when a PC must be locked and its screen cannot do it: end what the player runs.

A PC that must be locked has no paid time, so nothing that is paid for is lost.
"""

import logging
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

_logger = logging.getLogger("clubctl.pc")

SEAT: Final = "seat0"
PAUSE_S: Final = 60.0
"""After a session was ended its successor has this long to let our screen in."""
FORGOTTEN_AFTER_S: Final = 5.0
"""The screen calls about every second; after such a gap it had been well."""
_COMMAND_WITHIN_S: Final = 20.0
_LOGIND: Final = Path("/run/systemd/seats")


class Plight(StrEnum):
    """Why a PC that must be locked is not."""

    NO_SCREEN = "no screen can be had"
    HIDDEN = "something stays over the cover"
    INPUT = "another program holds the keyboard or the mouse"
    TAMPERED = "the screen was ended or hidden again and again"


PATIENCE_S: Final = {
    # A desktop that starts needs a moment to let our screen in.
    Plight.NO_SCREEN: 15.0,
    Plight.HIDDEN: 5.0,
    # A mouse button that a player holds down counts as holding the mouse.
    Plight.INPUT: 15.0,
    Plight.TAMPERED: 0.0,
}

Resort = Callable[[Plight], None]


def nothing_else(_plight: Plight) -> None:
    """Most systems have no other lock."""


class Patience:
    """Whether it is time. Pure, but for the clock that is handed in."""

    def __init__(self, real_s: Callable[[], float]) -> None:
        self._real_s = real_s
        self._whose: str | None = None
        self._since_s = 0.0
        self._asked_s = float("-inf")
        self._acted_s = float("-inf")

    def is_over(self, plight: Plight, whose: str) -> bool:
        """Ask again and again while ``whose`` session cannot be locked; at True, act."""
        now_s = self._real_s()
        if whose != self._whose or now_s - self._asked_s > FORGOTTEN_AFTER_S:
            self._whose, self._since_s = whose, now_s
        self._asked_s = now_s
        is_paused = plight is not Plight.TAMPERED and now_s - self._acted_s < PAUSE_S
        if is_paused or now_s - self._since_s < PATIENCE_S[plight]:
            return False
        self._acted_s = now_s
        return True


class LastResort:
    """Calls return at once; the work is done by one thread at a time."""

    def __init__(
        self,
        patience: Patience,
        *,
        whose: Callable[[], str | None],
        end: Callable[[str], None],
    ) -> None:
        self._patience = patience
        self._whose = whose
        self._end = end
        self._working = threading.Lock()

    def __call__(self, plight: Plight) -> None:
        """End the session in front of the PC if it has lasted long enough."""
        # Tampering is told once, everything else again and again: that one waits its turn.
        if plight is Plight.TAMPERED or not self.is_working:
            threading.Thread(target=self._consider, args=(plight,), daemon=True).start()

    @property
    def is_working(self) -> bool:
        """Whether it is just now looking or ending."""
        return self._working.locked()

    def _consider(self, plight: Plight) -> None:
        with self._working:
            try:
                whose = self._whose()
                if whose is not None and self._patience.is_over(plight, whose):
                    _logger.error("%s: ending session %s", plight, whose)
                    self._end(whose)
            except (OSError, subprocess.SubprocessError):
                _logger.exception("the last resort failed, it is tried again")


def has_logind() -> bool:
    """Whether this machine has sessions that can be ended."""
    return _LOGIND.is_dir() and shutil.which("loginctl") is not None


def ends_session(real_s: Callable[[], float], command: str = "loginctl") -> LastResort:
    """Ends the session that is in front at this PC's seat, and everything that runs in it."""
    return LastResort(
        Patience(real_s),
        whose=lambda: session_in_front(command),
        end=lambda session: _run([command, "terminate-session", session]),
    )


def runs_command(argv: Sequence[str], real_s: Callable[[], float]) -> LastResort:
    """Runs the operator's own command."""
    return LastResort(Patience(real_s), whose=lambda: SEAT, end=lambda _: _run(list(argv)))


def session_in_front(command: str) -> str | None:
    """None while nobody is signed in: a greeter is a lock already."""
    session = told([command, "show-seat", SEAT, "--property=ActiveSession", "--value"])
    if not session:
        return None
    kind = told([command, "show-session", session, "--property=Class", "--value"])
    return session if kind == "user" else None


def told(argv: list[str]) -> str:
    """What a program prints. Raises ``OSError`` and ``subprocess.SubprocessError``."""
    done = subprocess.run(  # noqa: S603 - fixed words
        argv, check=True, capture_output=True, text=True, timeout=_COMMAND_WITHIN_S
    )
    return done.stdout.strip()


def _run(argv: list[str]) -> None:
    subprocess.run(  # noqa: S603 - fixed words, or the operator's own
        argv, check=True, stdin=subprocess.DEVNULL, timeout=_COMMAND_WITHIN_S
    )
