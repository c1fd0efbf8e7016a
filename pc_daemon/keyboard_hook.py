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
_LAUNCHING_KEYS: Final = frozenset({0xAA, 0xAB, 0xAC, 0xB4, 0xB5, 0xB6, 0xB7})
"""Search, favourites, home page, mail, media and two programs: each opens a window."""
_ANSWERS_WITHIN_S: Final = 5.0


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
    if vk_code in _WINDOWS_KEYS | _LAUNCHING_KEYS:
        return True
    if alt and vk_code in (_VK_TAB, _VK_ESCAPE, _VK_F4):
        return True
    return control and vk_code == _VK_ESCAPE


class KeyboardHook:
    """Set ``blocking`` while the window covers the screen. Windows only."""

    def __init__(self) -> None:
        self.blocking = True
        self._procedure: object = None
        self._answered = threading.Event()
        self._refusal: OSError | None = None

    def start(self) -> None:
        """Install the hook. Raises ``OSError`` where Windows refuses it, or there is none."""
        if sys.platform == "win32":
            threading.Thread(target=self._serve, daemon=True).start()
            if not self._answered.wait(_ANSWERS_WITHIN_S):
                raise OSError("Windows does not answer whether it takes the keyboard hook")
            if self._refusal is not None:
                raise self._refusal
        else:
            raise OSError("the keyboard hook exists only on Windows")

    if sys.platform == "win32":

        def _serve(self) -> None:
            def on_key(code: int, message: int, address: int) -> int:
                if code == _HC_ACTION and self.blocking and _leaves(address):
                    return 1
                return int(_user32.CallNextHookEx(None, code, message, address))

            # The procedure must outlive the hook, or the interpreter frees it under Windows.
            self._procedure = _Procedure(on_key)
            hook = _user32.SetWindowsHookExW(_WH_KEYBOARD_LL, self._procedure, None, 0)
            self._refusal = None if hook else ctypes.WinError(ctypes.get_last_error())
            self._answered.set()
            if not hook:
                return
            # Windows calls the procedure while this thread waits for messages, and only then.
            while _user32.GetMessageW(ctypes.byref(wintypes.MSG()), None, 0, 0) > 0:
                pass
            _user32.UnhookWindowsHookEx(hook)


if sys.platform == "win32":
    from ctypes import wintypes

    _user32 = ctypes.WinDLL("user32", use_last_error=True)
    _Procedure = ctypes.WINFUNCTYPE(wintypes.LPARAM, ctypes.c_int, wintypes.WPARAM, wintypes.LPARAM)
    _user32.SetWindowsHookExW.argtypes = (
        ctypes.c_int,
        _Procedure,
        wintypes.HINSTANCE,
        wintypes.DWORD,
    )
    _user32.SetWindowsHookExW.restype = wintypes.HHOOK
    _user32.UnhookWindowsHookEx.argtypes = (wintypes.HHOOK,)
    _user32.CallNextHookEx.argtypes = (
        wintypes.HHOOK,
        ctypes.c_int,
        wintypes.WPARAM,
        wintypes.LPARAM,
    )
    _user32.CallNextHookEx.restype = wintypes.LPARAM
    _user32.GetMessageW.argtypes = (
        wintypes.LPMSG,
        wintypes.HWND,
        wintypes.UINT,
        wintypes.UINT,
    )
    _user32.GetAsyncKeyState.argtypes = (ctypes.c_int,)
    _user32.GetAsyncKeyState.restype = ctypes.c_short

    def _leaves(address: int) -> bool:
        event = ctypes.cast(address, ctypes.POINTER(_KeyEvent)).contents
        control = _user32.GetAsyncKeyState(_VK_CONTROL) < 0
        alt = bool(event.flags & _LLKHF_ALTDOWN)
        return leaves_the_window(event.vk_code, alt=alt, control=control)
