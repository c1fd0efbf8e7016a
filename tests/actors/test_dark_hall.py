"""A hall in which every PC is off: the host wakes the first one itself, where it can."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from brokers_under_test import Listener, eventually
from clubs_under_test import CHAIN, seed

from actors.clock import SystemClock
from actors.host import Host
from actors.local_host import LocalHost, local_host
from actors.store import ChainStream, CommitResult
from actors.store_memory import MemoryStore
from actors.waking import NOWHERE, MemoryWaker, UdpWaker, Waker
from schemas.codec import encode
from schemas.commands import CommandEnvelope, CommandPc, CommandReply
from schemas.device import Birth, DeviceCommandKind, PcMode, Presence, PresenceReason, PresenceState
from schemas.link_memory import MemoryBroker, MemoryLink
from schemas.link_port import LinkSettings, Outgoing
from schemas.machine_facts import MachineFacts
from schemas.magic_packet import magic_packet
from schemas.topics import DownLeaf, UpLeaf, pc_topic
from schemas.views import HallTile

CLUB, PC, NEIGHBOUR = "north", "north-main-0", "north-main-1"
MAC = "02:00:00:aa:bb:07"


class Pausing(MemoryStore):
    """Answers no commit while ``goes_on`` is clear."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def commit(self, *args: Any, **kwargs: Any) -> CommitResult:
        await self.goes_on.wait()
        return await super().commit(*args, **kwargs)


class Hall:
    """A host with a waker; PCs that say what a test has them say."""

    def __init__(self, waker: Waker) -> None:
        self.waker = waker
        self.store = Pausing()
        self.clock = SystemClock()
        self.broker = MemoryBroker(lambda: self.clock.mono_ms() / 1_000)
        self.heard = Listener()
        self.pcs = MemoryLink(LinkSettings("memory", 1, "pcs"), self.heard, broker=self.broker)
        self.pcs.subscribe(pc_topic(CLUB, NEIGHBOUR, DownLeaf.CMD))
        self.gateway: LocalHost
        self.asked = 0

    async def on(self, pc_id: str) -> None:
        facts = MachineFacts(mac=MAC)
        birth = Birth(
            boot_id="b1", connection_epoch=1, agent_version="1", mode=PcMode.LOCKED, machine=facts
        )
        await self._say(pc_id, UpLeaf.BIRTH, encode(birth))

    async def off(self, pc_id: str) -> None:
        gone = Presence(
            state=PresenceState.OFFLINE, reason=PresenceReason.SHUTDOWN, connection_epoch=1
        )
        await self._say(pc_id, UpLeaf.PRESENCE, encode(gone))

    async def _say(self, pc_id: str, leaf: UpLeaf, payload: bytes) -> None:
        self.pcs.publish(Outgoing(pc_topic(CLUB, pc_id, leaf), payload))
        assert await self.pcs.flush(2)

    async def wake(self) -> CommandReply:
        self.asked += 1
        return await self.gateway.execute(
            CommandEnvelope(
                chain_id=CHAIN,
                club_id=CLUB,
                idempotency_key=f"k{self.asked}",
                fingerprint="f",
                principal="test",
                command=CommandPc(pc_id=PC, asked=DeviceCommandKind.WAKE),
            )
        )

    async def tile(self, pc_id: str = PC) -> HallTile:
        _, tiles = await self.store.hall(CHAIN, CLUB)
        return HallTile.model_validate_json(tiles[pc_id])

    async def until(self, condition: Callable[[HallTile], bool], pc_id: str = PC) -> HallTile:
        async with asyncio.timeout(10):
            while not condition(tile := await self.tile(pc_id)):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)
        return tile

    async def told(self) -> list[tuple[str, str]]:
        entries = await self.store.stream(CHAIN, ChainStream.OUTBOX)
        events = [orjson.loads(one.payload)["event"] for one in entries]
        done = [one["payload"] for one in events if one["kind"] == "pc_command_done"]
        return [(one["command"], one["outcome"]) for one in done]


@asynccontextmanager
async def dark(waker: Waker) -> AsyncIterator[Hall]:
    """A hall whose one PC told its network card and was then switched off."""
    hall = Hall(waker)
    await seed(hall.store)
    hall.broker.start()
    hall.pcs.start()
    await eventually(lambda: hall.pcs.connected)

    def connect(host: Host) -> MemoryLink:
        return MemoryLink(LinkSettings("memory", 1, "host"), host, broker=hall.broker)

    async with local_host(hall.store, hall.clock, connect, waker=waker) as hall.gateway:
        async with asyncio.timeout(10):
            while (await hall.store.hall(CHAIN, CLUB))[1].get(PC) is None or (
                await hall.tile()
            ).link.value != "ONLINE":
                await hall.on(PC)
                await asyncio.sleep(0.05)
        await hall.off(PC)
        await hall.until(lambda tile: tile.link.value == "OFF")
        yield hall


@pytest.fixture
def wire() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind(("127.0.0.1", 0))
        wire.settimeout(5)
        yield wire


async def test_the_host_wakes_the_first_pc_of_a_dark_hall(wire: socket.socket) -> None:
    async with dark(UdpWaker({CLUB: wire.getsockname()})) as hall:
        reply = await hall.wake()
        assert reply.code is None
        packet = await asyncio.to_thread(wire.recv, 1_024)
        assert packet == magic_packet(MAC)
        tile = await hall.until(lambda tile: bool(tile.last_command and tile.last_command.outcome))
        assert tile.last_command is not None
        assert (tile.last_command.outcome, tile.last_command.carrier_pc_id) == ("DONE", "")
        assert await hall.told() == [("WAKE", "DONE")]


async def test_a_packet_that_cannot_leave_is_told_as_failed() -> None:
    async with dark(MemoryWaker({CLUB: []}, {CLUB})) as hall:
        assert (await hall.wake()).code is None
        tile = await hall.until(lambda tile: bool(tile.last_command and tile.last_command.outcome))
        assert tile.last_command is not None
        assert tile.last_command.outcome == "FAILED"


async def test_nothing_is_sent_for_a_command_that_is_not_written() -> None:
    waker = MemoryWaker({CLUB: []})
    async with dark(waker) as hall:
        hall.store.goes_on.clear()
        asking = asyncio.create_task(hall.wake())
        await asyncio.sleep(0.5)
        assert waker.networks[CLUB] == []
        hall.store.goes_on.set()
        assert (await asking).code is None
        await eventually(lambda: waker.networks[CLUB] == [magic_packet(MAC)])


async def test_a_neighbour_that_is_on_comes_first() -> None:
    waker = MemoryWaker({CLUB: []})
    async with dark(waker) as hall:
        await hall.on(NEIGHBOUR)
        await hall.until(lambda tile: tile.link.value == "ONLINE", NEIGHBOUR)
        assert (await hall.wake()).code is None
        await eventually(lambda: hall.heard.messages)
        assert waker.networks[CLUB] == []


@pytest.mark.parametrize("waker", [NOWHERE, MemoryWaker({"south": []})])
async def test_without_an_address_of_the_club_nobody_wakes_it(waker: Waker) -> None:
    async with dark(waker) as hall:
        assert (await hall.wake()).code == "pc-not-wakeable"
