"""Which rectangles of the desktop are monitors; the system's own word for it, no library."""

import ctypes
import ctypes.util
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

MAX_MONITORS: Final = 16
_AREA: Final = re.compile(r"(\d+)x(\d+)([+-]\d+)([+-]\d+)")


@dataclass(frozen=True, slots=True)
class Monitor:
    """Pixels of the desktop; ``left`` and ``top`` may be negative on Windows."""

    left: int
    top: int
    width: int
    height: int


def monitors() -> tuple[Monitor, ...]:
    """Every monitor, left to right; empty where the system does not tell."""
    found = _windows() if sys.platform == "win32" else _xinerama()
    return tuple(sorted(set(found), key=lambda one: (one.left, one.top)))[:MAX_MONITORS]


def layout_of(text: str) -> tuple[Monitor, ...]:
    """``1280x720+0+0,1024x768+1280+0`` as monitors. Raises ``ValueError``."""
    areas = []
    for part in text.split(","):
        match = _AREA.fullmatch(part)
        if match is None:
            raise ValueError(f"{part!r} is not WIDTHxHEIGHT+LEFT+TOP")
        width, height, left, top = map(int, match.groups())
        areas.append(Monitor(left, top, width, height))
    return tuple(areas)


def see_every_pixel() -> None:
    """Before the first window: have Windows tell true pixels, not scaled ones."""
    if sys.platform == "win32":
        _see_every_pixel()


class _XineramaScreen(ctypes.Structure):
    _fields_ = (
        ("number", ctypes.c_int),
        ("left", ctypes.c_short),
        ("top", ctypes.c_short),
        ("width", ctypes.c_short),
        ("height", ctypes.c_short),
    )


def _xinerama() -> list[Monitor]:
    names = ctypes.util.find_library("X11"), ctypes.util.find_library("Xinerama")
    if None in names:
        return []
    x11, xinerama = (ctypes.CDLL(name) for name in names)
    x11.XOpenDisplay.restype = ctypes.c_void_p
    address: int | None = x11.XOpenDisplay(None)
    if address is None:
        return []
    display = ctypes.c_void_p(address)
    try:
        return _query(xinerama, x11, display)
    finally:
        x11.XCloseDisplay(display)


def _query(xinerama: ctypes.CDLL, x11: ctypes.CDLL, display: ctypes.c_void_p) -> list[Monitor]:
    count = ctypes.c_int()
    xinerama.XineramaQueryScreens.restype = ctypes.POINTER(_XineramaScreen)
    screens = xinerama.XineramaQueryScreens(display, ctypes.byref(count))
    if not screens:
        return []
    try:
        return [
            Monitor(screen.left, screen.top, screen.width, screen.height)
            for screen in screens[: count.value]
        ]
    finally:
        x11.XFree(screens)


if sys.platform == "win32":
    from ctypes import wintypes

    _EACH_MONITOR: Final = wintypes.HANDLE(-4)
    """``DPI_AWARENESS_CONTEXT_PER_MONITOR_AWARE_V2``."""
    _user32 = ctypes.WinDLL("user32", use_last_error=True)
    _Take = ctypes.WINFUNCTYPE(
        wintypes.BOOL,
        wintypes.HMONITOR,
        wintypes.HDC,
        wintypes.LPRECT,
        wintypes.LPARAM,
    )
    _user32.EnumDisplayMonitors.argtypes = (wintypes.HDC, wintypes.LPRECT, _Take, wintypes.LPARAM)

    def _windows() -> list[Monitor]:
        found: list[Monitor] = []

        def take(*told: Any) -> int:  # noqa: ANN401 - its signature is of C
            area = told[2].contents
            found.append(
                Monitor(area.left, area.top, area.right - area.left, area.bottom - area.top)
            )
            return 1

        _user32.EnumDisplayMonitors(None, None, _Take(take), 0)
        return found

    def _see_every_pixel() -> None:
        # Windows before version 10 of 2017 has only the older way.
        aware = getattr(_user32, "SetProcessDpiAwarenessContext", None)
        if aware is None or not aware(_EACH_MONITOR):
            _user32.SetProcessDPIAware()

else:
    _windows: Callable[[], list[Monitor]] = list
