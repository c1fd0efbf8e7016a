"""Any sequence of batches: the twin in memory and the script answer and store the same."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stores_under_test import CHAIN, everything, tell, tile, wallet

from actors.store import (
    Claim,
    ClosedSession,
    EntityWrite,
    Idempotency,
    Scope,
    ShardId,
    Store,
    Unit,
)
from actors.store_memory import MemoryStore
from actors.store_redis import RedisStore

SHARDS = (ShardId(CHAIN, 1), ShardId(CHAIN, 2))
NAMES = st.sampled_from(["a", "b", "c"])
VERSIONS = st.integers(0, 3)
BLOBS = st.sampled_from([b"{}", b"1:2", "Ж".encode()])
CLAIMS = st.builds(Claim, st.sampled_from(["x", "y"]), st.sampled_from(["a", "b"]))
MONEY = st.integers(-3, 3)


def few(items: st.SearchStrategy[Any], most: int = 2) -> st.SearchStrategy[Any]:
    return st.lists(items, max_size=most).map(tuple)


def seldom(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly nothing: a unit with every kind of guard would hardly ever pass."""
    return st.one_of(*[st.just(())] * 4, items)


def deltas(moves: list[tuple[str, str, int]]) -> tuple[tuple[str, int], ...]:
    """Every move takes from one account what it gives to another."""
    pairs = []
    for giver, taker, amount_minor in moves:
        pairs += [(wallet(giver), -amount_minor), (wallet(taker), amount_minor)]
    return tuple(pairs)


ENTITIES = st.lists(
    st.builds(EntityWrite, NAMES, VERSIONS, st.one_of(BLOBS, st.none()), st.sampled_from(Scope)),
    max_size=2,
    unique_by=lambda write: (write.key, write.scope),
).map(tuple)

UNITS = st.builds(
    Unit,
    entities=seldom(ENTITIES),
    expects=seldom(few(st.tuples(NAMES.map(wallet), MONEY))),
    reads=seldom(few(st.tuples(NAMES, VERSIONS), 1)),
    deltas=st.lists(st.tuples(NAMES, NAMES, MONEY), max_size=2).map(deltas),
    transactions=few(BLOBS),
    events=few(BLOBS, 1),
    claims=st.lists(CLAIMS, max_size=2, unique_by=lambda claim: claim.name).map(tuple),
    releases=few(CLAIMS),
    closes=few(st.builds(ClosedSession, NAMES, BLOBS), 1),
    indexes=few(st.tuples(NAMES, NAMES), 1),
    hall=few(st.builds(tile, NAMES, BLOBS), 1),
    idempotency=st.one_of(st.none(), st.builds(Idempotency, NAMES, NAMES, BLOBS)),
)

STEPS = st.lists(
    st.tuples(st.sampled_from(SHARDS), st.lists(UNITS, max_size=5), st.integers(0, 9)),
    min_size=1,
    max_size=6,
)


@pytest.fixture(params=["valkey", "redis"])
async def real(request: pytest.FixtureRequest, servers: object) -> AsyncIterator[tuple[Store, int]]:
    server = servers.empty(request.param)  # type: ignore[attr-defined]
    store = RedisStore.open(server.url)
    yield store, server.port
    await store.close()


async def play(store: Store, steps: list[tuple[ShardId, list[Unit], int]]) -> list[object]:
    """Answers in order; what ``luck`` picks is sent twice, or after the shard was taken again."""
    seen: list[object] = []
    owners = {shard: await store.acquire(shard, host="h", nonce="n") for shard in SHARDS}
    seqs = dict.fromkeys(SHARDS, 0)
    for shard, units, luck in steps:
        if luck == 0:
            owners[shard] = await store.acquire(shard, host="h", nonce="n")
        seqs[shard] += 1
        seen.append(await store.commit(owners[shard], seqs[shard], units))
        if luck == 1:
            seen.append(await store.commit(owners[shard], seqs[shard], units))
        contents = await store.load(owners[shard])
        assert contents is not None
        seen.append((contents.seq, sorted(contents.entities, key=lambda e: e.key)))
    # Stream ids differ: a server counts milliseconds, the twin counts entries.
    *rest, (_, tiles) = await everything(store)
    return [*seen, rest, tiles]


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
async def test_twins_agree(
    real: tuple[Store, int], steps: list[tuple[ShardId, list[Unit], int]]
) -> None:
    store, port = real
    assert tell(port, "FLUSHALL") == b"+OK\r\n"
    assert await play(store, steps) == await play(MemoryStore(), steps)
