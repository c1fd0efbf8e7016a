"""A broker that says just what a test has it say, and remembers the bytes it was sent."""

import asyncio
from dataclasses import dataclass, field

from controller.embedded.state import free_port

CONNECT, PUBLISH, SUBSCRIBE = 0x10, 0x30, 0x80
DUP = 8
_CONTINUES = 0x80


@dataclass
class Published:
    """A PUBLISH as it came: the payload at its end, and whether it is marked as a repeat."""

    dup: bool
    qos: int
    packet: bytes


@dataclass
class ScriptedBroker:
    """Takes everybody. ``resumes``: says that it knows the session. ``acks``: answers QoS 1."""

    resumes: bool = False
    acks: bool = True
    port: int = field(default_factory=free_port)
    connections: int = 0
    subscribed_qos: list[int] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.drop()
        await self._server.wait_closed()

    def drop(self) -> None:
        """Break every connection."""
        for writer in self._writers:
            writer.transport.abort()

    def say(self, topic: str, payload: bytes, *, qos: int, dup: bool = False) -> None:
        """Send a message, always under the same packet id, to whoever came last."""
        named = len(topic).to_bytes(2) + topic.encode()
        body = named + b"\x00\x07" + b"\x00" + payload
        head = bytes([PUBLISH | qos << 1 | (DUP if dup else 0)])
        self._writers[-1].write(head + _length(len(body)) + body)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        while first := await reader.read(1):
            packet = await reader.readexactly(await _read_length(reader))
            self._answer(first[0], packet, writer)
        writer.close()

    def _answer(self, first: int, packet: bytes, writer: asyncio.StreamWriter) -> None:
        kind = first & 0xF0
        if kind == CONNECT:
            writer.write(bytes([0x20, 3, self.resumes, 0, 0]))
        if kind == SUBSCRIBE:
            self.subscribed_qos.append(packet[-1] & 3)
            writer.write(b"\x90\x04" + packet[:2] + b"\x00" + bytes([packet[-1] & 3]))
        if kind == PUBLISH:
            qos = first >> 1 & 3
            self.published.append(Published(bool(first & DUP), qos, packet))
            if qos and self.acks:
                after_topic = 2 + int.from_bytes(packet[:2])
                writer.write(b"\x40\x02" + packet[after_topic : after_topic + 2])


async def _read_length(reader: asyncio.StreamReader) -> int:
    length = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & ~_CONTINUES) << shift
        if not byte & _CONTINUES:
            return length
        shift += 7


def _length(number: int) -> bytes:
    low, high = number & ~_CONTINUES & 0x7F, number >> 7
    return bytes([low]) if not high else bytes([low | _CONTINUES]) + _length(high)
