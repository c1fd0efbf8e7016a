"""The audit of a chain: what an applied unit adds, newest first, page by page."""

from stores_under_test import CHAIN, StoreUnderTest, owned

from actors.store import Idempotency, Unit, UnitStatus


async def test_entries_are_read_newest_first_in_pages(sut: StoreUnderTest) -> None:
    store = sut.store
    units = [Unit(audit=(b"first",)), Unit(audit=(b"second", b"third"))]
    await store.commit(await owned(store), 1, units)
    newest = await store.audit(CHAIN, count=2)
    assert [entry.payload for entry in newest] == [b"third", b"second"]
    rest = await store.audit(CHAIN, before=newest[-1].entry_id, count=2)
    assert [entry.payload for entry in rest] == [b"first"]
    assert await store.audit(CHAIN, before=rest[-1].entry_id) == ()
    assert await store.audit("another") == ()


async def test_a_refused_unit_leaves_no_entry(sut: StoreUnderTest) -> None:
    store = sut.store
    told = Unit(audit=(b"told",), idempotency=Idempotency("k", "f", b"{}"))
    result = await store.commit(await owned(store), 1, [told, told])
    statuses = [outcome.status for outcome in result.outcomes]
    assert statuses == [UnitStatus.APPLIED, UnitStatus.DUPLICATE]
    assert [entry.payload for entry in await store.audit(CHAIN)] == [b"told"]
