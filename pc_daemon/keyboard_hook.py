"""Swallows the key chords that leave a lock window on Windows. No driver; Ctrl+Alt+Del stays.

The hook runs in a thread of its own with its own message loop: Windows removes hooks that
answer slowly, and a busy window must not cost us the hook.
"""

import ctypes
import sys
import threading
from typing import Final

_WH_KEYBOARD_LL: Final = 13
_HC_ACTION: Final = 0
_LLKHF_ALTDOWN: Final = 0x20
_VK_TAB: Final = 0x09
_VK_ESCAPE: Final = 0x1B
_VK_F4: Final = 0x73
_VK_CONTROL: Final = 0x11
_WINDOWS_KEYS: Final = frozenset({0x5B, 0x5C, 0x5D})


class _KeyEvent(ctypes.Structure):
    _fields_ = (
        ("vk_code", ctypes.c_ulong),
        ("scan_code", ctypes.c_ulong),
        ("flags", ctypes.c_ulong),
        ("time", ctypes.c_ulong),
        ("extra", ctypes.c_void_p),
    )


def leaves_the_window(vk_code: int, *, alt: bool, control: bool) -> bool:
    """Whether a key, with what is held down, would take the player out of the lock window."""
    if vk_code in _WINDOWS_KEYS:
        return True
    if alt and vk_code in (_VK_TAB, _VK_ESCAPE, _VK_F4):
        return True
    return control and vk_code == _VK_ESCAPE


class KeyboardHook:
    """Set ``blocking`` while the window covers the screen. Windows only."""

    def __init__(self) -> None:
        self.blocking = True
        self._procedure: object = None

    def start(self) -> None:
        """Install the hook. Raises ``OSError`` anywhere but on Windows."""
        if sys.platform == "win32":
            threading.Thread(target=self._serve, daemon=True).start()
        else:
            raise OSError("the keyboard hook exists only on Windows")

    if sys.platform == "win32":

        def _serve(self) -> None:
            user32 = ctypes.windll.user32
            prototype = ctypes.WINFUNCTYPE(
                ctypes.c_ssize_t, ctypes.c_int, ctypes.c_size_t, ctypes.c_ssize_t
            )

            def on_key(code: int, message: int, address: int) -> int:
                event = ctypes.cast(address, ctypes.POINTER(_KeyEvent)).contents
                control = bool(user32.GetAsyncKeyState(_VK_CONTROL) & 0x8000)
                alt = bool(event.flags & _LLKHF_ALTDOWN)
                leaves = leaves_the_window(event.vk_code, alt=alt, control=control)
                if code == _HC_ACTION and self.blocking and leaves:
                    return 1
                rest = user32.CallNextHookEx(None, code, message, ctypes.c_ssize_t(address))
                return int(rest)

            # The procedure must outlive the hook, or the interpreter frees it under Windows.
            self._procedure = prototype(on_key)
            if not user32.SetWindowsHookExW(_WH_KEYBOARD_LL, self._procedure, None, 0):
                raise ctypes.WinError()
            user32.GetMessageW(ctypes.byref(ctypes.create_string_buffer(64)), None, 0, 0)
