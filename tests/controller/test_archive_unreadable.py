"""What cannot be read costs its own row: its neighbours are archived, and it waits to be read."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import orjson
import pytest
from archived_under_test import numbered
from clubs_under_test import CHAIN, seed
from shard_under_test import ShardUnderTest
from stores_under_test import CHAIN as NUMBERED
from stores_under_test import owned
from structlog.testing import capture_logs

from actors.clock import ManualClock
from actors.store import ChainStream, Ownership, StoredEntity, StreamEntry, Unit
from actors.store_memory import MemoryStore
from actors.store_memory_server import MemoryServer
from controller.archive import (
    Archive,
    ArchiveConsumer,
    audit_rows,
    order_rows,
    sums,
    writing,
)
from controller.archive import consumer as consumer_module
from controller.archive.audit_rows import AuditFilter
from controller.archive.rows import Row
from controller.verify import verify
from schemas.commands import (
    CreateOrder,
    CreateSession,
    EndSession,
    OrderMeans,
    OrderPayment,
    PaymentMode,
    ReplyStatus,
    TopUpWallet,
)

LEDGER, OUTBOX = ChainStream.LEDGER, ChainStream.OUTBOX
Spoil = Callable[[bytes], bytes]


def torn(blob: bytes) -> bytes:
    return blob[:-1] + b"\xff"


def newer(blob: bytes) -> bytes:
    return orjson.dumps({**orjson.loads(blob), "v": 99})


def bare(_: bytes) -> bytes:
    return b"[]"


def without_end(blob: bytes) -> bytes:
    """What SQLite would take and PostgreSQL would refuse."""
    return blob.replace(b'"north"', b'"no\\u0000rth"')


@pytest.fixture
async def shard() -> ShardUnderTest:
    """Two orders, and a session that has ended."""
    store = MemoryStore()
    await seed(store)
    shard = await ShardUnderTest(store).take()
    paid = (OrderPayment(means=OrderMeans.CASH, amount_minor=200_00),)
    plays = {"pc_id": "north-main-0", "player_id": "bob", "tariff_id": "standard"}
    for asked in (
        TopUpWallet(player_id="bob", amount_minor=50_00),
        CreateOrder(order_id="first", player_id="ann", tariff_ids=("block",), payments=paid),
        CreateOrder(order_id="second", player_id="ann", tariff_ids=("block",), payments=paid),
        CreateSession(session_id="s1", mode=PaymentMode.PREPAID, start=True, **plays),
    ):
        assert (await shard.command(asked)).status is ReplyStatus.OK
    await shard.wait(minutes=3)
    assert (await shard.command(EndSession(session_id="s1"))).status is ReplyStatus.OK
    return shard


async def seen(store: MemoryStore, archive: Archive) -> set[str]:
    """What verify says of things that wait to be read."""
    rows = (await verify(store, archive)).rows
    return {f"{r.check}: {r.subject}" for r in rows if r.found == "kept aside unread"}


async def unread(archive: Archive, chain_id: str = CHAIN) -> int:
    return (await archive.look(sums.oddities, chain_id)).unreadable


@pytest.mark.parametrize("spoil", [torn, newer, bare, without_end])
async def test_an_order_costs_its_own_row_until_it_can_be_read(
    shard: ShardUnderTest, archive: Archive, spoil: Spoil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_module, "SWEEP_EVERY_STEPS", 1)
    documents = shard.store._server.chain(CHAIN).documents
    sound = documents["order:first"]
    documents["order:first"] = StoredEntity("order:first", sound.version + 1, spoil(sound.blob))
    consumer = ArchiveConsumer(shard.store, archive, shard.clock)
    with capture_logs() as logs:
        for _ in range(3):
            await consumer.step()
    told = [line for line in logs if line["event"] == "archive_unreadable"]
    assert [(line["source"], line["row"]) for line in told] == [("orders", "first")]
    held = await archive.look(order_rows.versions, CHAIN, ["first", "second"])
    assert held == {"second": 2}
    assert await archive.cursor(CHAIN, OUTBOX) == (await shard.store.image(CHAIN)).outbox_until
    assert await unread(archive) == 1
    assert f"orders archive: {CHAIN} first" in await seen(shard.store, archive)
    documents["order:first"] = sound
    await consumer.step()
    assert await archive.look(order_rows.order, CHAIN, "first") == sound.blob
    assert await unread(archive) == 0
    report = await verify(shard.store, archive)
    assert report.ok, report.rows


async def test_an_order_that_left_the_store_unread_is_kept_and_not_waited_for(
    shard: ShardUnderTest, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_module, "SWEEP_EVERY_STEPS", 1)
    documents = shard.store._server.chain(CHAIN).documents
    documents["order:first"] = StoredEntity("order:first", 9, b"\xff")
    consumer = ArchiveConsumer(shard.store, archive, shard.clock)
    await consumer.step()
    del documents["order:first"]
    await consumer.step()
    assert await unread(archive) == 0
    kept = [row for _, part in archive.chain_rows(CHAIN) for row in part if "cause" in row]
    assert [(row["row_id"], row["settled"]) for row in kept] == [("first", "gone")]
    # It is no text, and a backup carries it all the same.
    assert kept[0]["document"] == {"base64": "/w=="}


@pytest.mark.parametrize("spoil", [torn, bare, without_end])
async def test_a_final_document_costs_its_own_row_and_stays_in_the_store(
    shard: ShardUnderTest, archive: Archive, spoil: Spoil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_module, "SWEEP_EVERY_STEPS", 1)
    closed = shard.store._server.chain(CHAIN).closed
    sound = closed["s1"]
    closed["s1"] = StoredEntity("s1", sound.version, spoil(sound.blob))
    closed["s2"] = StoredEntity("s2", 1, sound.blob)
    consumer = ArchiveConsumer(shard.store, archive, shard.clock, closed_kept_ms=-1)
    await consumer.step()
    assert await archive.archived_among(CHAIN, ["s1", "s2"]) == set(), "events may come yet"
    await consumer.step()
    assert await archive.archived_among(CHAIN, ["s1", "s2"]) == {"s2"}
    assert await unread(archive) == 1
    assert await shard.store.closed_ids(CHAIN) == ("s1",)
    assert f"sessions archive: {CHAIN} s1" in await seen(shard.store, archive)
    closed["s1"] = sound
    await consumer.step()
    assert await archive.session(CHAIN, "s1") == sound
    assert await unread(archive) == 0


async def test_a_correction_that_cannot_be_read_is_not_let_go_of(
    shard: ShardUnderTest, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The archive has the version before it, and the store the only copy of this one."""
    monkeypatch.setattr(consumer_module, "SWEEP_EVERY_STEPS", 1)
    closed = shard.store._server.chain(CHAIN).closed
    consumer = ArchiveConsumer(shard.store, archive, shard.clock)
    await consumer.step()
    before = closed["s1"]
    closed["s1"] = StoredEntity("s1", before.version + 1, b"\xff")
    sweeping = ArchiveConsumer(shard.store, archive, shard.clock, closed_kept_ms=-1)
    await sweeping.step()
    assert await archive.session(CHAIN, "s1") == before
    assert await shard.store.closed_ids(CHAIN) == ("s1",)
    assert await unread(archive) == 1


