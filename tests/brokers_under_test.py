"""Brokers for tests: real processes on loopback, and the in-memory twin, behind one shape."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from controller.embedded.state import free_port
from schemas.link import GmqttLink
from schemas.link_memory import MemoryBroker, MemoryLink
from schemas.link_port import BackoffPolicy, Credentials, LinkSettings, Will

QUICK = BackoffPolicy(base_s=0.05, cap_s=0.2, short_life_s=0.0)

_MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous {anonymous}
max_inflight_messages 20
max_queued_messages 10000
persistence false
{extra}
"""

_IOTCORE = """\
id = 0
[router]
id = 0
max_connections = 2010
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
[v5.1]
name = "v5-1"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = 20480
max_inflight_count = 100
dynamic_filters = true
"""


async def eventually(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Wait until ``condition`` holds; fail with its source line otherwise."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - the condition may be anything
            await asyncio.sleep(0.01)


@dataclass
class Listener:
    """A link's host that remembers."""

    messages: list[tuple[str, bytes, bool]] = field(default_factory=list)
    connects: int = 0
    disconnects: list[str] = field(default_factory=list)

    def on_message(self, topic: str, payload: bytes, retain: bool) -> None:
        self.messages.append((topic, payload, retain))

    def on_connected(self) -> None:
        self.connects += 1

    def on_disconnected(self, reason: str) -> None:
        self.disconnects.append(reason)

    @property
    def payloads(self) -> list[bytes]:
        return [payload for _, payload, _ in self.messages]


class Cable:
    """A TCP path to a broker that can be cut and mended under a fixed port."""

    def __init__(self, target_port: int) -> None:
        self.port = free_port()
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)

    async def cut(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A cable that is cut while it reaches for the broker is cut, and leaves no socket behind.
        ends = {writer}
        self._writers.add(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
            ends.add(far_writer)
            self._writers.add(far_writer)
            await asyncio.gather(_pour(reader, far_writer), _pour(far_reader, writer))
        except OSError:
            return
        finally:
            for end in ends:
                end.transport.abort()
            self._writers -= ends


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
    except OSError:
        return
    finally:
        writer.transport.abort()


AnyLink = GmqttLink | MemoryLink


class BrokerUnderTest:
    """Start, stop and lose a broker; make links to it and cut them all at the end."""

    name = "?"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._links: list[AnyLink] = []

    def settings(self, client_id: str, **changes: object) -> LinkSettings:
        values: dict[str, object] = {"backoff": QUICK, "keepalive_s": 15, **changes}
        return LinkSettings("127.0.0.1", self.port, client_id, **values)  # type: ignore[arg-type]

    def link(
        self,
        client_id: str,
        host: Listener | None = None,
        *,
        will: Callable[[], Will | None] = lambda: None,
        **changes: object,
    ) -> AnyLink:
        settings = self.settings(client_id, **changes)
        link = self._make(settings, host or Listener(), will)
        self._links.append(link)
        return link

    async def up(
        self, client_id: str, *filters: str, **changes: object
    ) -> tuple[AnyLink, Listener]:
        """A connected link with its subscriptions in force, and what it hears."""
        host = Listener()
        link = self.link(client_id, host, **changes)
        for topic_filter in filters:
            link.subscribe(topic_filter)
        link.start()
        await eventually(lambda: link.connected)
        return link, host

    async def aclose(self) -> None:
        for link in self._links:
            await link.abort()
        await self.stop()

    def _make(
        self, settings: LinkSettings, host: Listener, will: Callable[[], Will | None]
    ) -> AnyLink:
        return GmqttLink(settings, host, mono_s=time.monotonic, random=random.Random(7), will=will)

    async def start(self) -> None:
        raise AssertionError("abstract")

    async def stop(self) -> None:
        """Kill the broker; sessions and retained messages are gone."""
        raise AssertionError("abstract")


class MemoryUnderTest(BrokerUnderTest):
    name = "memory"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._broker = MemoryBroker(time.monotonic)

    def _make(
        self, settings: LinkSettings, host: Listener, will: Callable[[], Will | None]
    ) -> AnyLink:
        return MemoryLink(settings, host, broker=self._broker, will=will)

    async def start(self) -> None:
        self._broker.start()

    async def stop(self) -> None:
        self._broker.stop()


class _ProcessUnderTest(BrokerUnderTest):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._process: subprocess.Popen[bytes] | None = None

    def _argv(self) -> list[str]:
        raise AssertionError("abstract")

    async def start(self) -> None:
        log = (self.folder / f"{self.name}.log").open("ab")
        with log:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - forking takes a moment
                self._argv(), stdout=log, stderr=log, start_new_session=True
            )
        await eventually(self._listens)

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def suspend(self) -> None:
        """Stop the process without killing it: connections stay open and silent."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)

    def _ports(self) -> tuple[int, ...]:
        """Where it listens once it has started."""
        return (self.port,)

    def _listens(self) -> bool:
        return all(map(_is_open, self._ports()))


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class MosquittoUnderTest(_ProcessUnderTest):
    name = "mosquitto"

    def __init__(self, folder: Path, extra: str = "") -> None:
        super().__init__(folder)
        self._extra = extra
        self.anonymous = True

    def _argv(self) -> list[str]:
        config = self.folder / "mosquitto.conf"
        config.write_text(
            _MOSQUITTO.format(
                port=self.port, extra=self._extra, anonymous=str(self.anonymous).lower()
            )
        )
        return ["/usr/sbin/mosquitto", "-c", str(config)]


class IotcoreUnderTest(_ProcessUnderTest):
    name = "iotcore"

    def _argv(self) -> list[str]:
        config = self.folder / "iotcore.toml"
        config.write_text(_IOTCORE.format(port=self.port))
        serve = (
            "import sys; from iotcore import IotCoreBroker;"
            " IotCoreBroker(config_path=sys.argv[1]).run_forever()"
        )
        return [sys.executable, "-c", serve, str(config)]


BROKERS: dict[str, type[BrokerUnderTest]] = {
    kind.name: kind for kind in (MemoryUnderTest, MosquittoUnderTest, IotcoreUnderTest)
}

__all__ = [
    "BROKERS",
    "QUICK",
    "BrokerUnderTest",
    "Cable",
    "Credentials",
    "IotcoreUnderTest",
    "Listener",
    "MosquittoUnderTest",
    "eventually",
]
