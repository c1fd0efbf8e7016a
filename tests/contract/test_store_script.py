"""The last line of defence: what the commit script refuses or bounds whoever sends it."""

import time
from collections.abc import Sequence

import pytest
from stores_under_test import (
    APPLIED,
    CHAIN,
    SHARD,
    StoreUnderTest,
    everything,
    owned,
    playing,
    session_write,
    tell,
    top_up,
    wallet,
)

from actors.store import (
    IDEMPOTENCY_RETENTION_MS,
    MAX_AMOUNT_MINOR,
    Idempotency,
    Unit,
    UnitOutcome,
    UnitStatus,
)
from actors.store_keys import ChainKeys


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that does not look at what it sends."""

    def nothing(_units: Sequence[Unit]) -> None:
        return

    monkeypatch.setattr("actors.store_wire.check_batch", nothing)
    monkeypatch.setattr("actors.store_memory.check_batch", nothing)


async def test_a_right_freed_by_a_refused_unit_is_not_free(sut: StoreUnderTest) -> None:
    store = sut.store
    ownership = await owned(store)
    await store.commit(ownership, 1, [Unit(claims=(playing("p1", "s1"),))])
    leaves = Unit(entities=(session_write("s1", 7),), releases=(playing("p1", "s1"),))
    comes = Unit(claims=(playing("p1", "s2"),))
    refused = UnitOutcome(UnitStatus.CLAIMED, name="playing/p1", holder="s1")
    assert (await store.commit(ownership, 2, [leaves, comes])).outcomes[1] == refused
    assert await store.all_claims(CHAIN) == {"playing/p1": "s1"}


@pytest.mark.usefixtures("unchecked")
async def test_a_right_freed_by_a_unit_refused_for_its_money_is_not_free(
    sut: StoreUnderTest,
) -> None:
    """Money is judged after rights, so the unit was about to pass."""
    store = sut.store
    ownership = await owned(store)
    await store.commit(ownership, 1, [Unit(claims=(playing("p1", "s1"),))])
    leaves = Unit(releases=(playing("p1", "s1"),), deltas=((wallet("p1"), 1),))
    comes = Unit(claims=(playing("p1", "s2"),))
    assert [one.status for one in (await store.commit(ownership, 2, [leaves, comes])).outcomes] == [
        UnitStatus.UNBALANCED,
        UnitStatus.CLAIMED,
    ]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "deltas",
    [
        ((wallet("p1"), 1),),
        ((wallet("p1"), 5), ("EUR:desk:c1:cash", -4)),
        ((wallet("p1"), 1), ("USD:desk:c1:cash", -1)),
    ],
)
async def test_money_from_nowhere_costs_its_own_unit(
    sut: StoreUnderTest, deltas: tuple[tuple[str, int], ...]
) -> None:
    store = sut.store
    ownership = await owned(store)
    bad = Unit(deltas=deltas, transactions=(b"bad",))
    result = await store.commit(ownership, 1, [top_up("p1", 5), bad, top_up("p1", 5)])
    assert [outcome.status for outcome in result.outcomes] == [
        UnitStatus.APPLIED,
        UnitStatus.UNBALANCED,
        UnitStatus.APPLIED,
    ]
    assert result.outcomes[1].name in {"EUR", "USD"}
    assert (await store.balances(CHAIN, [wallet("p1")])) == {wallet("p1"): 10}


async def test_a_balance_that_cannot_be_counted_costs_its_own_unit(sut: StoreUnderTest) -> None:
    store = sut.store
    ownership = await owned(store)
    await store.commit(ownership, 1, [top_up("p1", MAX_AMOUNT_MINOR)])
    before = await everything(store)
    result = await store.commit(ownership, 2, [top_up("p1", 1)])
    assert result.outcomes == (UnitOutcome(UnitStatus.OUT_OF_RANGE, name=wallet("p1")),)
    assert await everything(store) == before
    desk = "EUR:desk:c1:cash"
    result = await store.commit(ownership, 3, [top_up("p2", 1), top_up("p1", -1)])
    assert result.outcomes == (UnitOutcome(UnitStatus.OUT_OF_RANGE, name=desk), APPLIED)


async def test_the_audit_is_bounded(sut: StoreUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.store_wire.AUDIT_MAX_ENTRIES", 200)
    monkeypatch.setattr("actors.store_memory_chain.AUDIT_MAX_ENTRIES", 200)
    store = sut.store
    ownership = await owned(store)
    for batch in range(5):
        units = [Unit(audit=(b"%d" % (batch * 200 + number),)) for number in range(200)]
        await store.commit(ownership, batch + 1, units)
    kept = await store.audit(CHAIN, count=2_000)
    # The server lets go of whole nodes of its tree, about a hundred entries each.
    assert 200 <= len(kept) <= 400
    assert kept[0].payload == b"999"


REAL = pytest.mark.parametrize("sut", ["valkey", "redis"], indirect=True)


@REAL
async def test_an_epoch_is_never_below_the_servers_clock(sut: StoreUnderTest) -> None:
    first = await owned(sut.store)
    now_ms = time.time() * 1_000
    assert abs(first.epoch - now_ms) < 60_000
    second = await owned(sut.store)
    assert first.epoch < second.epoch < now_ms + 60_000


@REAL
async def test_an_answer_is_kept_for_two_days(sut: StoreUnderTest) -> None:
    ownership = await owned(sut.store)
    await sut.store.commit(ownership, 1, [Unit(idempotency=Idempotency("k", "f", b"{}"))])
    assert sut.url is not None
    port = int(sut.url.rpartition(":")[2].partition("/")[0])
    left = tell(port, "PTTL", ChainKeys(SHARD.chain_id).idempotency("k"))
    assert IDEMPOTENCY_RETENTION_MS - 60_000 < int(left[1:]) <= IDEMPOTENCY_RETENTION_MS
