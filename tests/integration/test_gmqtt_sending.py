"""What the MQTT library does when it sends, bare, beside what our link does in the same place.

Each test asserts both: that the bare library still behaves so (else our guard is not needed any
more), and that the link does better.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from bare_gmqtt import Bare
from brokers_under_test import Cable, Listener, MosquittoUnderTest, eventually
from guarded_broker import GuardedBroker, said

from schemas.link import GmqttLink
from schemas.link_port import Outgoing

pytestmark = pytest.mark.integration

BURST = 200
OUTAGES = 6
MESSAGES = 480
PLACES = (("arena", "pc1"), ("arena", "pc2"))


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MosquittoUnderTest]:
    under_test = MosquittoUnderTest(tmp_path)
    await under_test.start()
    yield under_test
    await under_test.aclose()


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[GuardedBroker]:
    under_test = GuardedBroker(tmp_path, *PLACES)
    await under_test.start()
    yield under_test
    await under_test.aclose()


async def test_g1_a_burst_above_the_receive_maximum(broker: MosquittoUnderTest) -> None:
    bare = await Bare("bare", broker.port).join()
    for number in range(19):
        bare.client.publish("t/bare", b"%d" % number, qos=1)
    with pytest.raises(OverflowError):
        bare.client.publish("t/bare", b"19", qos=1)
    await bare.leave()

    _, heard = await broker.up("reader", "t/link")
    link, _ = await broker.up("writer")
    assert all(link.publish(Outgoing("t/link", b"%d" % number)) for number in range(BURST))
    assert await link.flush(10)
    await eventually(lambda: len(heard.payloads) == BURST)


async def _outages(
    cable: Cable,
    publish: Callable[[bytes], object],
    *,
    is_up: Callable[[], bool],
    each: int,
    count: int,
) -> list[bytes]:
    """Offer messages around connections that break with half of them on their way."""
    offered: list[bytes] = []
    for outage in range(count):
        for number in range(each):
            if number == each // 2:
                await cable.cut()
                await eventually(lambda: not is_up())
            offered.append(b"%d" % (outage * each + number))
            publish(offered[-1])
        await cable.mend()
        await eventually(is_up)
    return offered


async def test_g2_lost_sessions_eat_messages_and_packet_ids(broker: MosquittoUnderTest) -> None:
    _, heard = await broker.up("reader", "t/+")
    cable = Cable(broker.port)
    await cable.mend()

    # A few in flight when the cable breaks, three times; nothing is offered while it is down.
    bare = await Bare("bare", cable.port).join()
    for in_flight in (8, 8, 3):
        for number in range(in_flight):
            bare.client.publish("t/bare", b"lost-%d" % number, qos=1)
        await cable.cut()
        await eventually(lambda: not bare.client.is_connected)
        await cable.mend()
        await eventually(lambda: bare.client.is_connected)
    with pytest.raises(OverflowError):
        bare.client.publish("t/bare", b"healthy, and nothing in flight", qos=1)
    assert heard.payloads == []
    await bare.leave()

    direct_port, broker.port = broker.port, cable.port
    link = broker.link("writer", Listener(), session_expiry_s=0)
    broker.port = direct_port
    assert isinstance(link, GmqttLink)
    link.start()
    await eventually(lambda: link.connected)
    offered = await _outages(
        cable,
        lambda payload: link.publish(Outgoing("t/link", payload)),
        is_up=lambda: link.connected,
        each=MESSAGES // OUTAGES,
        count=OUTAGES,
    )
    assert await link.flush(20)
    await eventually(lambda: set(offered) <= set(heard.payloads))
    assert (len(offered), link.unacked_count) == (MESSAGES, 0)
    # No packet id is gone: the connection takes as many at once as on its first day.
    for _ in range(BURST):
        assert link.publish(Outgoing("t/link", b"ids are free"))
    assert await link.flush(10)
    await cable.cut()


async def test_g3_what_is_said_without_a_connection(broker: MosquittoUnderTest) -> None:
    _, heard = await broker.up("reader", "t/+")
    cable = Cable(broker.port)
    await cable.mend()
    bare = await Bare("bare", cable.port).join()
    await cable.cut()
    await eventually(lambda: not bare.client.is_connected)
    assert bare.client.publish("t/bare", b"nobody will know", qos=0) is None
    await cable.mend()
    await eventually(lambda: bare.client.is_connected)
    bare.client.publish("t/bare", b"after", qos=0)
    # It was taken without a word, as what can be sent is; and it was not sent.
    await eventually(lambda: b"after" in heard.payloads)
    assert heard.payloads == [b"after"]
    await bare.leave()
    await cable.cut()

    link = broker.link("writer")
    assert link.publish(Outgoing("t/link", b"too early", qos=0)) is False
    acked: list[bool] = []
    assert link.publish(Outgoing("t/link", b"kept", on_acked=lambda: acked.append(True)))
    link.start()
    await eventually(lambda: acked == [True])
    await eventually(lambda: heard.payloads == [b"after", b"kept"])


async def test_g4_a_refusal_that_looks_like_an_acknowledgement(guarded: GuardedBroker) -> None:
    own, other = PLACES
    bare = guarded.bare(own)
    acked: list[int] = []
    storage = bare._persistent_storage
    forget = storage.remove_message_by_mid
    storage.remove_message_by_mid = lambda mid: (acked.append(mid), forget(mid))
    async with asyncio.timeout(5):
        await bare.connect("localhost", guarded.port, ssl=guarded.trust(), keepalive=15)
    bare.publish(said(other), b"refused", qos=1)
    await eventually(lambda: len(acked) == 1)
    await bare.disconnect()

    link, _ = await guarded.pc_up(own)
    done: list[str] = []
    link.publish(Outgoing(said(other), b"no", on_acked=lambda: done.append("refused")))
    link.publish(Outgoing(said(own), b"yes", on_acked=lambda: done.append("taken")))
    assert await link.flush(5)
    assert done == ["taken"]
    assert (link.stats.refused, link.stats.acked) == (1, 1)
    assert said(other) in link.stats.last_error


async def test_g14_properties_and_storage_that_changed_between_versions(
    broker: MosquittoUnderTest,
) -> None:
    bare = await Bare("bare", broker.port).join()
    with pytest.raises((TypeError, AttributeError)):
        bare.client.publish("t/bare", b"x", qos=0, correlation_data="text")
    await bare.leave()
    # In 0.7 the storage is a set of coroutines; ours is called, never awaited, as 0.8 does.
    storage = type(bare.client._persistent_storage)
    assert not inspect.iscoroutinefunction(storage.push_message)
    assert version("gmqtt").startswith("0.8.")

    assert not {"correlation_data", "response_topic", "properties"} & set(Outgoing.__slots__)
    _, heard = await broker.up("reader", "t/+")
    link, _ = await broker.up("writer")
    link.publish(Outgoing("t/link", b"correlation is in the payload"))
    await eventually(lambda: heard.payloads == [b"correlation is in the payload"])
