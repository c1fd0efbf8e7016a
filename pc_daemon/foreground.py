"""The program in the foreground of this session: told only where a club has turned it on.

Runs in the session's own process: a service has no desktop to look at.
"""

import contextlib
import ctypes
import ctypes.util
import sys
from typing import Final

MAX_NAME: Final = 80
_ANY_TYPE: Final = 0
_ROOT_PROPERTY: Final = b"_NET_ACTIVE_WINDOW"
_PID_PROPERTY: Final = b"_NET_WM_PID"


def foreground_program() -> str | None:
    """The name of the program whose window has the focus; None where nobody can tell."""
    pid = _windows_pid() if sys.platform == "win32" else _x11_pid()
    if pid is None:
        return None
    # It takes a sixth of a screen's start, and most clubs never have this asked.
    import psutil

    # On Windows psutil lets some refusals of the system through as they are.
    with contextlib.suppress(psutil.Error, OSError):
        return str(psutil.Process(pid).name())[:MAX_NAME]
    return None


if sys.platform == "win32":
    from pc_daemon.windows_foreground import pid_in_front as _windows_pid

else:

    def _windows_pid() -> int | None:
        return None


def _x11_pid() -> int | None:
    name = ctypes.util.find_library("X11")
    if name is None:
        return None
    x11 = ctypes.CDLL(name)
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XDefaultRootWindow.restype = ctypes.c_ulong
    x11.XInternAtom.restype = ctypes.c_ulong
    address: int | None = x11.XOpenDisplay(None)
    if address is None:
        return None
    display = ctypes.c_void_p(address)
    try:
        root = x11.XDefaultRootWindow(display)
        window = _property(x11, display, root, name=_ROOT_PROPERTY)
        return None if not window else _property(x11, display, window, name=_PID_PROPERTY)
    finally:
        x11.XCloseDisplay(display)


def _property(
    x11: ctypes.CDLL, display: ctypes.c_void_p, window: int, *, name: bytes
) -> int | None:
    """The first number of a window's property."""
    actual_type, left = ctypes.c_ulong(), ctypes.c_ulong()
    actual_format, count = ctypes.c_int(), ctypes.c_ulong()
    data = ctypes.POINTER(ctypes.c_ulong)()
    atom = x11.XInternAtom(display, name, 0)
    status = x11.XGetWindowProperty(
        display,
        ctypes.c_ulong(window),
        ctypes.c_ulong(atom),
        ctypes.c_long(0),
        ctypes.c_long(1),
        0,
        ctypes.c_ulong(_ANY_TYPE),
        ctypes.byref(actual_type),
        ctypes.byref(actual_format),
        ctypes.byref(count),
        ctypes.byref(left),
        ctypes.byref(data),
    )
    if status != 0:
        return None
    try:
        return int(data[0]) if count.value and actual_format.value == 32 else None
    finally:
        x11.XFree(data)
