"""What a commit promises, on the memory twin, Valkey and Redis alike."""

import pytest
from stores_under_test import (
    APPLIED,
    CHAIN,
    FULL,
    SHARD,
    StoreUnderTest,
    charge,
    everything,
    owned,
    player_write,
    playing,
    session_write,
    top_up,
    wallet,
)

from actors.store import (
    MAX_AMOUNT_MINOR,
    MAX_UNITS_PER_COMMIT,
    ChainStream,
    EntityWrite,
    Idempotency,
    Ownership,
    ShardId,
    Unit,
    UnitOutcome,
    UnitStatus,
)


async def test_a_unit_writes_everything_it_says(sut: StoreUnderTest) -> None:
    store = sut.store
    ownership = await owned(store)
    result = await store.commit(ownership, 1, [FULL])
    assert (result.fenced, result.outcomes) == (False, (APPLIED,))
    contents = await store.load(ownership)
    assert contents is not None
    assert contents.seq == 1
    assert [(e.key, e.version, e.blob) for e in contents.entities] == [
        ("session:s1", 1, b'{"n":1}')
    ]
    player = (await store.documents(CHAIN, ["player:p1", "player:p2"]))["player:p1"]
    assert (player.version, player.blob) == (1, b'{"label":"Ada"}')
    assert await store.all_balances(CHAIN) == {wallet("p1"): 500, "EUR:desk:c1:cash": -500}
    ledger = await store.stream(CHAIN, ChainStream.LEDGER)
    assert [entry.payload for entry in ledger] == [b'{"id":"t1"}', b'{"id":"t2"}']
    outbox = await store.stream(CHAIN, ChainStream.OUTBOX)
    assert [entry.payload for entry in outbox] == list(FULL.events)
    assert await store.all_claims(CHAIN) == {"playing/p1": "s1"}
    assert await store.all_sessions(CHAIN) == {"s1": "c1"}
    assert (await store.hall(CHAIN, "c1"))[1] == {"pc1": b'{"use":"RUNNING"}'}


async def test_the_same_seq_gives_the_first_answer_and_writes_nothing(sut: StoreUnderTest) -> None:
    store = sut.store
    ownership = await owned(store)
    refused = charge("p1", 100, 499, 1)
    first = await store.commit(ownership, 1, [FULL, refused])
    before = await everything(store)
    assert await store.commit(ownership, 1, [FULL, refused]) == first
    assert await everything(store) == before


async def test_an_empty_batch_counts(sut: StoreUnderTest) -> None:
    ownership = await owned(sut.store)
    assert (await sut.store.commit(ownership, 1, [])).outcomes == ()
    assert (await sut.store.commit(ownership, 2, [top_up("p1", 5)])).outcomes == (APPLIED,)


def _older(current: Ownership) -> tuple[Ownership, int]:
    return Ownership(current.shard, current.epoch - 1, current.nonce, current.host), 2


def _newer(current: Ownership) -> tuple[Ownership, int]:
    return Ownership(current.shard, current.epoch + 1, current.nonce, current.host), 2


def _impostor(current: Ownership) -> tuple[Ownership, int]:
    return Ownership(current.shard, current.epoch, "other", current.host), 2


def _gap(current: Ownership) -> tuple[Ownership, int]:
    return current, 3


def _past(current: Ownership) -> tuple[Ownership, int]:
    return current, 0


@pytest.mark.parametrize("claim", [_older, _newer, _impostor, _gap, _past])
async def test_a_batch_of_anybody_else_is_fenced(sut: StoreUnderTest, claim: object) -> None:
    store = sut.store
    ownership = await owned(store)
    await store.commit(ownership, 1, [FULL])
    before = await everything(store)
    pretended, seq = claim(ownership)  # type: ignore[operator]
    assert (await store.commit(pretended, seq, [top_up("p1", 5)])).fenced
    assert await everything(store) == before


async def test_a_never_taken_shard_is_fenced(sut: StoreUnderTest) -> None:
    assert (await sut.store.commit(Ownership(SHARD, 0, "", "h1"), 1, [])).fenced


async def test_taking_over_fences_the_owner_before(sut: StoreUnderTest) -> None:
    store = sut.store
    first = await owned(store)
    await store.commit(first, 1, [FULL])
    second = await store.acquire(SHARD, host="h2", nonce="n2")
    assert second.epoch > first.epoch
    # Even the batch it was already answered: the answer belongs to the old epoch.
    assert (await store.commit(first, 1, [FULL])).fenced
    assert (await store.commit(first, 2, [top_up("p1", 5)])).fenced
    assert await store.load(first) is None
    assert not await store.release(first)
    contents = await store.load(second)
    assert contents is not None
    assert contents.seq == 1
    # The batch that is already stored is not the next one of the new owner.
    assert (await store.commit(second, 1, [top_up("p1", 5)])).fenced
    assert (await store.commit(second, 2, [top_up("p1", 5)])).outcomes == (APPLIED,)


