"""What leaves a store for an archive, and what comes back from it."""

from dataclasses import replace

from stores_under_test import CHAIN, StoreUnderTest, owned

from actors.store import ChainStream, ClosedSession, StoredEntity, Unit, place_of

CLOSED = StoredEntity("s9", 7, b'{"state":{}}')


async def test_the_audit_is_read_forward_and_trimmed(sut: StoreUnderTest) -> None:
    store = sut.store
    ownership = await owned(store)
    for number in range(1, 4):
        await store.commit(ownership, number, [Unit(audit=(b'{"n":%d}' % number,))])
    first, second, third = await store.audit_after(CHAIN, "0-0", count=10)
    assert [one.payload for one in (first, second, third)] == [b'{"n":1}', b'{"n":2}', b'{"n":3}']
    assert await store.audit_after(CHAIN, first.entry_id, count=1) == (second,)
    assert await store.audit_after(CHAIN, third.entry_id, count=10) == ()
    assert await store.trim_audit(CHAIN, before=third.entry_id) == 2
    assert await store.audit(CHAIN) == (third,)
    assert await store.stream(CHAIN, ChainStream.OUTBOX) == ()


async def test_a_session_is_brought_back_once(sut: StoreUnderTest) -> None:
    store = sut.store
    await store.bring_back(CHAIN, "c1", CLOSED)
    found = await store.session(CHAIN, "s9")
    assert found == StoredEntity("session:s9", 7, CLOSED.blob)
    await store.bring_back(CHAIN, "c2", StoredEntity("s9", 9, b"{}"))
    assert await store.session(CHAIN, "s9") == found
    assert await store.club_of_session(CHAIN, "s9") == "c1"
    assert await store.closed_ids(CHAIN) == ("s9",)
    await store.drop_closed(CHAIN, {"s9": 7}, behind={})
    assert await store.session(CHAIN, "s9") is None


async def test_a_session_is_let_go_of_in_the_archived_version_only(sut: StoreUnderTest) -> None:
    store = sut.store
    ownership = await owned(store)
    await store.bring_back(CHAIN, "c1", CLOSED)
    await store.bring_back(CHAIN, "c1", StoredEntity("s10", 7, b"{}"))
    corrected = Unit(closes=(ClosedSession("s9", b"corrected", version=8),))
    await store.commit(ownership, 1, [corrected])
    await store.drop_closed(CHAIN, {"s9": 7, "s10": 7, "never": 1}, behind={})
    assert await store.closed_sessions(CHAIN) == (StoredEntity("s9", 8, b"corrected"),)
    assert await store.club_of_session(CHAIN, "s9") == "c1"
    assert await store.club_of_session(CHAIN, "s10") is None
    await store.drop_closed(CHAIN, {"s9": 80}, behind={})
    assert await store.closed_ids(CHAIN) == ("s9",)
    await store.drop_closed(CHAIN, {"s9": 8}, behind={})
    assert await store.closed_ids(CHAIN) == ()


async def test_no_session_goes_from_a_store_that_is_not_where_it_was(sut: StoreUnderTest) -> None:
    store = sut.store
    ownership = await owned(store)
    await store.bring_back(CHAIN, "c1", CLOSED)
    told = b'{"event":{"kind":"pc_held","seq":1}}'
    await store.commit(ownership, 1, [Unit(transactions=(b'{"id":"command/1"}',), events=(told,))])
    behind = {name: (await store.stream(CHAIN, name))[-1] for name in ChainStream}
    for name in ChainStream:
        entry = behind[name]
        at_ms, number = place_of(entry.entry_id)
        for unknown in (
            replace(entry, payload=b"{}"),
            replace(entry, entry_id=f"{at_ms + 1}-{number}"),
        ):
            await store.drop_closed(CHAIN, {"s9": 7}, behind={**behind, name: unknown})
            assert await store.closed_ids(CHAIN) == ("s9",)
    await store.drop_closed(CHAIN, {"s9": 7}, behind=behind)
    assert await store.closed_ids(CHAIN) == ()
