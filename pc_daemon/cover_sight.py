"""What of the covers is really on the display, as the window system says, not as was asked for.

A player's program can lie above a lock, move it, take it off the display or put its own window
inside: on X11 and on Windows every program of a session may. None of them can hide that it did.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from pc_daemon.monitors import Monitor

_POINTS: Final = 6
"""Windows is asked who is seen at this many points across and down."""
_MOST_STRANGE: Final = 0.25
"""A task bar that comes up over the lock hides nothing worth an alarm."""


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


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    class WindowsSight:
        """Asks whose window is seen at points all over the covers."""

        def __init__(self) -> None:
            self._user32 = ctypes.windll.user32
            self._user32.WindowFromPoint.argtypes = (wintypes.POINT,)
            self._user32.WindowFromPoint.restype = wintypes.HWND

        @classmethod
        def opened(cls) -> "WindowsSight | None":
            """Windows always tells."""
            return cls()

        def look(self, covers: Sequence[Placed]) -> Seen:
            """See ``Sight``."""
            strange = [
                window
                for cover in covers
                for window in (self._stranger_at(point) for point in _points(cover.area))
                if window is not None
            ]
            is_hidden = len(strange) > _MOST_STRANGE * _POINTS**2 * len(covers)
            return Seen(above=tuple(dict.fromkeys(strange)) if is_hidden else ())

        def expel(self, window: int) -> None:
            """See ``Sight``; a Windows that is locked needs nobody expelled."""

        def _stranger_at(self, point: tuple[int, int]) -> int | None:
            # Nobody is seen at all while Windows shows its own sign-in.
            window: int | None = self._user32.WindowFromPoint(wintypes.POINT(*point))
            if window is None:
                return None
            pid = ctypes.c_ulong()
            self._user32.GetWindowThreadProcessId(wintypes.HWND(window), ctypes.byref(pid))
            return None if pid.value == os.getpid() else window

    def _points(area: Monitor) -> list[tuple[int, int]]:
        steps = [(2 * step + 1) / (2 * _POINTS) for step in range(_POINTS)]
        return [
            (area.left + int(area.width * x), area.top + int(area.height * y))
            for x in steps
            for y in steps
        ]
