"""The keyboard of a Windows desktop belongs to the window in front. No program can hold it there:
it is asked for again as often as it is lost."""

import sys
from typing import Final

_MENU_KEY: Final = 0x12
_KEY_UP: Final = 0x02

if sys.platform == "win32":
    import ctypes
    import os
    from ctypes import wintypes

    from pc_daemon.windows_lock import is_locked

    _user32 = ctypes.WinDLL("user32", use_last_error=True)
    _user32.GetForegroundWindow.restype = wintypes.HWND
    _user32.SetForegroundWindow.argtypes = (wintypes.HWND,)
    _user32.GetAncestor.argtypes = (wintypes.HWND, wintypes.UINT)
    _user32.GetAncestor.restype = wintypes.HWND
    _user32.GetWindowThreadProcessId.argtypes = (wintypes.HWND, wintypes.LPDWORD)
    _user32.keybd_event.argtypes = (
        wintypes.BYTE,
        wintypes.BYTE,
        wintypes.DWORD,
        ctypes.c_void_p,
    )
    _user32.keybd_event.restype = None
    _GA_ROOT: Final = 2

    def come_to_the_front(window: int) -> bool:
        """Have the keyboard; whether it worked. Nobody has it while Windows itself is locked."""
        if is_ours_in_front() or is_locked():
            return True
        root = _user32.GetAncestor(window, _GA_ROOT)
        _user32.SetForegroundWindow(root)
        if not is_ours_in_front():
            # Windows lets only the program come forward that was given the last input.
            _user32.keybd_event(_MENU_KEY, 0, 0, None)
            _user32.keybd_event(_MENU_KEY, 0, _KEY_UP, None)
            _user32.SetForegroundWindow(root)
        return is_ours_in_front()

    def is_ours_in_front() -> bool:
        """Whether the window in front is of this program, or there is none."""
        pid = pid_in_front()
        return pid is None or pid == os.getpid()

    def pid_in_front() -> int | None:
        """Whose window is in front; None while there is none, and on a locked Windows."""
        window = _user32.GetForegroundWindow()
        pid = wintypes.DWORD()
        if window is None or not _user32.GetWindowThreadProcessId(window, ctypes.byref(pid)):
            return None
        return pid.value or None
