"""What can lock a screen, behind one port: nothing, a screen process, or the login session."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from pc_daemon.agent_state import Screen
from schemas.device import PcMode


class LockerKind(StrEnum):
    """The lockers an operator can choose."""

    NULL = "null"
    TK = "tk"
    WIN32 = "win32"
    LOGINCTL = "loginctl"
    EXEC = "exec"


class LockerError(Exception):
    """The screen is not as it was told; the agent reports it and tries again."""


class ScreenLocker(Protocol):
    """Shows a screen and keeps it. Calls return at once."""

    def show(self, screen: Screen, lock_after_ms: int | None) -> None:
        """Make the screen so. Raises ``LockerError``.

        ``lock_after_ms``: lock on its own after that much real time, should the agent be gone.
        """

    def notify(self, text: str) -> None:
        """Show a line of text. Raises ``LockerError``."""

    def check(self) -> None:
        """Raise ``LockerError`` when what was shown cannot be relied on any more."""

    def close(self) -> None:
        """Let go of the screen as it is."""


class NullLocker:
    """Remembers what a player would see: simulated PCs and tests."""

    def __init__(self) -> None:
        self.screen: Screen | None = None
        self.lock_after_ms: int | None = None
        self.notices: list[str] = []

    def show(self, screen: Screen, lock_after_ms: int | None) -> None:
        """See ``ScreenLocker``."""
        self.screen = screen
        self.lock_after_ms = lock_after_ms

    def notify(self, text: str) -> None:
        """See ``ScreenLocker``."""
        self.notices = [*self.notices[-15:], text]

    def check(self) -> None:
        """See ``ScreenLocker``."""

    def close(self) -> None:
        """See ``ScreenLocker``."""


class ProcessLocker:
    """A screen in a process of its own, told what to show as JSON lines on its standard input.

    ``{"screen": {...}, "lock_after_ms": n | null}`` or ``{"notice": text}``. When its input ends
    the screen process goes on alone: locked stays locked, unlocked locks after ``lock_after_ms``.
    A process that died is started again by the next ``show``.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = list(argv)
        self._process: subprocess.Popen[bytes] | None = None

    def show(self, screen: Screen, lock_after_ms: int | None) -> None:
        """See ``ScreenLocker``."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        self._tell({"screen": asdict(screen), "lock_after_ms": lock_after_ms})

    def notify(self, text: str) -> None:
        """See ``ScreenLocker``."""
        self.check()
        self._tell({"notice": text})

    def check(self) -> None:
        """See ``ScreenLocker``."""
        if self._process is not None and (status := self._process.poll()) is not None:
            raise LockerError(f"screen process ended with {status}")

    def close(self) -> None:
        """See ``ScreenLocker``."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        if process.poll() is None:
            # The screen outlives us on purpose; Popen would warn about a child left running.
            process.returncode = 0

    def _start(self) -> None:
        self.close()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the operator's own command
                self._argv, stdin=subprocess.PIPE, bufsize=0
            )
        except OSError as error:
            raise LockerError(f"screen process: {error.strerror}") from error
        assert self._process.stdin is not None
        if sys.platform != "win32":
            os.set_blocking(self._process.stdin.fileno(), False)

    def _tell(self, order: dict[str, object]) -> None:
        process = self._process
        if process is None or process.stdin is None:
            raise LockerError("no screen process")
        line = json.dumps(order).encode() + b"\n"
        try:
            written = os.write(process.stdin.fileno(), line)
        except OSError as error:
            process.kill()
            raise LockerError(f"screen process: {error.strerror}") from error
        if written != len(line):
            process.kill()
            raise LockerError("screen process does not read")


class LoginctlLocker:
    """Asks systemd-logind to lock the session.

    It only signals: a locker listening in the session (the desktop's own, or xss-lock) must do
    the work, and nothing tells whether it did.
    """

    def __init__(self, session: str | None = None, command: str = "loginctl") -> None:
        self._target = [session] if session else []
        self._command = command
        self._asked: list[subprocess.Popen[bytes]] = []

    def show(self, screen: Screen, lock_after_ms: int | None) -> None:  # noqa: ARG002
        """See ``ScreenLocker``; logind cannot lock later on its own."""
        verb = "lock-session" if screen.mode is PcMode.LOCKED else "unlock-session"
        try:
            asked = subprocess.Popen(  # noqa: S603 - fixed words
                [self._command, verb, *self._target],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            raise LockerError(f"{self._command}: {error.strerror}") from error
        self._asked.append(asked)

    def notify(self, text: str) -> None:  # noqa: ARG002
        """A login session has no place for a line of text."""
        raise LockerError("loginctl cannot show a notice")

    def check(self) -> None:
        """See ``ScreenLocker``."""
        ended = [process for process in self._asked if process.poll() is not None]
        self._asked = [process for process in self._asked if process.returncode is None]
        for process in ended:
            if process.returncode != 0:
                raise LockerError(f"{self._command} ended with {process.returncode}")

    def close(self) -> None:
        """See ``ScreenLocker``."""
        for process in self._asked:
            process.kill()
            process.wait()


def make_locker(kind: LockerKind, *, command: Sequence[str], state_dir: Path) -> ScreenLocker:
    """The locker an operator chose; ``command`` is the club's own screen for ``exec``."""
    own_screen = [sys.executable, "-m", "pc_daemon.screen", "--state-dir", str(state_dir)]
    match kind:
        case LockerKind.NULL:
            return NullLocker()
        case LockerKind.TK:
            return ProcessLocker(own_screen)
        case LockerKind.WIN32:
            return ProcessLocker([*own_screen, "--keyboard-hook"])
        case LockerKind.LOGINCTL:
            return LoginctlLocker(*command[:1])
        case LockerKind.EXEC:
            if not command:
                raise ValueError("locker_command: the exec locker needs a command")
            return ProcessLocker(command)