async def happens(store: MemoryStore, shard: Ownership, *units: Unit) -> None:
    for number, unit in enumerate(units, start=1):
        assert not (await store.commit(shard, number, [unit])).fenced


ODD = [
    b"\xff",
    b"[]",
    b"{}",
    b'{"id":7,"at_ms":1,"kind":"step","entries":[]}',
    b'{"id":"t","at_ms":9223372036854775808,"kind":"step","entries":[]}',
    b'{"id":"t","at_ms":1,"kind":"step","entries":[{"account":"a\\u0000","amount_minor":1}]}',
    b'{"id":"t","at_ms":1,"kind":"step","entries":[{"account":"a","amount_minor":"1"}]}',
    b'{"event":{"session_id":"s1","club_id":"c1","seq":"1","kind":"k","at_ms":1}}',
    b'{"event":{"session_id":["s1"],"club_id":"c1","seq":1,"kind":"k","at_ms":1}}',
]


@pytest.mark.parametrize("odd", ODD)
async def test_an_entry_costs_itself_and_the_stream_goes_on(archive: Archive, odd: bytes) -> None:
    store = MemoryStore()
    await store.put(NUMBERED, {"chain": b"{}"})
    (first, told), (second, told_more) = numbered(0), numbered(1)
    unit = Unit(transactions=(first, odd, second), events=(told, odd, told_more))
    await happens(store, await owned(store), unit)
    await ArchiveConsumer(store, archive, ManualClock()).step()
    assert [one.payload for one in await archive.transactions(NUMBERED)] == [first, second]
    assert [one.payload for one in await archive.events(NUMBERED)] == [told, told_more]
    assert await archive.cursor(NUMBERED, LEDGER) == (await store.image(NUMBERED)).ledger_until
    assert await unread(archive, NUMBERED) == 2
    assert len(await seen(store, archive)) == 2


