"""A shard's loop fails in the middle of a turn: whoever waits for its answer gets one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from brokers_under_test import eventually
from clubs_under_test import CHAIN, seed, wallet_of
from loop_under_test import LoopUnderTest, running

from actors.clock import Clock, SystemClock
from actors.host import Host
from actors.local_host import LocalHost, local_host
from actors.placement import shard_of_club
from actors.presence import NOT_RESPONDING_AFTER_MS, Presence, Signal
from actors.shard_loop import STALL_MS
from actors.store import (
    ChainStream,
    CommitResult,
    HostRecord,
    ShardId,
    StoreUnavailableError,
)
from actors.store_memory import MemoryStore
from actors.turn import PcInput
from schemas.commands import (
    CommandEnvelope,
    CommandReply,
    CreateSession,
    ReplyStatus,
    TopUpWallet,
)
from schemas.events import published
from schemas.link_memory import MemoryBroker, MemoryLink
from schemas.link_port import LinkSettings
from schemas.views import LinkState

PC = "north-main-0"


class Defective(MemoryStore):
    """A store whose commits fail in a way nobody foresaw, while ``broken``."""

    broken = False

    stuck = False
    held = False

    async def commit(self, *args: Any, **kwargs: Any) -> CommitResult:
        if self.stuck:
            self.held = True
            await asyncio.Event().wait()
        if not self.broken:
            return await super().commit(*args, **kwargs)
        raise ArithmeticError("a defect")


def top_up(key: str) -> CommandEnvelope:
    return CommandEnvelope(
        chain_id=CHAIN,
        club_id="north",
        idempotency_key=key,
        fingerprint="f1",
        principal="test",
        command=TopUpWallet(player_id="ann", amount_minor=10_00),
    )


async def asked(gateway: LocalHost, key: str) -> CommandReply:
    async with asyncio.timeout(30):
        return await gateway.host.execute(top_up(key))


class Mute(MemoryStore):
    """A store at which nobody can say that he lives, while ``mute``; all else goes on."""

    mute = False

    async def beat(self, *args: Any, **kwargs: Any) -> str:
        if self.mute:
            raise StoreUnavailableError("no word")
        return await super().beat(*args, **kwargs)


class Halting(SystemClock):
    """A process that stood still for ``halted_ms`` in all."""

    halted_ms = 0

    def mono_ms(self) -> int:
        return super().mono_ms() + self.halted_ms


@asynccontextmanager
async def opened(store: MemoryStore, clock: Clock | None = None) -> AsyncIterator[LocalHost]:
    clock = clock or SystemClock()
    await seed(store)
    broker = MemoryBroker(lambda: clock.mono_ms() / 1_000)
    broker.start()

    def connect(host: Host) -> MemoryLink:
        return MemoryLink(LinkSettings("memory", 1, "host"), host, broker=broker)

    async with local_host(store, clock, connect) as gateway:
        await eventually(lambda: len(gateway.host.owned) == 2)
        assert (await gateway.execute(top_up("k0"))).status is ReplyStatus.OK
        yield gateway


@pytest.mark.slow
async def test_a_command_in_a_failing_turn_is_answered_and_can_be_asked_again() -> None:
    store = Defective()
    async with opened(store) as gateway:
        store.broken = True
        assert (await asked(gateway, "k1")).status is ReplyStatus.BUSY
        store.broken = False
        assert (await gateway.execute(top_up("k1"))).status is ReplyStatus.OK
        assert await wallet_of(store, "ann") == (20_00, 0)


@pytest.mark.slow
async def test_a_command_in_a_loop_that_died_is_answered() -> None:
    store = Defective()
    async with opened(store) as gateway:
        store.stuck = True
        asking = asyncio.create_task(asked(gateway, "k1"))
        await eventually(lambda: store.held)
        for task in gateway.host._tasks.values():
            task.cancel()
        assert (await asking).status in (ReplyStatus.NOT_OWNER, ReplyStatus.BUSY)


@pytest.mark.slow
async def test_how_long_a_shard_was_wanted_is_forgotten_when_it_no_longer_is() -> None:
    """Or a shard wanted again would be fenced out of its owner without time to finish."""
    store = MemoryStore()
    async with opened(store) as gateway:
        foreign = ShardId(CHAIN, 200)
        await store.acquire(foreign, host="h9", nonce="n")
        await store.beat(HostRecord("h9", "i9"), ttl_ms=60_000)
        await store.assign({foreign: "local"})
        await eventually(lambda: foreign in gateway.host._wanted_since_ms)
        await store.assign({foreign: "h9"})
        await eventually(lambda: foreign not in gateway.host._wanted_since_ms)


@pytest.mark.slow
async def test_whoever_stood_still_asks_for_the_lease_before_anything_else() -> None:
    """A loop with nothing to write would not find out that it was replaced."""
    store, clock = MemoryStore(), Halting()
    async with opened(store, clock) as gateway:
        shard = shard_of_club(CHAIN, "north")
        fenced = gateway.host.telemetry.fenced
        before = (await store.owners([shard]))[shard]
        clock.halted_ms += STALL_MS * 3
        await asyncio.sleep(1.5)
        assert (await store.owners([shard]))[shard] == before
        taken = await store.acquire(shard, host="h9", nonce="n")
        clock.halted_ms += STALL_MS * 3
        await eventually(lambda: fenced._value.get() == 1)
        assert taken.epoch > before.epoch


@pytest.mark.slow
async def test_a_host_that_cannot_say_it_lives_stops_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Others take its shards when its record has run out; by then it has long stopped writing."""
    store = Mute()
    monkeypatch.setattr("actors.host.SELF_STOP_AFTER_MS", 1_000)
    async with opened(store) as gateway:
        store.mute = True
        await eventually(lambda: not gateway.host._may_write(), timeout_s=30)
        # The turn it was in may end yet.
        await asyncio.sleep(1)
        asking = asyncio.create_task(asked(gateway, "k1"))
        await asyncio.sleep(1)
        assert not asking.done()
        assert await wallet_of(store, "ann") == (10_00, 0)
        store.mute = False
        assert (await asking).status is ReplyStatus.OK
        assert await wallet_of(store, "ann") == (20_00, 0)


