"""What a host does with what it should not hear: count it, drop it, go on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from brokers_under_test import eventually
from clubs_under_test import CHAIN, seed

from actors.clock import SystemClock
from actors.host import Host
from actors.local_host import LocalHost, local_host
from actors.store_memory import MemoryStore
from schemas.codec import MAX_UP_BYTES, encode
from schemas.commands import CommandEnvelope, CreateSession, ReplyStatus, TopUpWallet
from schemas.device import Heartbeat, PcMode
from schemas.link_memory import MemoryBroker, MemoryLink
from schemas.link_port import LinkSettings, Outgoing
from schemas.topics import UpLeaf, pc_topic

BEAT = encode(Heartbeat(seq=1, connection_epoch=1, mode=PcMode.LOCKED))
HEARTBEAT_TOPIC = pc_topic("north", "north-main-0", UpLeaf.HEARTBEAT)


@dataclass
class House:
    """A host with its store and broker in memory, and a link of a stranger."""

    store: MemoryStore
    gateway: LocalHost
    stranger: MemoryLink

    def count(self, leaf: str, result: str) -> float:
        registry = self.gateway.host.telemetry.registry
        labels = {"leaf": leaf, "result": result}
        return registry.get_sample_value("clubctl_device_messages_total", labels) or 0.0

    async def say(self, topic: str, payload: bytes) -> None:
        assert self.stranger.publish(Outgoing(topic, payload, qos=1))
        assert await self.stranger.flush(2.0)


class Deaf:
    """Hears nothing: it only talks."""

    def on_message(self, topic: str, payload: bytes, retain: bool) -> None: ...

    def on_connected(self) -> None: ...

    def on_disconnected(self, reason: str) -> None: ...


@asynccontextmanager
async def opened() -> AsyncIterator[House]:
    clock = SystemClock()
    store = MemoryStore()
    await seed(store)
    broker = MemoryBroker(lambda: clock.mono_ms() / 1_000)
    broker.start()

    def connect(host: Host) -> MemoryLink:
        return MemoryLink(LinkSettings("memory", 1, "host"), host, broker=broker)

    async with local_host(store, clock, connect) as gateway:
        stranger = MemoryLink(LinkSettings("memory", 1, "stranger"), Deaf(), broker=broker)
        stranger.start()
        await eventually(lambda: stranger.connected)
        house = House(store, gateway, stranger)

        async def hears() -> bool:
            await house.say(HEARTBEAT_TOPIC, BEAT)
            return house.count("hb", "ok") > 0

        while not await hears():  # noqa: ASYNC110 - the host offers nothing to wait for
            await asyncio.sleep(0.05)
        yield house
        await stranger.close()


GARBAGE = [
    ("not json", HEARTBEAT_TOPIC, b"\xff\x00{", "hb", "not-json"),
    ("a field of the wrong type", HEARTBEAT_TOPIC, b'{"seq":"x"}', "hb", "invalid-field"),
    (
        "an unknown version",
        HEARTBEAT_TOPIC,
        BEAT.replace(b'"v":1', b'"v":9'),
        "hb",
        "unsupported-version",
    ),
    ("oversized", HEARTBEAT_TOPIC, b" " * (MAX_UP_BYTES + 1), "hb", "oversized"),
    ("an unknown PC", pc_topic("north", "ghost", UpLeaf.HEARTBEAT), BEAT, "hb", "unknown-pc"),
    (
        "a PC of the other club under this one's name",
        pc_topic("north", "south-main-0", UpLeaf.HEARTBEAT),
        BEAT,
        "hb",
        "unknown-pc",
    ),
]


@pytest.mark.parametrize(("name", "topic", "payload", "leaf", "result"), GARBAGE)
async def test_garbage_is_counted_and_dropped(
    name: str, topic: str, payload: bytes, leaf: str, result: str
) -> None:
    async with opened() as house:
        heard_before = house.count("hb", "ok")
        await house.say(topic, payload)
        await eventually(lambda: house.count(leaf, result) == 1)
        await house.say(HEARTBEAT_TOPIC, BEAT)
        await eventually(lambda: house.count("hb", "ok") == heard_before + 1)


async def test_a_command_goes_through_the_whole_host() -> None:
    async with opened() as house:
        replies = [
            await house.gateway.execute(
                CommandEnvelope(
                    chain_id=CHAIN,
                    club_id="north",
                    idempotency_key=command.kind,
                    fingerprint=command.kind,
                    principal="test",
                    command=command,
                )
            )
            for command in (
                TopUpWallet(player_id="ann", amount_minor=10_00),
                CreateSession(
                    session_id="s1",
                    pc_id="north-main-0",
                    tariff_id="standard",
                    player_id="ann",
                    start=True,
                ),
            )
        ]
        assert [reply.status for reply in replies] == [ReplyStatus.OK, ReplyStatus.OK]
        assert await house.store.club_of_session(CHAIN, "s1") == "north"
