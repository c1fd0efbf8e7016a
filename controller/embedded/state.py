"""The state folder: where embedded servers keep data, logs and the ports they come back on."""

import errno
import fcntl
import json
import os
import secrets
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from controller.embedded.errors import (
    PortTakenError,
    RefusedInProductionError,
    StateFolderInUseError,
)

LOOPBACK = "127.0.0.1"
PRODUCTION = "production"
DRAWN_PORTS = range(20_000, 32_768)
DRAWS = 100


class StateFolder:
    """One folder, used by one process at a time: enter it to lock it.

    Raises RefusedInProductionError, and StateFolderInUseError on entering.
    """

    def __init__(self, path: Path, *, env: str) -> None:
        if env == PRODUCTION:
            raise RefusedInProductionError
        self.path = path.resolve()
        self._lock: int | None = None

    def __enter__(self) -> Self:
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(handle)
            raise StateFolderInUseError(self.path) from error
        self._lock = handle
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def folder(self, name: str) -> Path:
        """A folder of its own for one server's data."""
        path = self.path / name
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path

    def log_file(self, name: str) -> Path:
        """Where a child's output goes."""
        return self.folder("logs") / f"{name}.log"

    def port(self, name: str) -> int:
        """The port ``name`` had the last time, or a free one if somebody took it; remembered."""
        book = self.path / "ports.json"
        ports: dict[str, int] = json.loads(book.read_text()) if book.exists() else {}
        if name not in ports or not is_free(ports[name]):
            ports[name] = free_port()
            fresh = book.with_suffix(".new")
            fresh.write_text(json.dumps(ports))
            fresh.replace(book)
        return ports[name]


def running_port(folder: Path, name: str) -> int | None:
    """The port of a server of this state folder that accepts connections now."""
    book = folder / "ports.json"
    port = json.loads(book.read_text()).get(name) if book.exists() else None
    return port if port is not None and accepts(port) else None


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A loopback port nobody listens on, most likely still so when a server comes to use it.

    Drawn below the ports Linux gives to outgoing connections: one of those could take it first.
    Raises OSError when none of many is free.
    """
    for _ in range(DRAWS):
        port = DRAWN_PORTS[secrets.randbelow(len(DRAWN_PORTS))]
        if is_free(port):
            return port
    raise OSError(errno.EADDRINUSE, "no loopback port is free")


def accepts(port: int) -> bool:
    """Whether something accepts connections on this loopback port."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((LOOPBACK, port)) == 0


def require_free(name: str, port: int) -> None:
    """Raise PortTakenError: a server that cannot listen must not be taken for the one that does."""
    if not is_free(port):
        raise PortTakenError(name, port)
