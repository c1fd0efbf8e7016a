"""A caller that is cancelled stops, however far its call has come: a host must be able to end."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from stores_under_test import CHAIN, SHARD, StoreUnderTest, owned

from actors.store import HostRecord, Store, Unit

LOOP_STEPS = 40
"""More than any of these calls takes from its first step to waiting for the answer."""
ADA = HostRecord("h1", "i1", shards_owned=3, draining=False, details={})


async def heard(store: Store) -> None:
    async for _ in store.wallet_changes():
        pass


CALLS: dict[str, Callable[[Store], Awaitable[object]]] = {
    "one command": lambda store: store.assignments(),
    "several commands": lambda store: store.owners([SHARD]),
    "a script": lambda store: store.beat(ADA, ttl_ms=5_000),
    "a wait": lambda store: store.live(CHAIN, "c1", "0-0", block_ms=50),
    "a subscription": heard,
}


@pytest.mark.parametrize("call", CALLS)
async def test_a_cancelled_caller_stops(sut: StoreUnderTest, call: str) -> None:
    store = sut.store

    async def work() -> None:
        while True:
            await CALLS[call](store)
            await asyncio.sleep(0)

    for steps in range(LOOP_STEPS):
        working = asyncio.create_task(work())
        for _ in range(steps):
            await asyncio.sleep(0)
        working.cancel()
        await asyncio.wait((working,), timeout=2)
        ended = working.cancelled()
        working.cancel()
        assert ended, f"cancelled after {steps} steps"


async def test_a_cancelled_commit_leaves_the_store_usable(sut: StoreUnderTest) -> None:
    store, seq = sut.store, 0
    for steps in range(LOOP_STEPS):
        ownership = await owned(store, nonce=f"n{steps}")
        committing = asyncio.create_task(store.commit(ownership, seq + 1, [Unit()]))
        for _ in range(steps):
            await asyncio.sleep(0)
        committing.cancel()
        await asyncio.wait((committing,))
        # It happened or not, and whoever owns the shard next reads which.
        contents = await store.load(await owned(store, nonce=f"m{steps}"))
        assert contents is not None
        assert contents.seq in {seq, seq + 1}
        seq = contents.seq
