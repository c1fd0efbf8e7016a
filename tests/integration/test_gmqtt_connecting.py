"""What the MQTT library does when it connects, bare, beside what our link does in the same place.

See ``test_gmqtt_sending.py``: each test asserts the bare library's misbehaviour too.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from random import Random

import gmqtt
import pytest
from bare_gmqtt import Bare
from brokers_under_test import Listener, MosquittoUnderTest, eventually
from gmqtt.mqtt.constants import DEFAULT_CONFIG

from actors.canary import Canary
from actors.clock import SystemClock
from actors.telemetry import Telemetry
from actors.turn import LinkEvent
from controller.embedded.state import free_port
from schemas.link import GmqttLink
from schemas.link_port import BackoffPolicy, LinkSettings, Outgoing

pytestmark = pytest.mark.integration


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


async def _gaps(failures: Callable[[], int], first: int, last: int) -> list[float]:
    """Seconds between one failure and the next."""
    marks: list[float] = []
    for number in range(first, last + 1):
        await eventually(lambda number=number: failures() >= number)
        marks.append(time.monotonic())
    return [later - earlier for earlier, later in pairwise(marks)]


async def test_g9_a_pause_that_never_grows(broker: MosquittoUnderTest) -> None:
    await broker.start()
    bare = await Bare("bare", broker.port).join()
    assert DEFAULT_CONFIG["reconnect_delay"] == 6
    await broker.stop()
    state = bare.client._connection_state
    assert max(await _gaps(lambda: state.failed_connections, 2, 7)) < 0.05 * 4
    await bare.leave()

    policy = BackoffPolicy(base_s=0.05, cap_s=5, short_life_s=0)
    settings = LinkSettings("127.0.0.1", broker.port, "link", backoff=policy)
    link = GmqttLink(settings, Listener(), mono_s=time.monotonic, random=_Highest())
    link.start()
    gaps = await _gaps(lambda: link.stats.failures, 2, 7)
    await link.abort()
    assert all(later > earlier * 1.3 for earlier, later in pairwise(gaps))
    assert gaps[-1] > 1.0


async def test_g10_a_first_connection_that_fails_or_never_ends(broker: MosquittoUnderTest) -> None:
    bare = Bare("bare", broker.port)
    with pytest.raises(OSError, match="Connect call failed"):
        await bare.join()
    link = broker.link("link")
    link.start()
    await eventually(lambda: link.stats.failures >= 2)

    await broker.start()
    await eventually(lambda: link.connected)
    await asyncio.sleep(0.3)
    assert not bare.client.is_connected
    await broker.stop()

    silent: list[asyncio.StreamWriter] = []
    port = free_port()
    server = await asyncio.start_server(lambda _, writer: silent.append(writer), "127.0.0.1", port)
    hanging = gmqtt.Client("bare")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(hanging.connect("127.0.0.1", port), 1.0)
    await Bare.ended(hanging)
    broker.port = port
    patient = broker.link("patient", connect_timeout_s=0.1)
    patient.start()
    await eventually(lambda: patient.stats.failures >= 3)
    await patient.abort()
    server.close()
    for writer in silent:
        writer.close()
    await server.wait_closed()


async def test_g11_two_clients_under_one_name(broker: MosquittoUnderTest) -> None:
    await broker.start()
    joins = [0, 0]
    twins = [Bare("same", broker.port) for _ in joins]
    for number, twin in enumerate(twins):

        def joined(*_rest: object, number: int = number) -> None:
            joins[number] += 1

        twin.client.on_connect = joined
        await twin.join()
    await asyncio.sleep(2.0)
    fought = sum(joins)
    await asyncio.sleep(1.0)
    assert fought > 8
    assert sum(joins) > fought
    for twin in twins:
        await twin.leave()

    policy = BackoffPolicy(base_s=0.01, cap_s=0.01, short_life_s=5.0, contested_s=60.0)
    links = [broker.link("other", backoff=policy) for _ in range(2)]
    for link in links:
        link.start()
    await asyncio.sleep(2.0)
    settled = sum(link.stats.connects for link in links)
    await asyncio.sleep(1.0)
    assert settled <= 8
    assert sum(link.stats.connects for link in links) == settled


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
