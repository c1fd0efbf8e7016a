"""What the MQTT library does when it connects, bare, beside what our link does in the same place.

See ``test_gmqtt_sending.py``: each test asserts the bare library's misbehaviour too.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from random import Random

import gmqtt
import pytest
from bare_gmqtt import Bare
from brokers_under_test import Listener, MosquittoUnderTest, eventually
from gmqtt.mqtt.constants import DEFAULT_CONFIG
from gmqtt.mqtt.handler import MQTTConnectError
from guarded_broker import GuardedBroker

from actors.canary import Canary
from actors.clock import SystemClock
from actors.telemetry import Telemetry
from actors.turn import LinkEvent
from schemas.link import GmqttLink
from schemas.link_port import BackoffPolicy, LinkSettings, MqttLink, Outgoing

pytestmark = pytest.mark.integration

STORM = 40
"""Attempts of a library whose pauses are equal."""
SETTLED = 8
"""Connections of two that share a name, until our links leave each other alone."""
QUIET_S = 2.0


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MosquittoUnderTest]:
    """Not started yet; ended whatever happens."""
    under_test = MosquittoUnderTest(tmp_path)
    yield under_test
    await under_test.aclose()


class _Highest(Random):
    """Draws the largest number, so that the ceiling of a jitter shows."""

    def random(self) -> float:
        return 1.0


async def test_g9_a_pause_that_never_grows(broker: MosquittoUnderTest) -> None:
    """Both lose the same broker, and both pause as long at first."""
    await broker.start()
    assert DEFAULT_CONFIG["reconnect_delay"] == 6
    bare = await Bare("bare", broker.port).join()
    policy = BackoffPolicy(base_s=0.05, cap_s=60, short_life_s=0)
    settings = LinkSettings("127.0.0.1", broker.port, "link", backoff=policy)
    link = GmqttLink(settings, Listener(), mono_s=time.monotonic, random=_Highest())
    link.start()
    await eventually(lambda: link.connected)
    await broker.stop()

    state = bare.client._connection_state
    await eventually(lambda: state.failed_connections >= STORM, timeout_s=60)
    # Pauses that double add up to what as many equal ones do in a few steps.
    assert link.stats.failures <= STORM // 3
    await link.abort()
    await bare.leave()


async def test_g10_a_first_connection_that_is_refused(broker: MosquittoUnderTest) -> None:
    bare = Bare("bare", broker.port)
    with pytest.raises(OSError, match="Connect call failed"):
        await bare.join()
    link = broker.link("link")
    link.start()
    await eventually(lambda: link.stats.failures >= 2)

    await broker.start()
    await eventually(lambda: link.connected)
    # The library has told whoever called, and that was all: it holds nothing that could try again.
    assert not bare.client.is_connected
    assert bare.client._connection is None


async def test_g10_a_first_connection_that_never_ends(broker: MosquittoUnderTest) -> None:
    """Somebody takes the connection and says nothing, and then the broker is there."""
    silent: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(
        lambda _, writer: silent.append(writer), "127.0.0.1", broker.port
    )
    bare = gmqtt.Client("bare")
    hanging = asyncio.create_task(bare.connect("127.0.0.1", broker.port))
    await eventually(lambda: len(silent) == 1)
    patient = broker.link("patient", connect_timeout_s=0.1)
    patient.start()
    await eventually(lambda: patient.stats.failures >= 3)
    await eventually(lambda: len(silent) >= 1 + 3)

    server.close()
    await broker.start()
    await eventually(lambda: patient.connected)
    # The library waits for the first word, and would for two of its minutes' keepalives.
    assert not hanging.done()
    assert not bare.is_connected
    hanging.cancel()
    await asyncio.gather(hanging, return_exceptions=True)
    await Bare.ended(bare)
    for writer in silent:
        writer.transport.abort()
    await server.wait_closed()


async def test_g10_a_refusal_that_ends_it_for_good(tmp_path: Path) -> None:
    """A PC whose secret the broker does not know yet, as in the moment after its enrolment."""
    early, late = ("arena", "pc1"), ("arena", "pc2")
    guarded = GuardedBroker(tmp_path, early, late)
    guarded.admit(early)
    await guarded.start()
    try:
        bare = guarded.bare(late)
        bare.set_config({"reconnect_retries": -1, "reconnect_delay": 0.05})
        with pytest.raises(MQTTConnectError):
            await bare.connect("localhost", guarded.port, ssl=guarded.trust(), keepalive=15)
        link = guarded.pc(late, backoff=BackoffPolicy(base_s=0.05, cap_s=0.1, refused_s=0.1))
        link.start()
        await eventually(lambda: link.stats.failures >= 2, timeout_s=30)
        assert not link.connected

        guarded.admit(early, late)
        guarded.reload()
        await eventually(lambda: link.connected, timeout_s=60)
        assert not bare.is_connected
        await Bare.ended(bare)
    finally:
        await guarded.aclose()


async def test_g11_two_clients_under_one_name(broker: MosquittoUnderTest) -> None:
    await broker.start()
    joins = [0, 0]
    twins = [Bare("same", broker.port) for _ in joins]
    for number, twin in enumerate(twins):

        def joined(*_rest: object, number: int = number) -> None:
            joins[number] += 1

        twin.client.on_connect = joined
        await twin.join()
    await eventually(lambda: min(joins) > SETTLED, timeout_s=60)
    # Who is on the way in while it is told to leave would leave a socket behind.
    await broker.stop()
    for twin in twins:
        await twin.leave()
    await broker.start()

    policy = BackoffPolicy(base_s=0.01, cap_s=0.01, short_life_s=5.0, contested_s=60.0)
    links = [broker.link("other", backoff=policy) for _ in range(2)]
    for link in links:
        link.start()
    contests = Contests(links)
    await eventually(contests.are_over, timeout_s=60)
    assert contests.connects <= SETTLED


class Contests:
    """Whether two that fight for a name have stopped: nobody has joined for a while."""

    def __init__(self, links: Sequence[MqttLink]) -> None:
        self.connects = 0
        self._links = links
        self._since_s = time.monotonic()

    def are_over(self) -> bool:
        connects = sum(link.stats.connects for link in self._links)
        if connects != self.connects:
            self.connects, self._since_s = connects, time.monotonic()
        return time.monotonic() - self._since_s > QUIET_S


async def test_g12_who_still_believes_in_a_half_open_connection(broker: MosquittoUnderTest) -> None:
    """With the keepalive we use, the library believes for half a minute. So does our link, which
    is the library's; the host that hears no echo on it does not."""
    await broker.start()
    bare = await Bare("bare", broker.port).join()
    told: list[LinkEvent] = []
    heard = _Echoed()
    link = broker.link("host", heard)
    heard.canary = Canary(link, SystemClock(), Telemetry(), link_id="host", tell=told.append)
    link.start()
    await eventually(lambda: link.connected)
    singing = asyncio.create_task(heard.canary.run())
    await eventually(lambda: heard.messages)
    assert not heard.canary.missing

    broker.suspend()
    await eventually(lambda: told, timeout_s=25)
    # The same instant, seen by each.
    assert (bare.client.is_connected, link.connected) == (True, True)
    assert (heard.canary.missing, told) == (True, [LinkEvent.LOST])
    singing.cancel()
    await broker.stop()
    await bare.leave()


