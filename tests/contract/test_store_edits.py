"""Edits of what is configured: whole or not at all, once, and only on what their author read."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stores_under_test import APPLIED, CHAIN, StoreUnderTest, owned, player_write, tell

from actors.store import (
    BookChange,
    CatalogueEdit,
    ClubTakenError,
    EntityWrite,
    FieldChange,
    Idempotency,
    Scope,
    Store,
    Unit,
    UnitOutcome,
    UnitStatus,
)
from actors.store_memory import MemoryStore
from actors.store_redis import RedisStore

STALE = UnitOutcome(UnitStatus.STALE, name="catalogue")
ASKED = Idempotency("api:k1", "print", '{"ответ":"A:1"}'.encode())


async def contents(store: Store) -> list[object]:
    image = await store.catalogue_image(CHAIN)
    audit = [entry.payload for entry in await store.audit(CHAIN)]
    return [image, await store.documents_by_prefix(CHAIN, ""), audit]


async def test_an_edit_writes_all_of_it(sut: StoreUnderTest) -> None:
    store = sut.store
    await store.put(CHAIN, {"chain": b"{}", "zone:z": b"old"})
    image = await store.catalogue_image(CHAIN)
    assert image.fields == {"chain": b"{}", "zone:z": b"old"}
    edit = CatalogueEdit(
        revision=image.revision,
        fields={"zone:z": None, "zone:y": "Зал".encode()},
        documents=(player_write("p1", 0, b"1:2"), player_write("p2", 0)),
        audit=(b"who",),
        idempotency=ASKED,
    )
    assert await store.edit(CHAIN, edit) == APPLIED
    after = await store.catalogue_image(CHAIN)
    assert after.revision == image.revision + 1
    assert after.fields == {"chain": b"{}", "zone:y": "Зал".encode()}
    found = await store.documents(CHAIN, ["player:p1", "player:p2"])
    assert [(one.version, one.blob) for one in found.values()] == [(1, b"1:2"), (1, b"{}")]
    assert [entry.payload for entry in await store.audit(CHAIN)] == [b"who"]
    assert await store.answer(CHAIN, "api:k1") == ASKED
    assert await store.answer(CHAIN, "api:k2") is None


async def test_an_edit_happens_once_and_its_key_serves_nothing_else(sut: StoreUnderTest) -> None:
    store = sut.store
    edit = CatalogueEdit(fields={"zone:z": b"1"}, idempotency=ASKED)
    assert await store.edit(CHAIN, edit) == APPLIED
    before = await contents(store)
    assert await store.edit(CHAIN, edit) == UnitOutcome(UnitStatus.DUPLICATE, reply=ASKED.reply)
    other = CatalogueEdit(
        fields={"zone:z": b"2"}, idempotency=Idempotency("api:k1", "another", b"{}")
    )
    assert await store.edit(CHAIN, other) == UnitOutcome(UnitStatus.KEY_REUSED)
    assert await contents(store) == before


async def test_a_command_and_an_edit_share_their_keys(sut: StoreUnderTest) -> None:
    store = sut.store
    await store.commit(await owned(store), 1, [Unit(idempotency=ASKED)])
    assert await store.answer(CHAIN, ASKED.key) == ASKED
    edit = CatalogueEdit(fields={"zone:z": b"1"}, idempotency=ASKED)
    assert (await store.edit(CHAIN, edit)).status is UnitStatus.DUPLICATE


async def test_an_edit_decided_on_another_catalogue_is_refused(sut: StoreUnderTest) -> None:
    store = sut.store
    read = await store.catalogue_image(CHAIN)
    await store.put(CHAIN, {"zone:y": b"1"})
    edit = CatalogueEdit(revision=read.revision, fields={"zone:z": b"1"}, audit=(b"a",))
    before = await contents(store)
    assert await store.edit(CHAIN, edit) == STALE
    assert await contents(store) == before
    again = CatalogueEdit(
        revision=(await store.catalogue_image(CHAIN)).revision, fields={"zone:z": b"1"}
    )
    assert await store.edit(CHAIN, again) == APPLIED
    assert await store.edit(CHAIN, again) == STALE


async def test_a_document_changed_meanwhile_refuses_the_whole_edit(sut: StoreUnderTest) -> None:
    store = sut.store
    await store.add_documents(CHAIN, {"player:p1": b"1"})
    edit = CatalogueEdit(
        fields={"zone:z": b"1"}, documents=(player_write("p2", 0), player_write("p1", 2))
    )
    before = await contents(store)
    stale = UnitOutcome(UnitStatus.STALE, name="player:p1")
    assert await store.edit(CHAIN, edit) == stale
    assert await contents(store) == before
    gone = EntityWrite("player:p1", 1, None, Scope.CHAIN)
    assert await store.edit(CHAIN, CatalogueEdit(documents=(gone,))) == APPLIED
    assert await store.documents(CHAIN, ["player:p1"]) == {}


async def test_an_edit_changes_a_book_only_as_it_was_read(sut: StoreUnderTest) -> None:
    store = sut.store
    made = BookChange("arena", {"code:a": FieldChange(None, b"1"), "pc:b": FieldChange(None, b"2")})
    edit = CatalogueEdit(book=made, audit=(b"who",), idempotency=ASKED)
    assert await store.edit(CHAIN, edit) == APPLIED
    assert await store.enrolment(CHAIN, "arena") == {"code:a": b"1", "pc:b": b"2"}
    assert (await store.edit(CHAIN, edit)).status is UnitStatus.DUPLICATE
    before = await contents(store)
    stale = BookChange(
        "arena", {"code:a": FieldChange(b"0", b"3"), "pc:b": FieldChange(b"2", None)}
    )
    outcome = await store.edit(CHAIN, CatalogueEdit(fields={"zone:z": b"1"}, book=stale))
    assert outcome == UnitOutcome(UnitStatus.STALE, name="enrolment")
    assert await contents(store) == before
    taken = BookChange(
        "arena", {"code:a": FieldChange(b"1", b"3"), "pc:b": FieldChange(b"2", None)}
    )
    assert await store.edit(CHAIN, CatalogueEdit(book=taken)) == APPLIED
    assert await store.enrolment(CHAIN, "arena") == {"code:a": b"3"}
    assert await store.enrolment(CHAIN, "elsewhere") == {}


async def test_of_many_edits_on_one_reading_one_wins(sut: StoreUnderTest) -> None:
    store = sut.store
    read = await store.catalogue_image(CHAIN)
    edits = [
        CatalogueEdit(revision=read.revision, fields={"zone:z": b"%d" % number})
        for number in range(20)
    ]
    outcomes = await asyncio.gather(*(store.edit(CHAIN, edit) for edit in edits))
    assert sorted(outcome.status for outcome in outcomes) == ["applied"] + ["stale"] * 19


async def test_a_club_of_another_chain_cannot_be_edited_in(sut: StoreUnderTest) -> None:
    store = sut.store
    await store.put("south", {"club:c1": b"1"})
    with pytest.raises(ClubTakenError, match="c1"):
        await store.edit(CHAIN, CatalogueEdit(fields={"club:c1": b"2", "zone:z": b"1"}))
    assert (await store.catalogue_image(CHAIN)).fields == {}


async def test_hosts_are_told_of_the_catalogue_and_of_players(sut: StoreUnderTest) -> None:
    store = sut.store

    async def edit_both() -> None:
        documents = (player_write("p1", 0), player_write("p2", 0))
        await store.edit(CHAIN, CatalogueEdit(fields={"zone:z": b"1"}, documents=documents))

    async with asyncio.timeout(5):
        changes = cast("AsyncGenerator[Any]", store.catalogue_changes(edit_both))
        async with aclosing(changes):
            assert await anext(changes) == CHAIN

    async def edit_players() -> None:
        documents = (player_write("p1", 1), player_write("p3", 0))
        await store.edit(CHAIN, CatalogueEdit(documents=documents))

    async with asyncio.timeout(5):
        players = cast("AsyncGenerator[Any]", store.player_changes(edit_players))
        async with aclosing(players):
            assert [await anext(players), await anext(players)] == [(CHAIN, "p1"), (CHAIN, "p3")]


def test_an_edit_writes_nothing_of_a_shard() -> None:
    with pytest.raises(ValueError, match="chain documents"):
        CatalogueEdit(documents=(EntityWrite("session:s1", 0, b"{}"),))


NAMES = st.sampled_from(["a", "b"])
BLOBS = st.one_of(st.none(), st.sampled_from([b"{}", b"2:3", "Ж".encode()]))
EDITS = st.builds(
    CatalogueEdit,
    revision=st.one_of(st.none(), st.integers(0, 4)),
    fields=st.dictionaries(NAMES, BLOBS, max_size=2),
    documents=st.lists(
        st.builds(EntityWrite, NAMES, st.integers(0, 2), BLOBS, st.just(Scope.CHAIN)),
        max_size=2,
        unique_by=lambda write: write.key,
    ).map(tuple),
    audit=st.lists(st.sampled_from([b"x", b"y"]), max_size=1).map(tuple),
    idempotency=st.one_of(
        st.none(), st.builds(Idempotency, NAMES, st.sampled_from(["f", "g:1"]), st.just(b"r"))
    ),
)


@pytest.mark.parametrize("kind", ["valkey", "redis"])
@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(edits=st.lists(EDITS, min_size=1, max_size=8))
async def test_any_edits_have_the_same_effect_on_the_twins(
    servers: Any, kind: str, edits: list[CatalogueEdit]
) -> None:
    server = servers.empty(kind)
    assert tell(server.port, "FLUSHALL") == b"+OK\r\n"
    store = RedisStore.open(server.url)
    try:
        assert await played(store, edits) == await played(MemoryStore(), edits)
    finally:
        await store.close()


async def played(store: Store, edits: list[CatalogueEdit]) -> list[object]:
    return [*[await store.edit(CHAIN, edit) for edit in edits], await contents(store)]
