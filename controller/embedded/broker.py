"""An embedded MQTT 5 broker: Mosquitto where it is installed, else the one in the wheel.

Mosquitto keeps retained documents and sessions over a kill; the packaged broker does not, and
the controller publishes all desired documents again when it starts.
"""

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from controller.embedded.child import ChildProcess
from controller.embedded.errors import NoServerError
from controller.embedded.state import LOOPBACK, StateFolder, accepts, require_free

BrokerKind = Literal["mosquitto", "iotcore"]

_MOSQUITTO_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")

_MOSQUITTO = """\
{user}listener {port} {host}
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_on_changes true
autosave_interval 1
persistent_client_expiration 1d
max_inflight_messages 200
max_queued_messages 10000
set_tcp_nodelay true
connection_messages false
log_dest stdout
log_type error
log_type warning
log_type notice
"""

_IOTCORE = """\
id = 0

[router]
id = 0
max_connections = 10010
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10

[v5.1]
name = "v5-1"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = 65536
max_inflight_count = 200
dynamic_filters = true
"""


class EmbeddedBroker:
    """A broker in the state folder; ``kind`` forces one, for tests of both."""

    def __init__(self, state: StateFolder, *, kind: BrokerKind | None = None) -> None:
        self._folder = state.folder("broker")
        self.port = state.port("broker")
        self.kind: BrokerKind = kind or find_broker()
        suffix = "conf" if self.kind == "mosquitto" else "toml"
        self._config = self._folder / f"{self.kind}.{suffix}"
        self.child = ChildProcess(
            "broker",
            self._command(),
            log_file=state.log_file("broker"),
            is_ready=lambda: accepts(self.port),
        )

    @property
    def url(self) -> str:
        """For CLUBCTL_MQTT_URL."""
        return f"mqtt://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Start and wait until it accepts connections. Raises ChildFailedError."""
        template = _MOSQUITTO if self.kind == "mosquitto" else _IOTCORE
        # Started by root, Mosquitto would become another user and could not write its folder.
        user = "user root\n" if os.geteuid() == 0 else ""
        self._config.write_text(
            template.format(host=LOOPBACK, port=self.port, folder=self._folder, user=user)
        )
        if not self.child.is_running:
            require_free("broker", self.port)
        self.child.start()

    def stop(self) -> None:
        """End it."""
        self.child.stop()

    def restart(self) -> None:
        """Stop and start on the same address."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self.child.kill()

    def _command(self) -> list[str]:
        if self.kind == "iotcore":
            return [sys.executable, "-m", "iotcore", "--config", str(self._config)]
        binary = find_mosquitto()
        if binary is None:
            raise NoServerError("no mosquitto on PATH or in the system's sbin folders")
        return [str(binary), "-c", str(self._config)]


def find_mosquitto() -> Path | None:
    """The Mosquitto binary; system packages put it outside an ordinary user's PATH."""
    path = os.pathsep.join((os.environ.get("PATH", ""), *_MOSQUITTO_FOLDERS))
    found = shutil.which("mosquitto", path=path)
    return None if found is None else Path(found)


def find_broker() -> BrokerKind:
    """Which broker this machine has. Raises NoServerError."""
    if find_mosquitto() is not None:
        return "mosquitto"
    if find_spec("iotcore") is not None:
        return "iotcore"
    raise NoServerError(
        "no MQTT broker: install mosquitto, or pip install iotcore, or set CLUBCTL_MQTT_URL"
    )
