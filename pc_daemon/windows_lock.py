"""The lock of Windows itself, for when a PC must be locked and our screen cannot be had.

Whoever is behind it needs the password of the account to come back, so it is the last resort of
the ``win32`` locker and no other's.
"""

import ctypes
import logging
import sys
from typing import Final

from pc_daemon.last_resort import Plight

_logger = logging.getLogger("clubctl.pc")

_NOW: Final = False
_THIS_SESSION: Final = 0xFFFFFFFF
_SESSION_INFO_EX: Final = 25
_LOCKED: Final = 0


class _SessionInfoEx(ctypes.Structure):
    """The beginning of ``WTSINFOEXW``; its union is aligned to eight bytes."""

    _fields_ = (
        ("level", ctypes.c_uint32),
        ("padding", ctypes.c_uint32),
        ("session", ctypes.c_uint32),
        ("state", ctypes.c_int32),
        ("flags", ctypes.c_int32),
    )


def lock_console(plight: Plight) -> None:
    """Lock the console. A refusal is logged: the caller tries again with its next look.

    From a desktop it is ``LockWorkStation``. A service has no desktop to lock; it disconnects
    the console's session, which shows the same sign-in. Where nobody is signed in the sign-in is
    shown already, and is left alone. Anywhere but on Windows it does nothing.
    """
    if sys.platform == "win32":
        from pc_daemon.windows_session import runs_as_service, signed_in_session

        session = signed_in_session() if runs_as_service() else None
        if session is None and runs_as_service():
            return
        _logger.error("%s: locking Windows", plight)
        done = _lock_ours() if session is None else _disconnect(session)
        if not done:
            _logger.error("Windows did not lock: %s", ctypes.WinError(ctypes.get_last_error()))


def is_locked() -> bool:
    """Whether Windows shows the lock of this session; False where it does not tell."""
    return sys.platform == "win32" and _is_locked()


if sys.platform == "win32":
    from ctypes import wintypes

    _user32 = ctypes.WinDLL("user32", use_last_error=True)
    _wtsapi32 = ctypes.WinDLL("wtsapi32", use_last_error=True)
    _wtsapi32.WTSDisconnectSession.argtypes = (wintypes.HANDLE, wintypes.DWORD, wintypes.BOOL)
    _wtsapi32.WTSQuerySessionInformationW.argtypes = (
        wintypes.HANDLE,
        wintypes.DWORD,
        ctypes.c_int,
        ctypes.POINTER(ctypes.c_void_p),
        wintypes.LPDWORD,
    )
    _wtsapi32.WTSFreeMemory.argtypes = (ctypes.c_void_p,)
    _wtsapi32.WTSFreeMemory.restype = None

    def _lock_ours() -> bool:
        return bool(_user32.LockWorkStation())

    def _disconnect(session: int) -> bool:
        return bool(_wtsapi32.WTSDisconnectSession(None, session, _NOW))

    def _is_locked() -> bool:
        told, size = ctypes.c_void_p(), wintypes.DWORD()
        answered = _wtsapi32.WTSQuerySessionInformationW(
            None, _THIS_SESSION, _SESSION_INFO_EX, ctypes.byref(told), ctypes.byref(size)
        )
        if not answered or told.value is None:
            return False
        try:
            if size.value < ctypes.sizeof(_SessionInfoEx):
                return False
            found = _SessionInfoEx.from_address(told.value)
            return bool(found.level == 1 and found.flags == _LOCKED)
        finally:
            _wtsapi32.WTSFreeMemory(told)
