"""Leases' surroundings, catalogue, read models and streams, on every store alike."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any, cast

import pytest
from stores_under_test import (
    CHAIN,
    FULL,
    SHARD,
    StoreUnderTest,
    becomes,
    owned,
    session_write,
    tile,
    top_up,
    wallet,
)

from actors.placement import shard_of_club
from actors.store import (
    LIVE_STREAM_MAX_ENTRIES,
    ChainStream,
    ClosedSession,
    ClubTakenError,
    EntityWrite,
    HostRecord,
    ShardId,
    Unit,
    place_of,
)

ADA = HostRecord("h1", "i1", shards_owned=3, draining=True, details={"pid": "17"})


async def first_of(changes: AsyncIterator[Any], cause: Callable[[], Awaitable[None]]) -> object:
    """The first change heard while ``cause`` happens again and again."""
    async with aclosing(cast("AsyncGenerator[Any]", changes)):
        heard = asyncio.ensure_future(anext(changes))
        async with asyncio.timeout(5):
            while not heard.done():
                await cause()
                await asyncio.wait([heard], timeout=0.02)
        return heard.result()


async def test_hosts_live_as_long_as_they_beat(sut: StoreUnderTest) -> None:
    store = sut.store
    await store.beat(ADA, ttl_ms=60_000)
    await store.beat(HostRecord("h0", "i0"), ttl_ms=80)
    assert await store.hosts() == (HostRecord("h0", "i0"), ADA)
    await becomes(store.hosts, (ADA,))
    await store.beat(HostRecord("h0", "i2"), ttl_ms=60_000)
    assert [host.incarnation for host in await store.hosts()] == ["i2", "i1"]


async def test_the_incarnation_that_began_last_holds_the_name(sut: StoreUnderTest) -> None:
    store = sut.store
    old, new = HostRecord("h1", "i1"), HostRecord("h1", "i2")
    assert await store.beat(old, ttl_ms=60_000, first=True) == "i1"
    assert await store.beat(new, ttl_ms=60_000, first=True) == "i2"
    assert await store.beat(old, ttl_ms=60_000) == "i2"
    assert await store.hosts() == (new,)
    assert await store.beat(new, ttl_ms=80) == "i2"

    async def who_has_it() -> str:
        return await store.beat(old, ttl_ms=60_000)

    # A name that nobody alive has goes to whoever asks.
    await becomes(who_has_it, "i1")
    assert await store.beat(new, ttl_ms=60_000) == "i1"
    assert await store.hosts() == (old,)


async def test_only_the_same_incarnation_retires_a_host(sut: StoreUnderTest) -> None:
    store = sut.store
    await store.beat(ADA, ttl_ms=60_000)
    await store.retire("h1", "i0")
    await store.retire("h9", "i0")
    assert await store.hosts() == (ADA,)
    await store.retire("h1", "i1")
    assert await store.hosts() == ()


async def test_assignments_are_changed_in_parts(sut: StoreUnderTest) -> None:
    store = sut.store
    one, two = ShardId(CHAIN, 1), ShardId("south/west", 2)
    assert await store.assignments() == {}
    await store.assign({one: "h1", two: "h2"})
    await store.assign({one: "h2"}, gone=[two])
    await store.assign({})
    assert await store.assignments() == {one: "h2"}


async def test_owners_of_shards_never_taken_are_missing(sut: StoreUnderTest) -> None:
    assert await sut.store.owners([]) == {}
    assert await sut.store.owners([SHARD]) == {}


async def test_a_shard_belongs_to_whoever_loads_with_the_newest_epoch(sut: StoreUnderTest) -> None:
    first = await owned(sut.store, nonce="n1")
    second = await owned(sut.store, nonce="n1")
    assert await sut.store.load(first) is None
    assert (await sut.store.load(second)) is not None


async def test_wallets_changed_by_others_are_told(sut: StoreUnderTest) -> None:
    other = sut.for_host("h2")
    ours = await sut.store.acquire(SHARD, host="h1", nonce="n1")
    theirs = await sut.store.acquire(ShardId(CHAIN, 8), host="h2", nonce="n2")
    seqs = {ours: 0, theirs: 0}

    async def both_commit() -> None:
        for ownership, player_id in ((ours, "p1"), (theirs, "p2")):
            seqs[ownership] += 1
            await sut.store.commit(ownership, seqs[ownership], [top_up(player_id, 5)])

    # h1 is not told of p1, which it changed itself; h2 is not told of p2.
    assert await first_of(sut.store.wallet_changes(), both_commit) == (CHAIN, wallet("p2"))
    assert await first_of(other.wallet_changes(), both_commit) == (CHAIN, wallet("p1"))


async def test_who_listens_is_told_when_it_hears_everything(sut: StoreUnderTest) -> None:
    """Changed right after the word that one listens: heard, with no second try."""

    async def change_catalogue() -> None:
        await sut.store.put("south", {"chain": b"{}"})

    async def move_wallet() -> None:
        theirs = await sut.store.acquire(ShardId(CHAIN, 8), host="h2", nonce="n2")
        await sut.store.commit(theirs, 1, [top_up("p2", 5)])

    async with asyncio.timeout(5):
        changes = cast("AsyncGenerator[Any]", sut.store.catalogue_changes(change_catalogue))
        async with aclosing(changes):
            assert await anext(changes) == "south"
        moves = cast("AsyncGenerator[Any]", sut.store.wallet_changes(move_wallet))
        async with aclosing(moves):
            assert await anext(moves) == (CHAIN, wallet("p2"))


async def test_a_club_id_belongs_to_one_chain(sut: StoreUnderTest) -> None:
    store = sut.store
    await store.put(CHAIN, {"club:c1": b"1"})
    with pytest.raises(ClubTakenError, match="c1"):
        await store.put("south", {"chain": b"{}", "club:c0": b"2", "club:c1": b"2"})
    assert await store.catalogue("south") == {}
    await store.put("west", {"club:c0": b"3"})
    await store.put(CHAIN, {"club:c1": b"4"})
    assert await store.catalogue(CHAIN) == {"club:c1": b"4"}


async def test_catalogue_is_stored_and_announced(sut: StoreUnderTest) -> None:
    store = sut.store
    assert await store.chains() == ()
    await store.put("south", {"chain": b"{}"})
    await store.put(CHAIN, {"chain": b"{}", "club:c1": b"1"})
    await store.put(CHAIN, {"club:c1": b"2"})
    assert await store.chains() == (CHAIN, "south")
    assert await store.catalogue(CHAIN) == {"chain": b"{}", "club:c1": b"2"}

    async def again() -> None:
        await store.put(CHAIN, {"club:c1": b"2"})

    assert await first_of(store.catalogue_changes(), again) == CHAIN


async def test_a_chain_may_be_named_before_anything_of_it_is_configured(
    sut: StoreUnderTest,
) -> None:
    await sut.store.put(CHAIN, {})
    assert await sut.store.chains() == (CHAIN,)
    assert await sut.store.catalogue(CHAIN) == {}


async def test_seeding_twice_keeps_what_is_there(sut: StoreUnderTest) -> None:
    store = sut.store
    assert await store.add_documents(CHAIN, {"player:b": b"1", "player:a": b"1"}) == 2
    assert await store.add_documents(CHAIN, {"player:b": b"2", "pack:c": b"1"}) == 1
    found = await store.documents_by_prefix(CHAIN, "player:")
    assert [(e.key, e.version, e.blob) for e in found] == [
        ("player:a", 1, b"1"),
        ("player:b", 1, b"1"),
    ]
    assert await store.documents(CHAIN, []) == {}


async def test_documents_are_found_by_a_prefix_to_the_letter_however_many_there_are(
    sut: StoreUnderTest,
) -> None:
    many = {f"player:{number:05}": b"1" for number in range(2_500)}
    strange = {"play[er]:a": b"1", "play*:a": b"1", "pla?er:a": b"1", "pla\\:a": b"1"}
    await sut.store.add_documents(CHAIN, many | strange)
    found = await sut.store.documents_by_prefix(CHAIN, "player:")
    assert [one.key for one in found] == sorted(many)
    for key in strange:
        prefix = key.removesuffix("a")
        assert [one.key for one in await sut.store.documents_by_prefix(CHAIN, prefix)] == [key]


async def test_balances_of_unknown_accounts_are_zero(sut: StoreUnderTest) -> None:
    assert await sut.store.balances(CHAIN, []) == {}
    assert await sut.store.balances(CHAIN, [wallet("p")]) == {wallet("p"): 0}


async def test_hall_and_its_stream_fit_together(sut: StoreUnderTest) -> None:
    store = sut.store
    assert await store.hall(CHAIN, "c1") == ("0-0", {})
    ownership = await owned(store)
    await store.commit(ownership, 1, [Unit(hall=(tile("pc1", b"a"), tile("pc2", b"b")))])
    last_id, tiles = await store.hall(CHAIN, "c1")
    assert tiles == {"pc1": b"a", "pc2": b"b"}
    other_club = tile("pc3", b"d", "c2")
    await store.commit(ownership, 2, [Unit(hall=(tile("pc1", b"c"), other_club))])
    entries = await store.live(CHAIN, "c1", last_id, block_ms=1)
    assert entries is not None
    assert [entry.payload for entry in entries] == [b"c"]
    assert await store.live(CHAIN, "c1", entries[-1].entry_id, block_ms=1) == ()
    everything = await store.live(CHAIN, "c1", "0-0", block_ms=1)
    assert everything is not None
    assert [entry.payload for entry in everything] == [b"a", b"b", b"c"]
    assert (await store.hall(CHAIN, "c1"))[1] == {"pc1": b"c", "pc2": b"b"}


async def test_the_first_of_two_snapshots_that_stay_is_kept(sut: StoreUnderTest) -> None:
    store = sut.store
    assert await store.add_snapshot("secret", b"1") == b"1"
    assert await sut.for_host("h2").add_snapshot("secret", b"2") == b"1"
    assert await store.snapshots("secret") == {"secret": b"1"}
    await store.put_snapshot("brief", b"3", ttl_ms=30)
    assert await store.add_snapshot("brief", b"4") == b"3"
    await asyncio.sleep(0.06)
    assert await store.add_snapshot("brief", b"5") == b"5"


async def test_closed_sessions_are_found_by_id(sut: StoreUnderTest) -> None:
    store = sut.store
    assert await store.closed_ids(CHAIN) == ()
    assert await store.closed_among(CHAIN, ["s1"]) == ()
    ownership = await owned(store)
    closes = tuple(ClosedSession(name, name.encode()) for name in ("s2", "s1", "s3"))
    await store.commit(ownership, 1, [Unit(closes=closes)])
    assert await store.closed_ids(CHAIN) == ("s1", "s2", "s3")
    found = await store.closed_among(CHAIN, ["s3", "s1", "s9", "s1"])
    assert [(entity.key, entity.blob) for entity in found] == [("s1", b"s1"), ("s3", b"s3")]
    assert found == tuple(e for e in await store.closed_sessions(CHAIN) if e.key != "s2")
    assert await store.closed_among(CHAIN, []) == ()


async def test_live_waits_for_a_change(sut: StoreUnderTest) -> None:
    store = sut.store
    ownership = await owned(store)
    waiting = asyncio.ensure_future(store.live(CHAIN, "c1", "0-0", block_ms=10_000))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await store.commit(ownership, 1, [Unit(hall=(tile("pc1", b"a"),))])
    async with asyncio.timeout(5):
        entries = await waiting
    assert entries is not None
    assert [entry.payload for entry in entries] == [b"a"]


@pytest.mark.parametrize("after", ["1-0", "99999999999999-0"])
async def test_an_entry_the_stream_does_not_have_is_gone(sut: StoreUnderTest, after: str) -> None:
    """Trimmed away, or from before the store lost its newest part."""
    store = sut.store
    ownership = await owned(store)
    tiles = tuple(tile(f"pc{n % 40}", b"%d" % n) for n in range(500))
    for seq in range(1, 2 * LIVE_STREAM_MAX_ENTRIES // len(tiles)):
        await store.commit(ownership, seq, [Unit(hall=tiles)])
    assert await store.live(CHAIN, "c1", after, block_ms=1) is None
    assert await store.live(CHAIN, "c1", "0-0", block_ms=1) is None
    last_id, _ = await store.hall(CHAIN, "c1")
    assert await store.live(CHAIN, "c1", last_id, block_ms=1) == ()


async def test_a_session_is_found_running_and_closed(sut: StoreUnderTest) -> None:
    store = sut.store
    ownership = await owned(store, shard_of_club(CHAIN, "c1"))
    assert await store.session(CHAIN, "s1") is None
    await store.commit(
        ownership, 1, [Unit(entities=(session_write("s1", 0, b"new"),), indexes=(("s1", "c1"),))]
    )
    running = await store.session(CHAIN, "s1")
    assert running is not None
    assert (running.version, running.blob) == (1, b"new")
    assert await store.club_of_session(CHAIN, "s1") == "c1"
    assert await store.club_of_session(CHAIN, "s2") is None
    assert await store.sessions_of_club(CHAIN, "c1") == (running,)
    close = Unit(
        entities=(session_write("s1", 1, None),), closes=(ClosedSession("s1", b"receipt"),)
    )
    await store.commit(ownership, 2, [close])
    closed = await store.session(CHAIN, "s1")
    assert closed is not None
    assert (closed.key, closed.version, closed.blob) == (running.key, 2, b"receipt")
    corrected = Unit(closes=(ClosedSession("s1", b"corrected", version=3),))
    await store.commit(ownership, 3, [corrected])
    again = await store.session(CHAIN, "s1")
    assert again is not None
    assert (again.version, again.blob) == (3, b"corrected")
    assert await store.sessions_of_club(CHAIN, "c1") == ()
    assert [(e.key, e.version) for e in await store.closed_sessions(CHAIN)] == [("s1", 3)]
    await store.drop_closed(CHAIN, {}, behind={})
    await store.drop_closed(CHAIN, {"s1": 3}, behind={})
    assert await store.closed_sessions(CHAIN) == ()
    assert await store.session(CHAIN, "s1") is None


async def test_clubs_that_share_a_shard_have_their_own_sessions(sut: StoreUnderTest) -> None:
    store = sut.store
    shard = shard_of_club(CHAIN, "c1")
    sibling = next(name for n in range(10_000) if shard_of_club(CHAIN, name := f"club{n}") == shard)
    ownership = await owned(store, shard)
    writes = tuple(session_write(s, 0) for s in ("s2", "s1", "s3"))
    await store.commit(
        ownership,
        1,
        [Unit(entities=writes, indexes=(("s1", "c1"), ("s2", "c1"), ("s3", sibling)))],
    )
    assert [e.key for e in await store.sessions_of_club(CHAIN, "c1")] == [
        "session:s1",
        "session:s2",
    ]
    assert [e.key for e in await store.sessions_of_club(CHAIN, sibling)] == ["session:s3"]
    assert await store.ended_beside(CHAIN, "c1") == ()
    ended = tuple(EntityWrite(f"ended:{name}", 0, b"{}") for name in ("s9", "s8"))
    await store.commit(ownership, 2, [Unit(entities=ended)])
    found = [(e.key, e.version, e.blob) for e in await store.ended_beside(CHAIN, "c1")]
    assert found == [("ended:s8", 1, b"{}"), ("ended:s9", 1, b"{}")]


async def test_streams_are_read_in_parts_and_trimmed_behind(sut: StoreUnderTest) -> None:
    store = sut.store
    ownership = await owned(store)
    await store.commit(ownership, 1, [top_up("p1", 1, n) for n in range(5)])
    first = await store.stream(CHAIN, ChainStream.LEDGER, count=2)
    rest = await store.stream(CHAIN, ChainStream.LEDGER, after=first[-1].entry_id)
    assert [e.payload for e in (*first, *rest)] == [b'{"id":"command/%d"}' % n for n in range(5)]
    assert await store.stream(CHAIN, ChainStream.LEDGER, after=rest[-1].entry_id) == ()
    assert await store.stream(CHAIN, ChainStream.OUTBOX) == ()
    other = replace(rest[-1], payload=b'{"id":"command/9"}')
    never = replace(rest[-1], entry_id=f"{place_of(rest[-1].entry_id)[0] + 1}-0")
    for unknown in (other, never):
        cut = rest[0].entry_id
        assert await store.trim(CHAIN, ChainStream.LEDGER, behind=unknown, before=cut) == 0
    assert await store.trimmed_before(CHAIN, ChainStream.LEDGER) == "0-0"
    for _ in range(2):
        await store.trim(CHAIN, ChainStream.LEDGER, behind=rest[-1], before=rest[0].entry_id)
    assert await store.stream(CHAIN, ChainStream.LEDGER) == rest
    assert await store.trimmed_before(CHAIN, ChainStream.LEDGER) == rest[0].entry_id


async def test_snapshots_are_found_by_prefix_until_they_expire(sut: StoreUnderTest) -> None:
    store = sut.store
    await store.put_snapshot("metrics:h1", b"1", ttl_ms=60_000)
    await store.put_snapshot("metrics:h0", b"2", ttl_ms=80)
    await store.put_snapshot("clock", b"3", ttl_ms=None)
    assert await store.snapshots("metrics:") == {"metrics:h0": b"2", "metrics:h1": b"1"}
    await becomes(lambda: store.snapshots(""), {"clock": b"3", "metrics:h1": b"1"})


async def test_an_image_shows_the_whole_chain_at_one_instant(sut: StoreUnderTest) -> None:
    store = sut.store
    empty = await store.image(CHAIN)
    assert (empty.balances, empty.entities, empty.ledger_until) == ({}, (), "0-0")
    ownership = await owned(store)
    close = Unit(closes=(ClosedSession("s2", b"final"),))
    await store.commit(ownership, 1, [FULL, close])
    image = await store.image(CHAIN)
    assert image.balances == await store.all_balances(CHAIN)
    assert image.claims == await store.all_claims(CHAIN)
    assert image.entities == await store.all_entities(CHAIN)
    assert image.closed == await store.closed_sessions(CHAIN)
    assert image.sessions == await store.all_sessions(CHAIN)
    assert image.ledger_until == (await store.stream(CHAIN, ChainStream.LEDGER))[-1].entry_id
    assert image.outbox_until == (await store.stream(CHAIN, ChainStream.OUTBOX))[-1].entry_id


async def test_documents_of_a_kind_are_read_page_by_page(sut: StoreUnderTest) -> None:
    names = [f"bought:p{number}" for number in range(250)]
    await sut.store.add_documents(CHAIN, {name: name.encode() for name in (*names, "order:o1")})
    found: dict[str, tuple[int, bytes]] = {}
    after: str | None = None
    while True:
        page = await sut.store.documents_page(CHAIN, "bought:", after)
        found |= {one.key: (one.version, one.blob) for one in page.documents}
        if (after := page.after) is None:
            break
    assert found == {name: (1, name.encode()) for name in names}
    nobodys = await sut.store.documents_page("nobodys-chain", "bought:", None)
    assert (nobodys.documents, nobodys.after) == ((), None)
