"""Asks Windows whose window is seen at points all over the covers, and whether the covers stand.

A window that is layered and lets every click through is not noticed: overlays of graphics drivers
are such windows too, and lie over everything all day long.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from pc_daemon.cover_sight import Placed, Seen
from pc_daemon.monitors import Monitor

POINTS: Final = 6
"""So many across and as many down."""
_MOST_STRANGE: Final = 0.25
"""A task bar that comes up over the lock hides nothing worth an alarm."""
_OFF_BY: Final = 2
"""Pixels by which Windows may round what it scales."""
_MOST_WINDOWS: Final = 1_000
_GA_ROOT: Final = 2
_GW_HWNDPREV: Final = 3
_GWL_EXSTYLE: Final = -20
_CLICKS_GO_THROUGH: Final = 0x80000 | 0x20


def points_of(area: Monitor) -> list[tuple[int, int]]:
    """Where to look, evenly spread."""
    steps = [(2 * step + 1) / (2 * POINTS) for step in range(POINTS)]
    return [
        (area.left + int(area.width * x), area.top + int(area.height * y))
        for x in steps
        for y in steps
    ]


def judged(covers: Sequence[Placed], strange: Sequence[int], *, missing: bool) -> Seen:
    """What was seen, of a stranger's window for each point that showed one."""
    is_hidden = len(strange) > _MOST_STRANGE * POINTS**2 * len(covers)
    return Seen(missing, tuple(dict.fromkeys(strange)) if is_hidden else ())


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    from pc_daemon.windows_lock import is_locked

    _user32 = ctypes.WinDLL("user32", use_last_error=True)
    _user32.WindowFromPoint.argtypes = (wintypes.POINT,)
    _user32.WindowFromPoint.restype = wintypes.HWND
    _user32.GetAncestor.argtypes = (wintypes.HWND, wintypes.UINT)
    _user32.GetAncestor.restype = wintypes.HWND
    _user32.GetWindow.argtypes = (wintypes.HWND, wintypes.UINT)
    _user32.GetWindow.restype = wintypes.HWND
    _user32.GetWindowRect.argtypes = (wintypes.HWND, wintypes.LPRECT)
    _user32.GetWindowLongW.argtypes = (wintypes.HWND, ctypes.c_int)
    _user32.IsWindowVisible.argtypes = (wintypes.HWND,)
    _user32.IsWindowEnabled.argtypes = (wintypes.HWND,)
    _user32.GetWindowThreadProcessId.argtypes = (wintypes.HWND, wintypes.LPDWORD)

    class WindowsSight:
        """See ``Sight``."""

        @classmethod
        def opened(cls) -> "WindowsSight | None":
            """Windows always tells."""
            return cls()

        def look(self, covers: Sequence[Placed]) -> Seen:
            """See ``Sight``; a Windows that is locked hides everything, and that is no harm."""
            if is_locked():
                return Seen()
            strange = [window for cover in covers for window in _strangers(cover)]
            return judged(covers, strange, missing=not all(map(_stands, covers)))

        def expel(self, window: int) -> None:
            """See ``Sight``; a Windows that is locked needs nobody expelled."""

    def _strangers(cover: Placed) -> Iterator[int]:
        """The window of another program for each point that shows one."""
        dead = [(window, area) for window, area in _above(cover) if not _is_enabled(window)]
        for x, y in points_of(cover.area):
            seen: int | None = _user32.WindowFromPoint(wintypes.POINT(x, y))
            if seen is not None and not _is_ours(seen):
                yield seen
                continue
            # A window that takes no input is not told of, but seen.
            yield from (window for window, area in dead if _is_in(area, x, y))

    def _stands(cover: Placed) -> bool:
        root = _root(cover.window)
        area = _area(root)
        if area is None or not _user32.IsWindowVisible(root):
            return False
        wanted = cover.area
        return all(
            abs(one - other) <= _OFF_BY
            for one, other in (
                (area.left, wanted.left),
                (area.top, wanted.top),
                (area.width, wanted.width),
                (area.height, wanted.height),
            )
        )

    def _above(cover: Placed) -> Iterator[tuple[int, Monitor]]:
        """Other programs' windows that are shown above a cover and take what is clicked."""
        window = _root(cover.window)
        for _ in range(_MOST_WINDOWS):
            window = _user32.GetWindow(window, _GW_HWNDPREV)
            if window is None:
                return
            area = _area(window)
            style = _user32.GetWindowLongW(window, _GWL_EXSTYLE)
            goes_through = style & _CLICKS_GO_THROUGH == _CLICKS_GO_THROUGH
            is_shown = _user32.IsWindowVisible(window)
            if area is not None and is_shown and not goes_through and not _is_ours(window):
                yield window, area

    def _root(window: int) -> int | None:
        found: int | None = _user32.GetAncestor(window, _GA_ROOT)
        return found

    def _area(window: int | None) -> Monitor | None:
        found = wintypes.RECT()
        if window is None or not _user32.GetWindowRect(window, ctypes.byref(found)):
            return None
        left, top = found.left, found.top
        return Monitor(left, top, found.right - left, found.bottom - top)

    def _is_enabled(window: int) -> bool:
        return bool(_user32.IsWindowEnabled(window))

    def _is_ours(window: int) -> bool:
        pid = wintypes.DWORD()
        _user32.GetWindowThreadProcessId(window, ctypes.byref(pid))
        return pid.value == os.getpid()


def _is_in(area: Monitor, x: int, y: int) -> bool:
    return area.left <= x < area.left + area.width and area.top <= y < area.top + area.height
