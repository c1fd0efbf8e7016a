"""Looks at an X display over a connection of its own, by the X library that Tk uses too.

The order of the root's children is the order of what is seen. It holds under a compositor, where
visibility events do not.
"""

import ctypes
import ctypes.util
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from pc_daemon.cover_sight import Placed, Seen
from pc_daemon.monitors import Monitor

_INPUT_ONLY: Final = 2
_IS_VIEWABLE: Final = 2
_THE_SERVER: Final = 0
"""Owns the overlay that compositors draw on; no program can make a window in its name."""
_MAX_DEPTH: Final = 8
_MANAGED: Final = b"WM_STATE"

_Windows = ctypes.POINTER(ctypes.c_ulong)


class _Attributes(ctypes.Structure):
    """``XWindowAttributes``."""

    _fields_ = (
        ("x", ctypes.c_int),
        ("y", ctypes.c_int),
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
        ("border_width", ctypes.c_int),
        ("depth", ctypes.c_int),
        ("visual", ctypes.c_void_p),
        ("root", ctypes.c_ulong),
        ("kind", ctypes.c_int),
        ("bit_gravity", ctypes.c_int),
        ("win_gravity", ctypes.c_int),
        ("backing_store", ctypes.c_int),
        ("backing_planes", ctypes.c_ulong),
        ("backing_pixel", ctypes.c_ulong),
        ("save_under", ctypes.c_int),
        ("colormap", ctypes.c_ulong),
        ("map_installed", ctypes.c_int),
        ("map_state", ctypes.c_int),
        ("all_event_masks", ctypes.c_long),
        ("your_event_mask", ctypes.c_long),
        ("do_not_propagate_mask", ctypes.c_long),
        ("override_redirect", ctypes.c_int),
        ("screen", ctypes.c_void_p),
    )

    @property
    def area(self) -> Monitor:
        return Monitor(self.x, self.y, self.width, self.height)

    @property
    def is_viewable(self) -> bool:
        return int(self.map_state) == _IS_VIEWABLE


class _Display(ctypes.Structure):
    """The public beginning of ``Display``."""

    _fields_ = (
        ("ext_data", ctypes.c_void_p),
        ("private1", ctypes.c_void_p),
        ("fd", ctypes.c_int),
        ("private2", ctypes.c_int),
        ("proto_major_version", ctypes.c_int),
        ("proto_minor_version", ctypes.c_int),
        ("vendor", ctypes.c_void_p),
        ("resource_base", ctypes.c_ulong),
        ("resource_mask", ctypes.c_ulong),
    )


_ErrorHandler = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_installed: list[Callable[..., int]] = []


