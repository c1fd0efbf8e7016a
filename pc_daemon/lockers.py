"""What can lock a screen, behind one port: nothing, a screen process, or the login session."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pc_daemon.agent_state import Screen


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
