"""Starts a program in the player's session: as a child of ours, with a pipe for each direction.

The service runs as root or SYSTEM, the screen never does. On Linux it runs as its own user on
the player's display, so that the player cannot even signal it; on Windows it runs with the token
of whoever sits at the console.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, Protocol

_SERVICE_HOST: Final = "pythonservice"


class SessionProcess(Protocol):
    """A running program of the player's session."""

    pid: int
    stdin: IO[bytes]
    """Unbuffered; never blocks: what does not fit is not written."""
    stdout: IO[bytes]

    def poll(self) -> int | None:
        """How it ended, or None while it runs."""

    def kill(self) -> None:
        """End it at once."""

    def abandon(self) -> None:
        """Let it run on without us."""


class Launcher(Protocol):
    """Starts programs in the player's session."""

    def __call__(self, argv: Sequence[str]) -> SessionProcess:
        """Start ``argv``. Raises ``OSError`` when there is no session, user or program."""


if sys.platform == "win32":
    import msvcrt

    from pc_daemon.windows_pipes import never_wait

    _CREATION: Final = subprocess.CREATE_NO_WINDOW
    """A console of its own, which nobody sees: Ctrl-C at ours does not reach it."""

    def _never_wait(descriptor: int) -> None:
        never_wait(msvcrt.get_osfhandle(descriptor))

else:
    _CREATION: Final = 0

    def _never_wait(descriptor: int) -> None:
        os.set_blocking(descriptor, False)


if sys.platform == "win32":

    def _group_of(_user: str) -> int:
        raise ValueError("a program of another user is started by its token")

else:
    import pwd

    def _group_of(user: str) -> int:
        """The user's own group; without it a program would keep root's."""
        try:
            return pwd.getpwnam(user).pw_gid
        except KeyError as error:
            raise ValueError(f"there is no user {user}") from error


def interpreter() -> str:
    """The Python to start the screen with; that of a Windows service runs within its host."""
    if not Path(sys.executable).stem.lower().startswith(_SERVICE_HOST):
        return sys.executable
    prefix = Path(sys.exec_prefix)
    places = (prefix / "Scripts" / "python.exe", prefix / "python.exe")
    return str(next((place for place in places if place.exists()), places[-1]))


class ChildProcess:
    """A ``subprocess.Popen`` as a :class:`SessionProcess`."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdin is not None
        assert child.stdout is not None
        self._child = child
        self.pid = child.pid
        self.stdin, self.stdout = child.stdin, child.stdout
        _never_wait(self.stdin.fileno())

    def poll(self) -> int | None:
        """See ``SessionProcess``."""
        return self._child.poll()

    def kill(self) -> None:
        """See ``SessionProcess``."""
        self._child.kill()
        self._child.wait()

    def abandon(self) -> None:
        """See ``SessionProcess``."""
        if self._child.poll() is None:
            # The screen outlives us on purpose; Popen would warn about a child left running.
            self._child.returncode = 0


@dataclass(frozen=True, slots=True)
class UserSession:
    """Runs programs as ``user`` (our own user without one) on the given display."""

    user: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, argv: Sequence[str]) -> SessionProcess:
        """See ``Launcher``."""
        child = subprocess.Popen(  # noqa: S603 - the operator's own command
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, **self.environment},
            user=self.user,
            group=None if self.user is None else _group_of(self.user),
            extra_groups=None if self.user is None else [],
            # A signal to the agent's group (Ctrl-C, a service stop) must not take the screen.
            start_new_session=True,
            creationflags=_CREATION,
        )
        return ChildProcess(child)
