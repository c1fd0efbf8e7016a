"""What a player with a PC's own credentials can do on the broker: be that PC, and nothing else."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import gmqtt
import pytest
from brokers_under_test import Listener, eventually
from guarded_broker import GuardedBroker, said

from controller.broker.config import MAX_PACKET_BYTES
from schemas.enrolment import pc_user
from schemas.link_port import Credentials, Outgoing, Will
from schemas.topics import PREFIX, DownLeaf, UpLeaf, club_up_filter, echo_topic, pc_topic

pytestmark = pytest.mark.integration

OWN = ("arena", "pc1")
OTHER = ("arena", "pc2")
FOREIGN = ("bastion", "pc1")
PLACES = (OWN, OTHER, FOREIGN)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[GuardedBroker]:
    under_test = GuardedBroker(tmp_path, *PLACES)
    await under_test.start()
    yield under_test
    await under_test.aclose()


async def test_a_pc_is_heard_and_hears_what_is_said_to_it(broker: GuardedBroker) -> None:
    controller, heard = await broker.controller(club_up_filter("arena"))
    pc, told = await broker.pc_up(OWN)

    for leaf in UpLeaf:
        assert pc.publish(Outgoing(said(OWN, leaf), leaf.encode()))
    for down in DownLeaf:
        assert controller.publish(Outgoing(pc_topic(*OWN, down), down.encode()))

    await eventually(lambda: len(heard.messages) == len(UpLeaf))
    await eventually(lambda: len(told.messages) == len(DownLeaf))
    assert {topic for topic, _, _ in heard.messages} == {said(OWN, leaf) for leaf in UpLeaf}


EAVESDROPPING = (
    "#",
    "+/+/+/#",
    f"{PREFIX}/#",
    f"{PREFIX}/+/pc/+/down/+",
    f"{PREFIX}/+/pc/+/up/+",
    f"{PREFIX}/ctl/#",
    pc_topic(*OTHER, DownLeaf.DESIRED),
    pc_topic(*FOREIGN, DownLeaf.DESIRED),
    said(OTHER, UpLeaf.USAGE),
    "$SYS/#",
    "$share/all/" + club_up_filter("arena"),
)


async def test_a_pc_cannot_read_what_is_not_said_to_it(broker: GuardedBroker) -> None:
    controller, _ = await broker.controller()
    other, _ = await broker.pc_up(OTHER)
    foreign, _ = await broker.pc_up(FOREIGN)
    # Retained before the spy comes, and said while it listens.
    spy = Listener()
    retained = Outgoing(pc_topic(*OTHER, DownLeaf.DESIRED), b"secret", retain=True)
    assert controller.publish(retained)
    assert await controller.flush(5)

    link = broker.pc(OWN, spy)
    for topic_filter in (*EAVESDROPPING, pc_topic(*OWN, DownLeaf.CMD)):
        link.subscribe(topic_filter)
    link.start()
    await eventually(lambda: link.connected)

    for place, pc in ((OTHER, other), (FOREIGN, foreign)):
        for leaf in UpLeaf:
            pc.publish(Outgoing(said(place, leaf), b"secret"))
        for down in DownLeaf:
            controller.publish(Outgoing(pc_topic(*place, down), b"secret"))
    controller.publish(Outgoing(echo_topic("h1"), b"secret"))
    for sender in (controller, other, foreign):
        assert await sender.flush(5)
    controller.publish(Outgoing(pc_topic(*OWN, DownLeaf.CMD), b"fence"))

    await eventually(lambda: b"fence" in spy.payloads)
    assert {topic for topic, _, _ in spy.messages} == {pc_topic(*OWN, DownLeaf.CMD)}


FORGERIES = (
    said(OTHER),
    said(OTHER, UpLeaf.USAGE),
    said(FOREIGN),
    said(("bastion", "pc2")),
    f"{PREFIX}/arena/pc/pc1/up/anything",
    f"{PREFIX}/arena/pc/pc1/up/hb/deeper",
    pc_topic(*OWN, DownLeaf.DESIRED),
    pc_topic(*OWN, DownLeaf.CMD),
    pc_topic(*OTHER, DownLeaf.DESIRED),
    f"{PREFIX}/ctl/state",
    echo_topic("h1"),
    "$SYS/broker/uptime",
    "anywhere",
)


async def test_a_pc_cannot_say_anything_but_its_own_leaves(broker: GuardedBroker) -> None:
    _, heard = await broker.controller(club_up_filter("arena"), club_up_filter("bastion"))
    other, told = await broker.pc_up(OTHER)
    pc, own = await broker.pc_up(OWN)

    for topic in FORGERIES:
        for retain in (False, True):
            # The broker acknowledges what its rules then drop: an answer proves nothing.
            pc.publish(Outgoing(topic, b"forged", retain=retain))
    assert await pc.flush(5)
    pc.publish(Outgoing(said(OWN), b"fence"))
    await eventually(lambda: heard.payloads == [b"fence"])

    # What had been kept by the broker would come to whoever subscribes now.
    _, late = await broker.controller(f"{PREFIX}/#", client_id="host-2")
    other.publish(Outgoing(said(OTHER), b"second fence"))
    await eventually(lambda: b"second fence" in heard.payloads)
    await eventually(lambda: b"second fence" in late.payloads)
    assert (told.messages, own.messages) == ([], [])
    assert b"forged" not in late.payloads


async def test_a_pc_cannot_take_another_s_place(broker: GuardedBroker) -> None:
    _, heard = await broker.controller(club_up_filter("arena"))
    victim, seen = await broker.pc_up(OTHER)

    # Its id with the thief's own credentials: the broker names clients after their users.
    thief, _ = await broker.pc_up(OWN, client_id=pc_user(*OTHER))
    thief.publish(Outgoing(said(OWN), b"thief"))
    await eventually(lambda: b"thief" in heard.payloads)
    # Its name with the thief's own secret.
    guess = Credentials(pc_user(*OTHER), broker.secrets[OWN])
    liar = broker.pc(OTHER, credentials=guess)
    liar.start()
    await eventually(lambda: liar.stats.failures)

    assert victim.connected
    assert seen.disconnects == []
    assert not liar.connected


@pytest.mark.parametrize("who", ["nobody", "controller-on-lan", "pc-on-loopback", "stranger"])
async def test_a_listener_lets_in_only_whom_it_is_for(broker: GuardedBroker, who: str) -> None:
    own = Credentials(pc_user(*OWN), broker.secrets[OWN])
    changes = {
        "nobody": {"credentials": None},
        "controller-on-lan": {"credentials": broker.as_controller()["credentials"]},
        "pc-on-loopback": {**broker.as_controller(), "credentials": own, "tls": None},
        "stranger": {"credentials": Credentials("arena.pc9", broker.secrets[OWN])},
    }[who]
    link = broker.pc(OWN, **changes)
    link.start()
    await eventually(lambda: link.stats.failures)
    assert "Not authorized" in link.stats.last_error
    assert link.stats.connects == 0


async def test_a_will_on_another_s_topic_is_no_way_round(broker: GuardedBroker) -> None:
    _, heard = await broker.controller(club_up_filter("arena"))
    will = Will(said(OTHER, UpLeaf.PRESENCE), b"forged", delay_s=0)
    liar = broker.pc(OWN, will=lambda: will)
    liar.start()
    await eventually(lambda: liar.stats.failures or liar.connected)
    await liar.abort()
    other, _ = await broker.pc_up(OTHER)
    other.publish(Outgoing(said(OTHER), b"fence"))
    await eventually(lambda: b"fence" in heard.payloads)
    assert b"forged" not in heard.payloads


async def test_a_pc_cannot_flood_past_the_limits(broker: GuardedBroker) -> None:
    _, heard = await broker.controller(club_up_filter("arena"))
    other, _ = await broker.pc_up(OTHER)
    bully = broker.bare(OWN)
    await _joined(broker, bully)
    bully.publish(said(OWN), b"x" * (MAX_PACKET_BYTES + 1), qos=1)
    for number in range(2_000):
        if not bully.is_connected:
            break
        bully.publish(said(OWN), b"%d" % number, qos=0)
    # Its connection ends at the packet that is too large; the others go on at once.
    await eventually(lambda: not bully.is_connected)
    started_s = time.monotonic()
    other.publish(Outgoing(said(OTHER), b"fence"))
    await eventually(lambda: b"fence" in heard.payloads)
    assert time.monotonic() - started_s < 2
    assert all(len(payload) < MAX_PACKET_BYTES for payload in heard.payloads)


async def test_many_connections_of_one_pc_are_one(broker: GuardedBroker) -> None:
    other, seen = await broker.pc_up(OTHER)
    crowd = [broker.bare(OWN, f"crowd-{number}") for number in range(30)]
    for client in crowd:
        await _joined(broker, client)
    await eventually(lambda: sum(client.is_connected for client in crowd) == 1)
    assert other.connected
    assert seen.disconnects == []


async def test_a_pc_cannot_speak_at_a_quality_it_needs_not(broker: GuardedBroker) -> None:
    _, heard = await broker.controller(club_up_filter("arena"))
    other, _ = await broker.pc_up(OTHER)
    bully = broker.bare(OWN)
    await _joined(broker, bully)
    bully.publish(said(OWN), b"exactly once", qos=2)
    await eventually(lambda: not bully.is_connected)
    other.publish(Outgoing(said(OTHER), b"fence"))
    await eventually(lambda: b"fence" in heard.payloads)
    assert heard.payloads == [b"fence"]


async def _joined(broker: GuardedBroker, client: gmqtt.Client) -> None:
    async with asyncio.timeout(5):
        await client.connect("localhost", broker.port, ssl=broker.trust(), keepalive=15)
