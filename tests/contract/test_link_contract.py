"""What every link promises, over the in-memory twin, Mosquitto and the embedded broker."""

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest
from brokers_under_test import BROKERS, BrokerUnderTest, Listener, eventually

from schemas.link_port import Outgoing, Will


@pytest.fixture(params=sorted(BROKERS))
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BrokerUnderTest]:
    under_test = BROKERS[request.param](tmp_path)
    await under_test.start()
    yield under_test
    await under_test.aclose()


async def test_qos_1_arrives_in_order_through_a_window_smaller_than_the_burst(
    broker: BrokerUnderTest,
) -> None:
    _, heard = await broker.up("reader", "t/+")
    writer, _ = await broker.up("writer")

    expected = [str(number).encode() for number in range(600)]
    assert all(writer.publish(Outgoing("t/a", payload)) for payload in expected)

    assert await writer.flush(10)
    await eventually(lambda: len(heard.messages) == len(expected))
    assert heard.payloads == expected
    assert writer.stats.acked == len(expected)


async def test_on_acked_runs_once_per_message(broker: BrokerUnderTest) -> None:
    writer, _ = await broker.up("writer")
    acked: list[int] = []

    for number in range(30):
        writer.publish(Outgoing("t/a", b"x", on_acked=lambda n=number: acked.append(n)))

    assert await writer.flush(10)
    assert acked == list(range(30))


async def test_qos_0_is_delivered_while_connected_and_refused_otherwise(
    broker: BrokerUnderTest,
) -> None:
    _, heard = await broker.up("reader", "t/+")
    writer = broker.link("writer")
    assert writer.publish(Outgoing("t/a", b"too early", qos=0)) is False

    writer.start()
    await eventually(lambda: writer.connected)
    assert writer.publish(Outgoing("t/a", b"now", qos=0)) is True

    await eventually(lambda: heard.payloads == [b"now"])


async def test_qos_1_accepted_before_the_first_connection_arrives(broker: BrokerUnderTest) -> None:
    _, heard = await broker.up("reader", "t/+")
    writer = broker.link("writer")

    assert writer.publish(Outgoing("t/a", b"early"))
    writer.start()

    await eventually(lambda: heard.payloads == [b"early"])
    assert await writer.flush(5)


async def test_a_full_outbox_says_no_and_a_retained_slot_is_reused(broker: BrokerUnderTest) -> None:
    _, heard = await broker.up("reader", "t/+")
    writer = broker.link("writer", max_outbox=3)

    assert [writer.publish(Outgoing("t/a", b"%d" % n)) for n in range(2)] == [True, True]
    assert [writer.publish(Outgoing("t/r", b"r%d" % n, retain=True)) for n in range(4)] == [
        True
    ] * 4
    assert writer.publish(Outgoing("t/a", b"2")) is False
    assert (writer.stats.rejected, writer.stats.superseded) == (1, 3)

    writer.start()
    await eventually(lambda: heard.payloads == [b"0", b"1", b"r3"])


async def test_a_late_subscriber_gets_what_is_retained_until_it_is_cleared(
    broker: BrokerUnderTest,
) -> None:
    writer, _ = await broker.up("writer")
    writer.publish(Outgoing("t/a", b"first", retain=True))
    writer.publish(Outgoing("t/a", b"last", retain=True))
    assert await writer.flush(5)

    _, late = await broker.up("late", "t/+")
    await eventually(lambda: late.messages == [("t/a", b"last", True)])

    writer.publish(Outgoing("t/a", b"", retain=True))
    assert await writer.flush(5)
    await eventually(lambda: late.messages[-1] == ("t/a", b"", False))
    _, later = await broker.up("later", "t/+")
    writer.publish(Outgoing("t/b", b"fence"))
    await eventually(lambda: later.payloads == [b"fence"])


async def test_a_session_is_resumed_and_no_qos_1_is_lost_while_away(
    broker: BrokerUnderTest,
) -> None:
    reader, heard = await broker.up("reader", "t/+")
    writer, _ = await broker.up("writer")

    await reader.abort()
    assert not reader.connected
    for number in range(50):
        writer.publish(Outgoing("t/a", b"%d" % number))
    assert await writer.flush(5)
    assert heard.messages == []
    reader.start()

    await eventually(lambda: set(heard.payloads) == {b"%d" % n for n in range(50)})
    assert heard.disconnects == ["closed here"]


async def test_an_expired_message_is_not_delivered(broker: BrokerUnderTest) -> None:
    reader, heard = await broker.up("reader", "t/+")
    writer, _ = await broker.up("writer")

    await reader.abort()
    writer.publish(Outgoing("t/a", b"stale", expiry_s=1))
    writer.publish(Outgoing("t/a", b"fresh", expiry_s=60))
    assert await writer.flush(5)
    await asyncio.sleep(2.2)
    reader.start()

    await eventually(lambda: b"fresh" in heard.payloads)
    assert heard.payloads == [b"fresh"]