class _Echoed(Listener):
    """A host's ear: what comes back is the canary's."""

    canary: Canary

    def on_message(self, topic: str, payload: bytes, retain: bool) -> None:
        super().on_message(topic, payload, retain)
        self.canary.heard(payload)

    def on_connected(self) -> None:
        self.canary.connected()


async def test_g12_what_was_on_a_half_open_connection(broker: MosquittoUnderTest) -> None:
    await broker.start()
    bare = gmqtt.Client("bare")
    bare.set_config({"reconnect_delay": 0.05})
    await bare.connect("127.0.0.1", broker.port, keepalive=2)
    link, host = await broker.up("link", keepalive_s=2, connect_timeout_s=0.5)
    await asyncio.sleep(0.1)

    broker.suspend()
    bare.publish("t/bare", b"bare", qos=1, retain=True)
    assert link.publish(Outgoing("t/link", b"link", retain=True))
    await eventually(lambda: host.disconnects and not bare.is_connected, timeout_s=20)

    await broker.stop()
    await broker.start()
    _, heard = await broker.up("reader", "t/+")
    await eventually(lambda: link.connected and bare.is_connected, timeout_s=10)
    await eventually(lambda: b"link" in heard.payloads)
    await asyncio.sleep(0.3)
    # What the library had on its way belonged to a session the new broker does not know.
    assert b"bare" not in heard.payloads
    await Bare.ended(bare)
