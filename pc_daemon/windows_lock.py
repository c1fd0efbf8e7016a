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

_NO_SESSION: Final = 0xFFFFFFFF
_NOW: Final = False


def lock_console(plight: Plight) -> None:
    """Lock the console. A refusal is logged: the caller tries again with its next look.

    From a desktop it is ``LockWorkStation``. A service has no desktop to lock; it disconnects
    the console's session, which shows the same sign-in. Anywhere but on Windows it does nothing.
    """
    if sys.platform == "win32":
        from pc_daemon.windows_session import runs_as_service

        _logger.error("%s: locking Windows", plight)
        if not (_disconnect() if runs_as_service() else ctypes.windll.user32.LockWorkStation()):
            _logger.error("Windows did not lock: %s", ctypes.WinError())


if sys.platform == "win32":

    def _disconnect() -> bool:
        session = ctypes.windll.kernel32.WTSGetActiveConsoleSessionId()
        # Nobody is at the console: it shows the sign-in already.
        if session == _NO_SESSION:
            return True
        return bool(ctypes.windll.wtsapi32.WTSDisconnectSession(None, session, _NOW))