async def test_a_message_that_expires_in_the_outbox_is_never_sent(broker: BrokerUnderTest) -> None:
    _, heard = await broker.up("reader", "t/+")
    writer = broker.link("writer")
    writer.publish(Outgoing("t/a", b"stale", expiry_s=1))
    writer.publish(Outgoing("t/a", b"fresh"))

    await asyncio.sleep(1.1)
    writer.start()

    await eventually(lambda: heard.payloads == [b"fresh"])
    assert writer.stats.expired == 1


async def test_the_will_of_the_cut_connection_fires_and_is_retained(
    broker: BrokerUnderTest,
) -> None:
    _, heard = await broker.up("reader", "t/+")
    epochs = count(1)

    def will() -> Will:
        return Will("t/will", b"epoch %d" % next(epochs), delay_s=1)

    mortal, _ = await broker.up("mortal", will=will)
    await mortal.abort()
    mortal.start()
    await eventually(lambda: mortal.connected)
    await mortal.abort()
    await eventually(lambda: heard.messages)

    assert heard.payloads == [b"epoch 2"]
    _, late = await broker.up("late", "t/+")
    await eventually(lambda: late.messages == [("t/will", b"epoch 2", True)])


async def test_a_silent_link_is_missed_by_its_keepalive_and_hears_the_rest_when_it_is_back(
    broker: BrokerUnderTest,
) -> None:
    _, heard = await broker.up("watcher", "t/will")
    other, _ = await broker.up("other")

    def will() -> Will:
        return Will("t/will", b"gone", delay_s=1, retain=False)

    began_s = time.monotonic()
    mute, hears = await broker.up("mute", "t/news", will=will, keepalive_s=2)
    await mute.silence()
    assert not mute.connected
    assert hears.disconnects
    other.publish(Outgoing("t/news", b"meanwhile"))
    await eventually(lambda: heard.payloads == [b"gone"], timeout_s=30)
    # Neither at once nor by the delay of the will alone.
    assert time.monotonic() - began_s > 3
    assert hears.payloads == []

    mute.start()
    await eventually(lambda: hears.payloads == [b"meanwhile"])


async def test_a_goodbye_publishes_no_will(broker: BrokerUnderTest) -> None:
    _, heard = await broker.up("reader", "t/+")
    polite, _ = await broker.up("polite", will=lambda: Will("t/will", b"gone", delay_s=1))

    await polite.close()
    await asyncio.sleep(2.2)

    assert heard.messages == []
    assert not polite.connected


async def test_filters_can_change_while_connected(broker: BrokerUnderTest) -> None:
    reader, heard = await broker.up("reader", "t/a")
    writer, _ = await broker.up("writer")
    writer.publish(Outgoing("t/b", b"kept", retain=True))
    assert await writer.flush(5)

    reader.subscribe("t/b")
    await eventually(lambda: heard.payloads == [b"kept"])
    reader.unsubscribe("t/a")
    reader.subscribe("t/c")
    writer.publish(Outgoing("t/fence", b""))

    async def probe() -> None:
        while not any(topic == "t/c" for topic, _, _ in heard.messages):
            writer.publish(Outgoing("t/c", b"probe"))
            await asyncio.sleep(0.05)

    async with asyncio.timeout(5):
        await probe()
    writer.publish(Outgoing("t/a", b"unheard"))
    writer.publish(Outgoing("t/b", b"heard"))
    await eventually(lambda: b"heard" in heard.payloads)
    assert b"unheard" not in heard.payloads


async def test_a_hundred_filters_come_into_force(broker: BrokerUnderTest) -> None:
    _, heard = await broker.up("reader", *[f"club{n}/+" for n in range(100)])
    writer, _ = await broker.up("writer")

    for number in range(100):
        writer.publish(Outgoing(f"club{number}/x", b"%d" % number))

    await eventually(lambda: len(heard.messages) == 100)


class _Clumsy(Listener):
    def on_message(self, topic: str, payload: bytes, retain: bool) -> None:
        super().on_message(topic, payload, retain)
        if payload == b"poison":
            raise ValueError("poison")


async def test_a_raising_host_is_counted_and_hears_on(broker: BrokerUnderTest) -> None:
    host = _Clumsy()
    reader = broker.link("reader", host)
    reader.subscribe("t/+")
    reader.start()
    await eventually(lambda: reader.connected)
    writer, _ = await broker.up("writer")

    for payload in (b"poison", b"fine", b"poison", b"fine"):
        writer.publish(Outgoing("t/a", payload))

    await eventually(lambda: len(host.messages) == 4)
    assert reader.stats.callback_errors == 2


async def test_a_restarted_broker_gets_every_link_and_its_filters_back(
    broker: BrokerUnderTest,
) -> None:
    _, heard = await broker.up("reader", "t/+")
    writer, said = await broker.up("writer")

    await broker.stop()
    await eventually(lambda: not writer.connected)
    assert writer.publish(Outgoing("t/a", b"during the outage"))
    await broker.start()

    await eventually(lambda: heard.connects == 2 and said.connects == 2)
    writer.publish(Outgoing("t/a", b"after it"))
    await eventually(lambda: b"after it" in heard.payloads)
