"""What can lock a screen, behind one port: nothing, a screen process, or the login session."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pc_daemon.agent_state import Screen
from schemas.device import PcMode


class LockerKind(StrEnum):
    """The lockers an operator can choose."""

    NULL = "null"
    TK = "tk"
    WIN32 = "win32"
    LOGINCTL = "loginctl"
    EXEC = "exec"


class LockerError(Exception):
    """The screen is not as it was told; the agent reports it and tries again."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Real milliseconds from now. ``lock_after_ms``: lock alone then, should the agent be gone.

    ``ends_in_ms`` is what the player is told.
    """

    lock_after_ms: int | None = None
    ends_in_ms: int | None = None


class ScreenNews(StrEnum):
    """What the agent should know of its screen."""

    DIED = "died"
    TAMPERED = "tampered"
    """It was ended or hidden again and again."""
    HIDDEN = "hidden"
    """It does not cover a locked PC: something stays above it."""
    INPUT_HELD = "input_held"
    """It covers a locked PC, and another program has the keyboard or the mouse."""


@dataclass(frozen=True, slots=True)
class ScreenHeard:
    """One piece of news, or the code a technician typed."""

    news: ScreenNews | None = None
    code: str | None = None


class ScreenLocker(Protocol):
    """Shows a screen and keeps it. Calls return at once."""

    def attach(self, hear: Callable[[ScreenHeard], None]) -> None:
        """Tell ``hear``, from any thread, what happens to the screen."""

    def show(self, screen: Screen, deadlines: Deadlines) -> None:
        """Make the screen so. Raises ``LockerError``."""

    def notify(self, text: str) -> None:
        """Show a line of text. Raises ``LockerError``."""

    def identify(self, for_ms: int) -> None:
        """Show for that long which PC this is. Raises ``LockerError``."""

    def check(self) -> None:
        """Raise ``LockerError`` when what was shown cannot be relied on any more."""

    def foreground(self) -> str | None:
        """The player's program, as the session told it last; None where it does not tell."""

    def close(self) -> None:
        """Let go of the screen as it is."""


class NullLocker:
    """Remembers what a player would see: simulated PCs and tests."""

    def __init__(self) -> None:
        self.screen: Screen | None = None
        self.deadlines = Deadlines()
        self.notices: list[str] = []

    def attach(self, hear: Callable[[ScreenHeard], None]) -> None:
        """See ``ScreenLocker``; nothing ever happens."""

    def show(self, screen: Screen, deadlines: Deadlines) -> None:
        """See ``ScreenLocker``."""
        self.screen = screen
        self.deadlines = deadlines

    def notify(self, text: str) -> None:
        """See ``ScreenLocker``."""
        self.notices = [*self.notices[-15:], text]

    def identify(self, for_ms: int) -> None:
        """See ``ScreenLocker``."""

    def check(self) -> None:
        """See ``ScreenLocker``."""

    def foreground(self) -> str | None:
        """See ``ScreenLocker``: nobody is there to tell."""
        return None

    def close(self) -> None:
        """See ``ScreenLocker``."""


class LoginctlLocker:
    """Asks systemd-logind to lock the session.

    It only signals: a locker listening in the session (the desktop's own, or xss-lock) must do
    the work, and nothing tells whether it did.
    """

    def __init__(self, session: str | None = None, command: str = "loginctl") -> None:
        self._target = [session] if session else []
        self._command = command
        self._asked: list[subprocess.Popen[bytes]] = []

    def attach(self, hear: Callable[[ScreenHeard], None]) -> None:
        """See ``ScreenLocker``; logind tells nothing."""

    def show(self, screen: Screen, deadlines: Deadlines) -> None:  # noqa: ARG002
        """See ``ScreenLocker``; logind cannot lock later on its own."""
        verb = "lock-session" if screen.mode is PcMode.LOCKED else "unlock-session"
        try:
            asked = subprocess.Popen(  # noqa: S603 - fixed words
                [self._command, verb, *self._target],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            raise LockerError(f"{self._command}: {error.strerror}") from error
        self._asked.append(asked)

    def notify(self, text: str) -> None:  # noqa: ARG002
        """A login session has no place for a line of text."""
        raise LockerError("loginctl cannot show a notice")

    def identify(self, for_ms: int) -> None:  # noqa: ARG002
        """A login session has no place for a number either."""
        raise LockerError("loginctl cannot identify a PC")

    def check(self) -> None:
        """See ``ScreenLocker``."""
        ended = [process for process in self._asked if process.poll() is not None]
        self._asked = [process for process in self._asked if process.returncode is None]
        for process in ended:
            if process.returncode != 0:
                raise LockerError(f"{self._command} ended with {process.returncode}")

    def foreground(self) -> str | None:
        """See ``ScreenLocker``: nobody is there to tell."""
        return None

    def close(self) -> None:
        """See ``ScreenLocker``."""
        for process in self._asked:
            process.kill()
            process.wait()
