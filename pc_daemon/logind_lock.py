"""Locks the login session through systemd-logind, and keeps it locked.

logind only passes the wish on: a locker that listens in the session (the desktop's own, or
xss-lock) must do the work. What it says of itself (``LockedHint``) is believed when it once said
that it locked: a player who lets the session open again by a password is locked again.
"""

import contextlib
import subprocess
import threading
from collections.abc import Callable
from typing import Final

from pc_daemon.agent_state import Screen
from pc_daemon.last_resort import session_in_front, told
from pc_daemon.lockers import Deadlines, LockerError, ScreenHeard, ScreenNews
from schemas.device import PcMode

LOOK_EVERY_S: Final = 1.0
"""How often it is seen whether somebody has signed in, or opened what was locked."""


class LoginctlLocker:
    """Locks whichever session is in front at the seat, or always the one it is given.

    A session that comes to the front of a locked PC later is locked then. It is asked again and
    again until it says that it has locked. At opening, the
    sessions it has locked are opened. A thread of its own does what takes time.
    """

    def __init__(
        self,
        session: str | None = None,
        command: str = "loginctl",
        *,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._session = session
        self._command = command
        self._look_every_s = look_every_s
        self._hear: Callable[[ScreenHeard], None] | None = None
        self._wish: PcMode | None = None
        self._locked: set[str] = set()
        self._hinted: set[str] = set()
        self._error: str | None = None
        self._stirred = threading.Event()
        self._is_closed = False
        self._worker: threading.Thread | None = None

    def attach(self, hear: Callable[[ScreenHeard], None]) -> None:
        """See ``ScreenLocker``; told is a lock that was opened."""
        self._hear = hear

    def show(self, screen: Screen, deadlines: Deadlines) -> None:  # noqa: ARG002
        """See ``ScreenLocker``; logind cannot lock later on its own."""
        if screen.mode is not self._wish:
            self._wish = screen.mode
            self._stirred.set()
        if self._worker is None:
            self._worker = threading.Thread(target=self._work, daemon=True)
            self._worker.start()

    def notify(self, text: str) -> None:  # noqa: ARG002
        """A login session has no place for a line of text."""
        raise LockerError("loginctl cannot show a notice")

    def identify(self, for_ms: int) -> None:  # noqa: ARG002
        """A login session has no place for a number either."""
        raise LockerError("loginctl cannot identify a PC")

    def check(self) -> None:
        """See ``ScreenLocker``."""
        if self._error is not None:
            raise LockerError(self._error)

    def foreground(self) -> str | None:
        """See ``ScreenLocker``: nobody is there to tell."""
        return None

    def close(self) -> None:
        """See ``ScreenLocker``."""
        self._is_closed = True
        self._stirred.set()

    def _work(self) -> None:
        is_done = False
        while True:
            rests = is_done and self._wish is not PcMode.LOCKED
            self._stirred.wait(None if rests else self._look_every_s)
            self._stirred.clear()
            if self._is_closed:
                return
            self._error = self._tried()
            is_done = self._error is None

    def _tried(self) -> str | None:
        """Do once what is wished; why it could not be relied on."""
        try:
            if self._wish is PcMode.LOCKED:
                return self._lock()
            self._unlock()
        except subprocess.CalledProcessError as error:
            return f"{self._command} ended with {error.returncode}"
        except subprocess.SubprocessError:
            return f"{self._command} does not end"
        except OSError as error:
            return f"{self._command}: {error.strerror}"
        return None

    def _lock(self) -> str | None:
        session = self._in_front()
        if session is None:
            return None
        if session in self._locked and self._is_locked(session):
            self._hinted.add(session)
            return None
        was_opened = session in self._hinted
        self._hinted.discard(session)
        # A session that begins has nobody yet who would hear it: asked until it says it locked.
        told([self._command, "lock-session", session])
        self._locked.add(session)
        if not was_opened:
            return None
        if self._hear is not None:
            self._hear(ScreenHeard(ScreenNews.HIDDEN))
        return f"session {session} was opened, it is locked again"

    def _unlock(self) -> None:
        in_front, others = self._in_front(), self._locked
        self._locked, self._hinted = set(), set()
        for session in others - {in_front}:
            # Who has signed out meanwhile has nothing left to open.
            with contextlib.suppress(subprocess.CalledProcessError):
                told([self._command, "unlock-session", session])
        if in_front is not None:
            told([self._command, "unlock-session", in_front])

    def _in_front(self) -> str | None:
        return self._session or session_in_front(self._command)

    def _is_locked(self, session: str) -> bool:
        asked = [self._command, "show-session", session, "--property=LockedHint", "--value"]
        return told(asked) == "yes"
