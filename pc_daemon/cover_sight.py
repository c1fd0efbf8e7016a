"""What of the covers is really on the display, as the window system says, not as was asked for.

A player's program can lie above a lock, move it, take it off the display or put its own window
inside: on X11 and on Windows every program of a session may. None of them can hide that it did.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pc_daemon.monitors import Monitor


@dataclass(frozen=True, slots=True)
class Placed:
    """A cover as it should be; ``window`` is what the window system calls it."""

    area: Monitor
    window: int


@dataclass(frozen=True, slots=True)
class Seen:
    """``missing``: a cover is not where it was placed. ``above``: others' windows over covers."""

    missing: bool = False
    above: tuple[int, ...] = ()

    @property
    def is_clean(self) -> bool:
        """The covers are seen, whole."""
        return not (self.missing or self.above)


class Sight(Protocol):
    """Looks at the display."""

    def look(self, covers: Sequence[Placed]) -> Seen:
        """What is seen of ``covers``; other windows of their own program hide nothing."""

    def expel(self, window: int) -> None:
        """Part the program that owns a window from the display, where the system lets us."""
