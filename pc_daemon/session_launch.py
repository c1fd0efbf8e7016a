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
from typing import IO, Protocol


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


class ChildProcess:
    """A ``subprocess.Popen`` as a :class:`SessionProcess`."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdin is not None
        assert child.stdout is not None
        self._child = child
        self.pid = child.pid
        self.stdin, self.stdout = child.stdin, child.stdout
        if sys.platform != "win32":
            os.set_blocking(self.stdin.fileno(), False)

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
            extra_groups=None if self.user is None else [],
            # A signal to the agent's group (Ctrl-C, a service stop) must not take the screen.
            start_new_session=True,
        )
        return ChildProcess(child)