class XSight:
    """See ``Sight``."""

    def __init__(self, x11: ctypes.CDLL, display: int) -> None:
        self._x11 = x11
        self._display = ctypes.c_void_p(display)
        self._root = int(x11.XDefaultRootWindow(self._display))
        self._numbers_of_one = int(_Display.from_address(display).resource_mask)
        self._managed = ctypes.c_ulong(x11.XInternAtom(self._display, _MANAGED, 0))

    @classmethod
    def opened(cls) -> "XSight | None":
        """Looks at ``DISPLAY``; None without the library or the display."""
        name = ctypes.util.find_library("X11")
        if name is None:
            return None
        x11 = ctypes.CDLL(name)
        x11.XOpenDisplay.restype = ctypes.c_void_p
        x11.XDefaultRootWindow.restype = ctypes.c_ulong
        x11.XInternAtom.restype = ctypes.c_ulong
        x11.XSetErrorHandler.restype = ctypes.c_void_p
        display: int | None = x11.XOpenDisplay(None)
        if display is None:
            return None
        _forgive_errors_of(x11, display)
        return cls(x11, display)

    def look(self, covers: Sequence[Placed]) -> Seen:
        """See ``Sight``."""
        order = self._children(self._root)
        missing = False
        above: dict[int, None] = {}
        for cover in covers:
            frame = self._frame(cover.window)
            if frame not in order or not self._stands(frame, cover):
                missing = True
                continue
            over = [one for one in order[order.index(frame) + 1 :] if self._hides(one, cover)]
            inside = [
                one for one in self._descent([frame], _MAX_DEPTH) if self._is_strange(one, cover)
            ]
            above |= dict.fromkeys(over + inside)
        return Seen(missing, tuple(above))

    def expel(self, window: int) -> None:
        """See ``Sight``: what ``xkill`` does."""
        self._x11.XKillClient(self._display, ctypes.c_ulong(self._client_window(window)))
        self._x11.XSync(self._display, 0)

    def _frame(self, window: int) -> int:
        """The child of the root that a window is in."""
        for _ in range(_MAX_DEPTH):
            parent = self._parent(window)
            if parent in (None, self._root):
                break
            window = parent
        return window

    def _stands(self, frame: int, cover: Placed) -> bool:
        found = self._attributes(frame)
        if found is None or self._is_strange(frame, cover):
            return False
        return found.is_viewable and found.area == cover.area

    def _hides(self, window: int, cover: Placed) -> bool:
        if not self._is_strange(window, cover):
            return False
        found = self._attributes(window)
        if found is None or not found.is_viewable or found.kind == _INPUT_ONLY:
            return False
        return _overlap(found.area, cover.area)

    def _is_strange(self, window: int, cover: Placed) -> bool:
        return self._owner(window) not in (_THE_SERVER, self._owner(cover.window))

    def _owner(self, window: int) -> int:
        return window & ~self._numbers_of_one

    def _client_window(self, window: int) -> int:
        """The program's own window; the one around it may be the window manager's."""
        for one in self._descent([window], _MAX_DEPTH):
            if self._is_managed(one):
                return one
        return window

    def _descent(self, windows: list[int], depth: int) -> Iterator[int]:
        yield from windows
        if windows and depth:
            below = [child for window in windows for child in self._children(window)]
            yield from self._descent(below, depth - 1)

    def _children(self, window: int) -> list[int]:
        """From the lowest to the highest; none of a window that is gone."""
        return self._tree(window)[1]

    def _parent(self, window: int) -> int | None:
        return self._tree(window)[0]

    def _tree(self, window: int) -> tuple[int | None, list[int]]:
        root, parent, count = ctypes.c_ulong(), ctypes.c_ulong(), ctypes.c_uint()
        children = _Windows()
        answered = self._x11.XQueryTree(
            self._display,
            ctypes.c_ulong(window),
            ctypes.byref(root),
            ctypes.byref(parent),
            ctypes.byref(children),
            ctypes.byref(count),
        )
        if not answered:
            return None, []
        try:
            return parent.value, list(children[: count.value])
        finally:
            self._x11.XFree(children)

    def _attributes(self, window: int) -> _Attributes | None:
        found = _Attributes()
        answered = self._x11.XGetWindowAttributes(
            self._display, ctypes.c_ulong(window), ctypes.byref(found)
        )
        return found if answered else None

    def _is_managed(self, window: int) -> bool:
        type_, left = ctypes.c_ulong(), ctypes.c_ulong()
        format_, count = ctypes.c_int(), ctypes.c_ulong()
        data = ctypes.c_void_p()
        self._x11.XGetWindowProperty(
            self._display,
            ctypes.c_ulong(window),
            self._managed,
            ctypes.c_long(0),
            ctypes.c_long(0),
            0,
            ctypes.c_ulong(0),
            ctypes.byref(type_),
            ctypes.byref(format_),
            ctypes.byref(count),
            ctypes.byref(left),
            ctypes.byref(data),
        )
        if data.value is not None:
            self._x11.XFree(data)
        return type_.value != 0


def _overlap(one: Monitor, other: Monitor) -> bool:
    return (
        one.left < other.left + other.width
        and other.left < one.left + one.width
        and one.top < other.top + other.height
        and other.top < one.top + one.height
    )


def _forgive_errors_of(x11: ctypes.CDLL, display: int) -> None:
    """A window may be gone when it is asked about; by default the X library ends the process."""

    def handle(of: int | None, error: int | None) -> int:
        return 0 if of == display or not before else int(before(of, error))

    handler = _ErrorHandler(handle)
    # The library keeps its address, so it must not be collected.
    _installed.append(handler)
    previous: int | None = x11.XSetErrorHandler(handler)
    before = _ErrorHandler(previous) if previous else None