async def test_a_later_release_reads_what_an_earlier_one_could_not(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    await store.put(NUMBERED, {"chain": b"{}"})
    pairs = [numbered(number) for number in range(3)]
    audit = (b'{"at_ms":1,"club_id":"c","principal":"p","operation":"o","result":"ok"}', b"[]")
    unit = Unit(transactions=tuple(t for t, _ in pairs), events=tuple(e for _, e in pairs))
    await happens(store, await owned(store), unit, Unit(audit=audit))
    made = writing._transaction

    def too_new(chain_id: str, entry: StreamEntry, transaction: Mapping[str, Any]) -> Row:
        if transaction["id"] == "step/s1/0/1":
            raise KeyError("of a later release")
        return made(chain_id, entry, transaction)

    consumer = ArchiveConsumer(store, archive, ManualClock())
    with monkeypatch.context() as earlier:
        earlier.setattr(writing, "_transaction", too_new)
        await consumer.step()
    assert await unread(archive, NUMBERED) == 2
    assert len(await archive.transactions(NUMBERED)) == 2
    assert await archive.look(sums.wrong_totals, NUMBERED) == []
    monkeypatch.setattr(consumer_module, "SWEEP_EVERY_STEPS", 1)
    await consumer.step()
    assert [one.payload for one in await archive.transactions(NUMBERED)] == [t for t, _ in pairs]
    assert await archive.look(sums.wrong_totals, NUMBERED) == []
    # The audit's is of no release.
    assert await unread(archive, NUMBERED) == 1
    page = await archive.look(audit_rows.audit_page, NUMBERED, AuditFilter(), before=None, count=9)
    assert [one.payload for one in page] == [audit[0]]


async def test_a_store_that_goes_back_loses_what_cannot_be_read_as_it_does_the_rest(
    archive: Archive,
) -> None:
    server = MemoryServer()
    store = MemoryStore(server)
    await store.put(NUMBERED, {"chain": b"{}"})
    (kept, _), (lost, _), (other, _) = numbered(0), numbered(1), numbered(1, line=1)
    shard = await owned(store)
    await store.commit(shard, 1, [Unit(transactions=(kept, b"[1]"))])
    image = deepcopy(server.chain(NUMBERED))
    await store.commit(shard, 2, [Unit(transactions=(lost, b"[2]"))])
    await ArchiveConsumer(store, archive, ManualClock()).step()
    assert await unread(archive, NUMBERED) == 2
    server._chains[NUMBERED] = image
    await store.commit(shard, 2, [Unit(transactions=(other,))])
    await ArchiveConsumer(store, archive, ManualClock()).step()
    assert [one.payload for one in await archive.transactions(NUMBERED)] == [kept, other]
    assert await unread(archive, NUMBERED) == 1
    found = {
        (row["cause"], row["document"], row["settled"])
        for table, part in archive.chain_rows(NUMBERED)
        if table == "set_aside"
        for row in part
    }
    assert found == {
        ("unreadable", "[1]", None),
        ("rewind", lost.decode(), None),
        ("rewind", "[2]", "gone"),
    }