async def test_a_released_shard_has_no_owner(sut: StoreUnderTest) -> None:
    store = sut.store
    ownership = await owned(store)
    assert await store.owners([SHARD, ShardId(CHAIN, 8)]) == {SHARD: ownership}
    assert await store.release(ownership)
    assert not await store.release(ownership)
    assert await store.owners([SHARD]) == {}
    assert (await store.commit(ownership, 1, [])).fenced
    assert (await owned(store)).epoch > ownership.epoch


async def test_later_units_of_a_batch_see_the_earlier_ones(sut: StoreUnderTest) -> None:
    store = sut.store
    ownership = await owned(store)
    key = Idempotency("k", "f", b"once")
    result = await store.commit(
        ownership,
        1,
        [
            top_up("p1", 300),
            charge("p1", 100, 300, 1),
            charge("p1", 100, 300, 1),
            charge("p1", 100, 200, 2),
            Unit(entities=(session_write("s1", 0, b"one"),), claims=(playing("p1", "s1"),)),
            Unit(entities=(session_write("s1", 1, b"two"),), claims=(playing("p1", "s2"),)),
            Unit(entities=(session_write("s1", 1, b"two"),), idempotency=key),
            Unit(entities=(session_write("s1", 2, b"three"),), idempotency=key),
            Unit(entities=(player_write("p1", 0),)),
            Unit(reads=(("player:p1", 1),)),
        ],
    )
    assert [outcome.status.value for outcome in result.outcomes] == [
        "applied",
        "applied",
        "balance",
        "applied",
        "applied",
        "claimed",
        "applied",
        "duplicate",
        "applied",
        "applied",
    ]
    assert result.outcomes[2].balances == ((wallet("p1"), 200),)
    assert result.outcomes[7].reply == b"once"
    (session,) = await store.all_entities(CHAIN)
    assert (session.version, session.blob) == (2, b"two")
    assert (await store.balances(CHAIN, [wallet("p1"), wallet("p2")])) == {
        wallet("p1"): 100,
        wallet("p2"): 0,
    }


@pytest.mark.parametrize("writes", [True, False], ids=["writes", "reads"])
async def test_what_is_built_on_a_refused_unit_is_refused_where_others_have_written(
    sut: StoreUnderTest, *, writes: bool
) -> None:
    """Two hosts know the player's document at version 1; another one writes it, and it is at the
    version that the second unit of the batch expects of the first."""
    store = sut.store
    ownership = await owned(store)
    await store.commit(ownership, 1, [Unit(entities=(player_write("p1", 0),))])
    elsewhere = await owned(store, ShardId(CHAIN, SHARD.number + 1))
    await store.commit(elsewhere, 1, [Unit(entities=(player_write("p1", 1, b"theirs"),))])

    refused = Unit(entities=(player_write("p1", 1, b"ours"), session_write("s1", 0, b"one")))
    built_on = Unit(entities=(player_write("p1", 2, b"ours, later"),))
    if not writes:
        built_on = Unit(reads=(("player:p1", 2),), entities=(session_write("s2", 0, b"two"),))
    beside = Unit(entities=(session_write("s3", 0, b"three"), player_write("p2", 0)))
    result = await store.commit(ownership, 2, [refused, built_on, beside])
    stale = UnitOutcome(UnitStatus.STALE, name="player:p1")
    assert result.outcomes == (stale, stale, APPLIED)
    (document,) = (await store.documents(CHAIN, ["player:p1"])).values()
    assert (document.version, document.blob) == (2, b"theirs")
    # In a batch of its own it is what the store has now.
    again = Unit(entities=(player_write("p1", 2, b"ours, again"),))
    assert (await store.commit(ownership, 3, [again])).outcomes == (APPLIED,)


async def test_an_entity_may_be_deleted_and_made_again(sut: StoreUnderTest) -> None:
    store = sut.store
    ownership = await owned(store)
    await store.commit(ownership, 1, [Unit(entities=(session_write("s1", 0, b"a"),))])
    gone = Unit(entities=(session_write("s1", 1, None),))
    again = Unit(entities=(session_write("s1", 0, b"b"),))
    assert (await store.commit(ownership, 2, [gone, gone, again])).outcomes == (
        APPLIED,
        UnitOutcome(UnitStatus.STALE, name="session:s1"),
        APPLIED,
    )
    (entity,) = await store.all_entities(CHAIN)
    assert (entity.version, entity.blob) == (1, b"b")
    assert (await store.commit(ownership, 3, [again, Unit(entities=gone.entities)])).outcomes == (
        UnitOutcome(UnitStatus.STALE, name="session:s1"),
        APPLIED,
    )
    assert await store.all_entities(CHAIN) == ()


async def test_claims_change_hands_in_one_unit(sut: StoreUnderTest) -> None:
    store = sut.store
    ownership = await owned(store)
    first, second = playing("p1", "s1"), playing("p1", "s2")
    result = await store.commit(
        ownership,
        1,
        [
            Unit(claims=(first,)),
            Unit(claims=(first,)),
            Unit(releases=(second,)),
            Unit(releases=(first,), claims=(second,)),
        ],
    )
    assert result.outcomes == (APPLIED,) * 4
    assert await store.all_claims(CHAIN) == {"playing/p1": "s2"}
    await store.commit(ownership, 2, [Unit(releases=(second, playing("p3", "s3")))])
    assert await store.all_claims(CHAIN) == {}


