"""Every reason to refuse a unit: it writes nothing, fails alone and leaves its key unused."""

import pytest
from stores_under_test import (
    APPLIED,
    CHAIN,
    FULL,
    StoreUnderTest,
    everything,
    owned,
    player_write,
    playing,
    session_write,
    tile,
    top_up,
    wallet,
)

from actors.store import ClosedSession, EntityWrite, Idempotency, Unit, UnitOutcome, UnitStatus

REFUSED = {
    "known key": (
        Unit(idempotency=Idempotency("crm:k1", "digest", b"another")),
        UnitOutcome(UnitStatus.DUPLICATE, reply='{"ответ":1}'.encode()),
    ),
    "key with another fingerprint": (
        Unit(idempotency=Idempotency("crm:k1", "diges", b"another")),
        UnitOutcome(UnitStatus.KEY_REUSED),
    ),
    "known key before stale state": (
        Unit(
            entities=(session_write("s1", 0),),
            idempotency=Idempotency("crm:k1", "digest", b""),
        ),
        UnitOutcome(UnitStatus.DUPLICATE, reply='{"ответ":1}'.encode()),
    ),
    "entity exists already": (
        Unit(entities=(session_write("s1", 0),)),
        UnitOutcome(UnitStatus.STALE, name="session:s1"),
    ),
    "entity is older": (
        Unit(entities=(session_write("s1", 2),)),
        UnitOutcome(UnitStatus.STALE, name="session:s1"),
    ),
    "entity is absent": (
        Unit(entities=(session_write("s9", 1, None),)),
        UnitOutcome(UnitStatus.STALE, name="session:s9"),
    ),
    "chain document changed": (
        Unit(entities=(player_write("p1", 0),)),
        UnitOutcome(UnitStatus.STALE, name="player:p1"),
    ),
    "read document changed": (
        Unit(reads=(("player:p1", 2),)),
        UnitOutcome(UnitStatus.STALE, name="player:p1"),
    ),
    "seen entity changed": (
        Unit(seen=(("session:s9", 0), ("session:s1", 2))),
        UnitOutcome(UnitStatus.STALE, name="session:s1"),
    ),
    "seen entity is gone": (
        Unit(seen=(("session:s9", 1),)),
        UnitOutcome(UnitStatus.STALE, name="session:s9"),
    ),
    "read document appeared": (
        Unit(reads=(("player:p2", 0), ("player:p1", 0))),
        UnitOutcome(UnitStatus.STALE, name="player:p1"),
    ),
    "another balance": (
        Unit(expects=(("EUR:wallet:p2:cash", 0), (wallet("p1"), 499))),
        UnitOutcome(UnitStatus.BALANCE, balances=(("EUR:wallet:p2:cash", 0), (wallet("p1"), 500))),
    ),
    "claimed by another": (
        Unit(claims=(playing("p1", "s2"),)),
        UnitOutcome(UnitStatus.CLAIMED, name="playing/p1", holder="s1"),
    ),
    "claimed, and only its holder can give it up": (
        Unit(releases=(playing("p1", "s2"),), claims=(playing("p1", "s2"),)),
        UnitOutcome(UnitStatus.CLAIMED, name="playing/p1", holder="s1"),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_refused_unit_writes_nothing_and_fails_alone(
    sut: StoreUnderTest, case: str
) -> None:
    store = sut.store
    ownership = await owned(store)
    await store.commit(ownership, 1, [FULL])
    guard, expected = REFUSED[case]
    unit = Unit(
        entities=(*guard.entities, EntityWrite("pc:extra", 0, b"{}")),
        reads=guard.reads,
        seen=guard.seen,
        expects=guard.expects,
        deltas=((wallet("p1"), -1), ("EUR:revenue:c1", 1)),
        transactions=(b"refused",),
        events=(b"refused",),
        claims=guard.claims,
        releases=guard.releases,
        closes=(ClosedSession("s1", b"refused"),),
        indexes=(("s9", "c9"),),
        hall=(tile("pc9", b"refused"),),
        idempotency=guard.idempotency or Idempotency("crm:k2", "f", b"refused"),
    )
    before = await everything(store)
    result = await store.commit(ownership, 2, [unit])
    assert result.outcomes == (expected,)
    assert await everything(store) == before
    beside = await store.commit(ownership, 3, [top_up("p1", 1), unit, top_up("p1", 1)])
    assert [outcome.status is UnitStatus.APPLIED for outcome in beside.outcomes] == [
        True,
        False,
        True,
    ]
    assert (await store.balances(CHAIN, [wallet("p1")]))[wallet("p1")] == 502
    if guard.idempotency is None:
        # A refused unit does not use up its key.
        fresh = Unit(idempotency=Idempotency("crm:k2", "f", b"now"))
        assert (await store.commit(ownership, 4, [fresh])).outcomes == (APPLIED,)
