"""What the MQTT library does with what is said twice, bare, beside what our side does.

See ``test_gmqtt_sending.py``: each test asserts the bare library's misbehaviour too.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from bare_gmqtt import Bare
from brokers_under_test import QUICK, Listener, MosquittoUnderTest, eventually
from gmqtt.mqtt.handler import MqttPackageHandler
from scripted_broker import DUP, ScriptedBroker

from pc_daemon.agent_state import Identity
from pc_daemon.clock import SystemClock
from pc_daemon.journal import MemoryJournal
from pc_daemon.lockers import NullLocker
from pc_daemon.machine import Machine
from pc_daemon.service import AgentService, Surroundings
from schemas.codec import encode
from schemas.device import DeviceCommand, DeviceCommandKind
from schemas.link import GmqttLink
from schemas.link_port import LinkHost, LinkSettings, Outgoing
from schemas.topics import DownLeaf, UpLeaf, pc_topic

pytestmark = pytest.mark.integration

MAC = "02:00:00:aa:bb:07"
ORDER = DeviceCommand(cmd_id="c1", kind=DeviceCommandKind.WAKE, not_after_ms=2**52, mac=MAC)


@pytest.fixture
async def fake() -> AsyncIterator[ScriptedBroker]:
    under_test = ScriptedBroker()
    await under_test.start()
    yield under_test
    await under_test.stop()


def _link(fake: ScriptedBroker, host: LinkHost | None = None) -> GmqttLink:
    settings = LinkSettings("127.0.0.1", fake.port, "link", backoff=QUICK)
    return GmqttLink(settings, host or Listener(), mono_s=time.monotonic, random=random.Random(1))


async def test_g13_exactly_once_that_is_not(fake: ScriptedBroker) -> None:
    bare = await Bare("bare", fake.port).join()
    bare.client.subscribe("t", qos=2)
    await eventually(lambda: fake.subscribed_qos == [2])
    # The same packet again, as after a lost PUBREC: it is to be handled once.
    for dup in (False, True):
        fake.say("t", b"once", qos=2, dup=dup)
    await eventually(lambda: bare.heard == [b"once", b"once"])
    await bare.leave()

    # Our link asks for no more than QoS 1, so nobody can count on "once".
    link = _link(fake)
    link.subscribe("t")
    link.start()
    await eventually(lambda: link.connected)
    assert fake.subscribed_qos == [2, 1]
    await link.abort()


async def test_g13_a_repeat_is_delivered_and_carried_out_once(fake: ScriptedBroker) -> None:
    topic, order = pc_topic("arena", "pc1", DownLeaf.CMD), encode(ORDER)
    bare = await Bare("bare", fake.port).join()
    bare.client.subscribe(topic, qos=1)
    await eventually(lambda: len(fake.subscribed_qos) == 1)
    for dup in (False, True):
        fake.say(topic, order, qos=1, dup=dup)
    await eventually(lambda: bare.heard == [order, order])
    await bare.leave()

    woken: list[str] = []
    around = Surroundings(
        clock=SystemClock(),
        random=random.Random(1),
        journal=MemoryJournal(),
        locker=NullLocker(),
        make_link=lambda host, _will: _link(fake, host),
        machine=Machine(wake=woken.append),
    )
    agent = AgentService(Identity("arena", "pc1", boot_id="b1", agent_version="1"), around)
    agent.start()
    await eventually(lambda: agent.link.connected)
    for dup in (False, True):
        fake.say(topic, order, qos=1, dup=dup)
    await eventually(lambda: len(_results(fake)) == 2)
    # It came twice and was answered twice, with the same word; it was done once.
    assert woken == [MAC]
    assert len(set(_results(fake))) == 1
    await agent.kill()


def _results(fake: ScriptedBroker) -> list[bytes]:
    """Answers to orders, without packet ids."""
    topic = pc_topic("arena", "pc1", UpLeaf.RESULT).encode()
    return [one.packet[len(topic) + 4 :] for one in fake.published if topic in one.packet]


async def test_g13_a_replay_that_is_not_marked_as_one(fake: ScriptedBroker) -> None:
    fake.acks, fake.resumes = False, True
    bare = await Bare("bare", fake.port, clean_session=False, session_expiry_interval=300).join()
    bare.client.publish("t", b"replayed", qos=1)
    await eventually(lambda: len(fake.published) == 1)
    fake.drop()
    await eventually(lambda: len(fake.published) == 2)
    first, again = fake.published
    # The specification asks for the mark; so whoever hears it cannot tell by it.
    assert (first.packet, first.dup, again.dup) == (again.packet, False, False)
    fake.acks = True
    await bare.leave()

    fake.published.clear()
    fake.acks = False
    link = _link(fake)
    link.start()
    await eventually(lambda: link.connected)
    assert link.publish(Outgoing("t", b"said again"))
    await eventually(lambda: len(fake.published) == 1)
    fake.acks = True
    fake.drop()
    # The link does not pretend either; it says that it may have been heard twice.
    assert await link.flush(10)
    assert [one.dup for one in fake.published] == [False, False]
    assert (link.stats.redelivered, link.stats.acked) == (1, 1)
    await link.abort()


async def test_g13_a_real_broker_marks_what_it_says_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message whose acknowledgement was lost comes again, through our link too."""
    marks: list[bool] = []
    handle = MqttPackageHandler._handle_publish_packet

    def marked(handler: MqttPackageHandler, command: int, packet: bytes) -> None:
        marks.append(bool(command & DUP))
        handle(handler, command, packet)

    monkeypatch.setattr(MqttPackageHandler, "_handle_publish_packet", marked)
    broker = MosquittoUnderTest(tmp_path)
    await broker.start()
    heard = _Cutting()
    link = broker.link("reader", heard)
    assert isinstance(link, GmqttLink)
    heard.link = link
    link.subscribe("t")
    link.start()
    await eventually(lambda: link.connected)
    writer, _ = await broker.up("writer")
    writer.publish(Outgoing("t", b"twice"))
    await eventually(lambda: len(heard.payloads) == 2)
    assert heard.payloads == [b"twice", b"twice"]
    assert marks == [False, True]
    await broker.aclose()


class _Cutting(Listener):
    """Breaks its connection before the first message is acknowledged."""

    link: GmqttLink

    def on_message(self, topic: str, payload: bytes, retain: bool) -> None:
        super().on_message(topic, payload, retain)
        if len(self.messages) == 1:
            connection = self.link._connection
            assert connection is not None
            connection.client.cut()


async def test_g13_stopping_that_tries_once_more(fake: ScriptedBroker) -> None:
    bare = await Bare("bare", fake.port).join()
    bare.client.stop_reconnect()
    fake.drop()
    await eventually(lambda: fake.connections == 2)
    await bare.leave()

    link = _link(fake)
    link.start()
    await eventually(lambda: link.connected)
    await link.abort()
    fake.drop()
    await asyncio.sleep(0.5)
    assert fake.connections == 3