async def test_documents_and_answers_are_kept_to_the_byte(sut: StoreUnderTest) -> None:
    store = sut.store
    ownership = await owned(store)
    blob = bytes(range(256)) + b":\r\n"
    key = Idempotency("ключ:1", "отпечаток:2", blob)
    unit = Unit(entities=(EntityWrite("pc:ключ", 0, blob),), idempotency=key)
    result = await store.commit(ownership, 1, [unit, unit])
    assert result.outcomes == (APPLIED, UnitOutcome(UnitStatus.DUPLICATE, reply=blob))
    (entity,) = await store.all_entities(CHAIN)
    assert (entity.key, entity.blob) == ("pc:ключ", blob)


async def test_large_amounts_are_exact(sut: StoreUnderTest) -> None:
    store = sut.store
    ownership = await owned(store)
    await store.commit(ownership, 1, [top_up("p1", MAX_AMOUNT_MINOR - 1), top_up("p1", 1)])
    assert await store.all_balances(CHAIN) == {
        wallet("p1"): MAX_AMOUNT_MINOR,
        "EUR:desk:c1:cash": -MAX_AMOUNT_MINOR,
    }
    known = charge("p1", 1, MAX_AMOUNT_MINOR, 1)
    assert (await store.commit(ownership, 2, [known])).outcomes == (APPLIED,)
    assert (await store.balances(CHAIN, [wallet("p1")])) == {wallet("p1"): MAX_AMOUNT_MINOR - 1}


@pytest.mark.parametrize(
    "unit",
    [
        Unit(deltas=((wallet("p1"), 1),)),
        Unit(deltas=((wallet("p1"), 1), ("USD:desk:c1:cash", -1))),
        Unit(deltas=((wallet("p1"), 2**53), ("EUR:desk:c1:cash", -(2**53)))),
    ],
)
async def test_money_from_nowhere_is_never_sent(sut: StoreUnderTest, unit: Unit) -> None:
    ownership = await owned(sut.store)
    with pytest.raises(ValueError, match="EUR"):
        await sut.store.commit(ownership, 1, [top_up("p1", 5), unit])
    assert await sut.store.all_balances(CHAIN) == {}


async def test_a_batch_has_a_limit(sut: StoreUnderTest) -> None:
    ownership = await owned(sut.store)
    units = [top_up(f"p{n}", n + 1, n) for n in range(MAX_UNITS_PER_COMMIT)]
    result = await sut.store.commit(ownership, 1, units)
    assert result.outcomes == (APPLIED,) * MAX_UNITS_PER_COMMIT
    with pytest.raises(ValueError, match="at most"):
        await sut.store.commit(ownership, 2, [*units, top_up("p", 1)])


async def test_a_batch_may_touch_thousands_of_fields(sut: StoreUnderTest) -> None:
    """More than a script can put on its stack at once."""
    store = sut.store
    ownership = await owned(store)
    writes = [EntityWrite(f"pc:{n}", 0, b"%d" % n) for n in range(9_000)]
    units = [Unit(entities=tuple(writes[n : n + 100])) for n in range(0, len(writes), 100)]
    result = await store.commit(ownership, 1, units)
    assert set(result.outcomes) == {APPLIED}
    contents = await store.load(ownership)
    assert contents is not None
    assert {e.key: e.blob for e in contents.entities} == {w.key: w.blob for w in writes}


async def test_chains_do_not_see_each_other(sut: StoreUnderTest) -> None:
    store = sut.store
    north, south = await owned(store), await owned(store, ShardId("south", SHARD.number))
    await store.commit(north, 1, [FULL])
    result = await store.commit(south, 1, [FULL])
    assert result.outcomes == (APPLIED,)
    assert await store.all_balances("south") == await store.all_balances(CHAIN)
    assert len(await store.stream("south", ChainStream.LEDGER)) == 2


async def test_accounts_of_one_session_are_gone_when_they_are_at_zero(sut: StoreUnderTest) -> None:
    """A player's empty wallet stays; a guest's, and a bill that is paid, would stay for ever."""
    accounts = ("EUR:wallet:guest-s1:cash", "EUR:receivable:s1", wallet("p1"))
    desk = "EUR:desk:c1:cash"
    ownership = await owned(sut.store)
    there = [Unit(deltas=((account, 5), (desk, -5))) for account in accounts]
    back = [Unit(deltas=((account, -5), (desk, 5))) for account in accounts]
    assert (await sut.store.commit(ownership, 1, there)).outcomes == (APPLIED,) * 3
    assert await sut.store.all_balances(CHAIN) == {**dict.fromkeys(accounts, 5), desk: -15}
    result = await sut.store.commit(ownership, 2, [*back, there[0], back[0]])
    assert result.outcomes == (APPLIED,) * 5
    assert await sut.store.all_balances(CHAIN) == {wallet("p1"): 0, desk: 0}
    expects = Unit(expects=((accounts[0], 0), (accounts[1], 0)))
    assert (await sut.store.commit(ownership, 3, [expects])).outcomes == (APPLIED,)
