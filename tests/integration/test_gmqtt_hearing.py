"""What the MQTT library does when it hears, bare, beside what our link does in the same place.

See ``test_gmqtt_sending.py``: each test asserts the bare library's misbehaviour too.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import gmqtt
import pytest
from bare_gmqtt import Bare
from brokers_under_test import Listener, MosquittoUnderTest, eventually, free_port

from schemas.link import GmqttLink
from schemas.link_port import Outgoing

pytestmark = pytest.mark.integration

MANY = 40


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MosquittoUnderTest]:
    under_test = MosquittoUnderTest(tmp_path)
    await under_test.start()
    yield under_test
    await under_test.aclose()


async def _said(broker: MosquittoUnderTest, topic: str, count: int) -> list[bytes]:
    """Messages of a well-behaved writer, all of them with the broker."""
    writer, _ = await broker.up(f"writer of {topic}")
    payloads = [b"%d" % number for number in range(count)]
    for payload in payloads:
        assert writer.publish(Outgoing(topic, payload))
    assert await writer.flush(10)
    return payloads


async def test_g5_a_crash_between_the_message_and_its_handler(broker: MosquittoUnderTest) -> None:
    bare = Bare("bare", broker.port, clean_session=False, session_expiry_interval=300)
    seen: list[bytes] = []

    async def crashes(client: gmqtt.Client, _topic: str, payload: bytes, *_rest: Any) -> int:
        seen.append(payload)
        client._connection._transport.abort()
        return 0

    bare.client.on_message = crashes
    await bare.join()
    bare.client.subscribe("t/bare", qos=1)
    await asyncio.sleep(0.2)
    await _said(broker, "t/bare", 1)
    await eventually(lambda: seen)
    await eventually(lambda: bare.client.is_connected)
    await asyncio.sleep(0.5)
    # It was acknowledged before it was handled, so it does not come again.
    assert len(seen) == 1
    await bare.leave()

    heard = _Crashing()
    link = broker.link("reader", heard)
    heard.link = link
    link.subscribe("t/link")
    link.start()
    await eventually(lambda: link.connected)
    await _said(broker, "t/link", 1)
    await eventually(lambda: len(heard.messages) == 2)
    assert heard.payloads == [b"0", b"0"]


class _Crashing(Listener):
    """Cuts its own connection in the middle of the first message."""

    link: Any = None

    def on_message(self, topic: str, payload: bytes, retain: bool) -> None:
        super().on_message(topic, payload, retain)
        if len(self.messages) == 1:
            self.link._connection.client.cut()


async def test_g6_g7_handlers_that_overtake_each_other_without_a_bound(
    broker: MosquittoUnderTest,
) -> None:
    bare = Bare("bare", broker.port, optimistic_acknowledgement=False, receive_maximum=5)
    order: list[bytes] = []
    busy = most = 0

    async def slow(_client: gmqtt.Client, _topic: str, payload: bytes, *_rest: Any) -> int:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.02 if int(payload) % 2 else 0.001)
        order.append(payload)
        busy -= 1
        return 0

    bare.client.on_message = slow
    await bare.join()
    bare.client.subscribe("t/bare", qos=1)
    await asyncio.sleep(0.2)
    sent = await _said(broker, "t/bare", MANY)
    await eventually(lambda: len(order) == MANY)
    assert order != sent
    assert most > 1
    await bare.leave()

    heard = _Counting()
    link = broker.link("reader", heard)
    link.subscribe("t/link")
    link.start()
    await eventually(lambda: link.connected)
    sent = await _said(broker, "t/link", MANY)
    await eventually(lambda: len(heard.messages) == MANY)
    assert heard.payloads == sent
    assert heard.most == 1


class _Counting(Listener):
    """How many messages are handled at the same time."""

    busy = most = 0

    def on_message(self, topic: str, payload: bytes, retain: bool) -> None:
        self.busy += 1
        self.most = max(self.most, self.busy)
        super().on_message(topic, payload, retain)
        self.busy -= 1


async def test_g8_subscriptions_after_a_lost_session(broker: MosquittoUnderTest) -> None:
    bare = await Bare("bare", broker.port).join()
    bare.client.subscribe("t/bare", qos=1)
    reader, heard = await broker.up("reader", "t/link")
    await asyncio.sleep(0.2)
    await broker.stop()
    await eventually(lambda: not bare.client.is_connected and not reader.connected)
    await broker.start()
    await eventually(lambda: bare.client.is_connected and reader.connected)

    await _said(broker, "t/bare", 3)
    sent = await _said(broker, "t/link", 3)
    await eventually(lambda: heard.payloads == sent)
    assert bare.heard == []
    await bare.leave()


class _FakeBroker:
    """Says CONNACK and SUBACK, and whatever else a test has it say."""

    def __init__(self) -> None:
        self.port = free_port()
        self.subscribed_qos: list[int] = []
        self.connections = 0
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        while head := await reader.read(2):
            packet = await reader.readexactly(head[1])
            if head[0] & 0xF0 == 0x10:
                writer.write(b"\x20\x03\x00\x00\x00")
            if head[0] & 0xF0 == 0x80:
                self.subscribed_qos.append(packet[-1] & 3)
                writer.write(b"\x90\x04" + packet[:2] + b"\x00" + bytes([packet[-1] & 3]))
        writer.close()

    def say_twice(self, qos: int) -> None:
        """The same QoS 2 (or 1) message again, as after a lost acknowledgement."""
        publish = b"\x00\x01t\x00\x07\x00once"
        for dup in (0, 8):
            self._writers[-1].write(bytes([0x30 | qos << 1 | dup, len(publish)]) + publish)

    def drop(self) -> None:
        """Break every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.drop()
        await self._server.wait_closed()


async def test_g13_exactly_once_that_is_not(tmp_path: Path) -> None:
    fake = _FakeBroker()
    await fake.start()
    bare = await Bare("bare", fake.port).join()
    bare.client.subscribe("t", qos=2)
    await eventually(lambda: fake.subscribed_qos == [2])
    fake.say_twice(qos=2)
    await eventually(lambda: bare.heard == [b"once", b"once"])
    await bare.leave()

    # Our link asks for no more than QoS 1, so nobody can count on "once".
    under_test = MosquittoUnderTest(tmp_path)
    under_test.port = fake.port
    link = under_test.link("reader", Listener())
    assert isinstance(link, GmqttLink)
    link.subscribe("t")
    link.start()
    await eventually(lambda: link.connected)
    assert fake.subscribed_qos == [2, 1]
    await link.abort()
    await fake.stop()


async def test_g13_stopping_that_tries_once_more(tmp_path: Path) -> None:
    fake = _FakeBroker()
    await fake.start()
    bare = await Bare("bare", fake.port).join()
    bare.client.stop_reconnect()
    fake.drop()
    await eventually(lambda: fake.connections == 2)
    await bare.leave()

    under_test = MosquittoUnderTest(tmp_path)
    under_test.port = fake.port
    link = under_test.link("reader", Listener())
    link.start()
    await eventually(lambda: link.connected)
    await link.abort()
    fake.drop()
    await asyncio.sleep(0.5)
    assert fake.connections == 3
    await fake.stop()
