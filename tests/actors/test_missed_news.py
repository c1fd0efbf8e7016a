"""What changed while a host could not listen is read when it can again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest
from brokers_under_test import eventually
from clubs_under_test import CHAIN, catalogue, seed, wallet_of

from actors.clock import SystemClock
from actors.host import Host
from actors.local_host import LocalHost, local_host
from actors.runtime import ShardRuntime
from actors.store import (
    Listening,
    ShardId,
    StoreUnavailableError,
    Unit,
    nothing_to_reread,
)
from actors.store_memory import MemoryStore
from actors.wallets import WalletKey
from schemas.commands import (
    Command,
    CommandEnvelope,
    CreateSession,
    ReplyStatus,
    TopUpWallet,
)
from schemas.link_memory import MemoryBroker, MemoryLink
from schemas.link_port import LinkSettings

pytestmark = pytest.mark.slow
ANN = WalletKey("EUR", "ann")


class Deaf(MemoryStore):
    """Answers, and tells nothing of what changes while ``deaf``."""

    deaf = True

    async def catalogue_changes(
        self, listening: Listening = nothing_to_reread
    ) -> AsyncIterator[str]:
        if self.deaf:
            raise StoreUnavailableError("no subscription")
        async with aclosing(self._server.listen("catalogue", listening)) as news:
            async for chain_id in news:
                yield chain_id

    async def wallet_changes(
        self, listening: Listening = nothing_to_reread
    ) -> AsyncIterator[tuple[str, str]]:
        if self.deaf:
            raise StoreUnavailableError("no subscription")
        await listening()
        await asyncio.Event().wait()
        yield "", ""


@asynccontextmanager
async def opened(store: Deaf) -> AsyncIterator[LocalHost]:
    clock = SystemClock()
    await seed(store, pcs_per_zone=1)
    broker = MemoryBroker(lambda: clock.mono_ms() / 1_000)
    broker.start()

    def connect(host: Host) -> MemoryLink:
        return MemoryLink(LinkSettings("memory", 1, "host"), host, broker=broker)

    async with local_host(store, clock, connect, name="h1") as gateway:
        await eventually(lambda: len(gateway.host.owned) == 2)
        yield gateway


def runtime_of(gateway: LocalHost) -> ShardRuntime:
    for loop in gateway.host._loops.values():
        if loop.runtime is not None and "north" in loop.runtime.club_ids:
            return loop.runtime
    raise AssertionError("nobody serves the club")


async def do(gateway: LocalHost, command: Command) -> None:
    envelope = CommandEnvelope(
        chain_id=CHAIN,
        club_id="north",
        idempotency_key=command.kind,
        fingerprint=command.kind,
        principal="test",
        command=command,
    )
    assert (await gateway.execute(envelope)).status is ReplyStatus.OK


async def test_a_catalogue_changed_meanwhile() -> None:
    store = Deaf()
    async with opened(store) as gateway:
        await eventually(lambda: runtime_of(gateway).knows_pc("north", "north-main-0"))
        await store.put(CHAIN, catalogue(pcs_per_zone=2))
        await asyncio.sleep(0.6)
        assert not runtime_of(gateway).knows_pc("north", "north-main-1")
        store.deaf = False
        await eventually(lambda: runtime_of(gateway).knows_pc("north", "north-main-1"))


async def test_wallets_moved_meanwhile() -> None:
    store = Deaf()
    async with opened(store) as gateway:
        await do(gateway, TopUpWallet(player_id="ann", amount_minor=10_00))
        seat = {"pc_id": "north-main-0", "tariff_id": "standard", "player_id": "ann"}
        await do(gateway, CreateSession(session_id="s1", start=True, **seat))
        elsewhere = await store.acquire(ShardId(CHAIN, 250), host="h9", nonce="n")
        cash, _ = ANN.accounts
        paid = Unit(deltas=((cash, 5_00), ("EUR:desk:south:cash", -5_00)))
        await store.commit(elsewhere, 1, [paid])
        stored_minor, _ = await wallet_of(store, "ann")
        known = runtime_of(gateway).memory.wallets
        assert known[ANN].cash_minor == stored_minor - 5_00
        store.deaf = False
        await eventually(lambda: known[ANN].cash_minor == stored_minor)
