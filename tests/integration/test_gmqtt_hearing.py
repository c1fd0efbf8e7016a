"""What the MQTT library does when it hears, bare, beside what our link does in the same place.

See ``test_gmqtt_sending.py``: each test asserts the bare library's misbehaviour too.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import gmqtt
import pytest
from bare_gmqtt import Bare
from brokers_under_test import Cable, Listener, MosquittoUnderTest, eventually

from schemas.link_port import Outgoing

pytestmark = pytest.mark.integration

Heard = TypeVar("Heard", bound=Listener)
FLOOD = 200
BOUND = 50
RECEIVE_MAXIMUM = 5
IN_FLIGHT = 20
"""What a Mosquitto sends at most before it hears an acknowledgement."""


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


async def _both_hear(
    broker: MosquittoUnderTest, bare: Bare, topic_filter: str, heard: Heard
) -> Heard:
    """Join the library, and a link of ours beside it, both with the same subscription."""
    await bare.join()
    bare.client.subscribe(topic_filter, qos=1)
    link = broker.link("reader", heard)
    link.subscribe(topic_filter)
    link.start()
    await eventually(lambda: link.connected)
    await asyncio.sleep(0.2)
    return heard


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


def _plainly(taken: list[object], *told: object) -> int:
    taken.append(told)
    return 0


async def _badly(taken: list[object], *told: object) -> int:
    taken.append(told)
    raise ValueError("a handler with a defect")


class _Raising(Listener):
    """Hears, and fails over it."""

    def on_message(self, topic: str, payload: bytes, retain: bool) -> None:
        super().on_message(topic, payload, retain)
        raise ValueError("a handler with a defect")


@pytest.mark.parametrize(
    ("handler", "host"),
    [(_plainly, Listener), (_badly, _Raising)],
    ids=["not a coroutine", "raises"],
)
async def test_g5_a_handler_whose_messages_are_never_acknowledged(
    broker: MosquittoUnderTest, handler: Callable[..., object], host: type[Listener]
) -> None:
    taken: list[object] = []
    bare = Bare("bare", broker.port, optimistic_acknowledgement=False)
    bare.client.on_message = partial(handler, taken)
    heard = await _both_hear(broker, bare, "t/+", host())
    sent = await _said(broker, "t/first", FLOOD)
    await eventually(lambda: len(taken) == IN_FLIGHT and len(heard.messages) == FLOOD)
    # The broker waits for the first words to be acknowledged, and has no more for the library.
    sent += await _said(broker, "t/then", FLOOD)
    await eventually(lambda: heard.payloads == sent)
    assert len(taken) == IN_FLIGHT
    await bare.leave()


class _Gated:
    """A handler as the library's documentation shows it, which awaits: here, what a test opens."""

    def __init__(self, gate_of: Callable[[int], asyncio.Event]) -> None:
        self.begun = self.unfinished = 0
        self.finished: list[int] = []
        self._gate_of = gate_of

    async def take(self, _client: object, _topic: str, payload: bytes, *_rest: object) -> int:
        self.begun += 1
        self.unfinished += 1
        await self._gate_of(int(payload)).wait()
        self.unfinished -= 1
        self.finished.append(int(payload))
        return 0


async def test_g6_handlers_that_overtake_each_other_without_a_bound(
    broker: MosquittoUnderTest,
) -> None:
    gates = (asyncio.Event(), asyncio.Event())
    slow = _Gated(lambda number: gates[number % 2])
    bare = Bare("bare", broker.port)
    bare.client.on_message = slow.take
    heard = await _both_hear(broker, bare, "t/both", _Counting())
    sent = await _said(broker, "t/both", FLOOD)

    await eventually(lambda: slow.begun == FLOOD and len(heard.messages) == FLOOD)
    # The same instant: the library has every one of them in hand, the link has none.
    assert (slow.unfinished, heard.busy, heard.most) == (FLOOD, 0, 1)
    assert heard.payloads == sent
    evens, odds = list(range(0, FLOOD, 2)), list(range(1, FLOOD, 2))
    gates[0].set()
    await eventually(lambda: len(slow.finished) == len(evens))
    gates[1].set()
    await eventually(lambda: slow.unfinished == 0)
    assert slow.finished == evens + odds
    await bare.leave()


async def test_g7_a_receive_maximum_that_holds_until_the_first_acknowledgement(
    broker: MosquittoUnderTest,
) -> None:
    first, rest = asyncio.Event(), asyncio.Event()
    slow = _Gated(lambda number: first if number < RECEIVE_MAXIMUM else rest)
    bare = Bare(
        "bare", broker.port, optimistic_acknowledgement=False, receive_maximum=RECEIVE_MAXIMUM
    )
    bare.client.on_message = slow.take
    heard = await _both_hear(broker, bare, "t/both", _Counting())
    sent = await _said(broker, "t/both", FLOOD)

    await eventually(lambda: heard.payloads == sent)
    assert slow.unfinished == RECEIVE_MAXIMUM
    first.set()
    await eventually(lambda: slow.unfinished > 2 * RECEIVE_MAXIMUM)
    # What is not done yet stays with the library, as much as the broker likes; nothing did here.
    assert (heard.busy, heard.most) == (0, 1)
    rest.set()
    await eventually(lambda: len(slow.finished) == FLOOD)
    await bare.leave()


async def test_g7_a_flood_while_the_broker_is_away(broker: MosquittoUnderTest) -> None:
    """Where the library has no bound and no count, the link has both."""
    _, heard = await broker.up("reader", "t/+")
    cable = Cable(broker.port)
    await cable.mend()
    bare = await Bare("bare", cable.port).join()
    broker.port, direct_port = cable.port, broker.port
    link, _ = await broker.up("writer", max_outbox=BOUND)
    broker.port = direct_port
    await cable.cut()
    await eventually(lambda: not bare.client.is_connected and not link.connected)

    assert link.publish(Outgoing("t/kept", b"old", retain=True))
    for number in range(FLOOD):
        bare.client.publish("t/bare", b"%d" % number, qos=0)
    taken = [link.publish(Outgoing("t/link", b"%d" % number)) for number in range(FLOOD)]
    assert taken == [True] * (BOUND - 1) + [False] * (FLOOD - BOUND + 1)
    assert not link.publish(Outgoing("t/link", b"beat", qos=0))
    # A retained word has one place in the outbox: the newest takes it, however full that is.
    assert link.publish(Outgoing("t/kept", b"new", retain=True))
    assert (link.stats.rejected, link.stats.superseded) == (FLOOD - BOUND + 2, 1)

    await cable.mend()
    await eventually(lambda: link.connected and bare.client.is_connected)
    assert await link.flush(10)
    await eventually(lambda: len(heard.messages) >= BOUND)
    bare.client.publish("t/bare", b"after", qos=0)
    await eventually(lambda: b"after" in heard.payloads)
    # All that the library took without a word is gone; what the link took is here, and no more.
    kept = [b"new", *(b"%d" % number for number in range(BOUND - 1)), b"after"]
    assert heard.payloads == kept
    await bare.leave()
    await cable.cut()


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