async def told(loop: LoopUnderTest) -> list[str]:
    """What staff was told of the PC."""
    entries = await loop.store.stream(CHAIN, ChainStream.OUTBOX)
    events = [published(orjson.loads(entry.payload)) for entry in entries]
    return [event["type"] for event in events if event["source"] == f"pc:{PC}"]


async def after_a_second(loop: LoopUnderTest) -> Presence:
    """How the PC is heard after a turn a second later; the answer shows that there was one."""
    loop.clock.advance(1_000)
    await loop.ask(TopUpWallet(player_id="bob", amount_minor=1))
    assert loop.loop.runtime is not None
    return loop.loop.runtime.presence_by_pc[PC]


async def test_silence_while_the_owner_itself_stood_still_is_held_against_no_pc() -> None:
    store = MemoryStore()
    await seed(store)
    async with running(store) as loop:
        playing = CreateSession(
            session_id="s1", pc_id=PC, tariff_id="standard", player_id="ann", start=True
        )
        for reply in await loop.ask(TopUpWallet(player_id="ann", amount_minor=500_00), playing):
            assert reply.status is ReplyStatus.OK
        loop.loop.inbox.put_pc(PcInput("north", PC, Signal.HEARD, loop.clock.mono_ms()))
        heard = await after_a_second(loop)
        assert heard.link is LinkState.ONLINE
        loop.clock.advance(60_000)
        for _ in range(20):
            assert (await after_a_second(loop)).edges_at_ms == heard.edges_at_ms
        assert await told(loop) == []
        for _ in range(NOT_RESPONDING_AFTER_MS // 1_000):
            last = await after_a_second(loop)
        assert last.link is LinkState.NOT_RESPONDING
        assert await told(loop) == ["pc_not_responding"]
