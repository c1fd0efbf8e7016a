"""Damage that leaves every sum right: each is found by what must be equal to what, and named."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from clubs_under_test import CHAIN
from day_under_test import told
from prepaid_day_under_test import ordered, played_prepaid_day

from actors.store import (
    BalancesImage,
    ChainStream,
    DocumentsPage,
    ShardsImage,
    StoredEntity,
)
from actors.store_memory import MemoryStore
from actors.store_memory_chain import MemoryChain
from actors.store_memory_server import MemoryServer
from controller.archive import ArchiveConsumer, open_archive
from controller.verify import verify
from controller.verify.watch import BooksWatch
from schemas.commands import EndSession, RefundOrder

Tamper = Callable[[MemoryChain], None]


def _document(key: str, edit: Callable[[dict[str, Any]], object]) -> Tamper:
    def tamper(chain: MemoryChain) -> None:
        stored = chain.documents[key]
        document = orjson.loads(stored.blob)
        edit(document)
        chain.documents[key] = replace(stored, blob=orjson.dumps(document))

    return tamper


def _pack(**changes: object) -> Tamper:
    return _document("bought:ann", lambda d: d["player_tariffs"][0].update(changes))


def _posted(name: str, *moves: tuple[str, int], kind: str = "top_up") -> Tamper:
    """A transaction that sums to zero, with balances that follow it."""

    def tamper(chain: MemoryChain) -> None:
        entries = [{"account": one, "amount_minor": amount_minor} for one, amount_minor in moves]
        document = {"id": name, "at_ms": 1, "kind": kind, "entries": entries, "session_id": None}
        chain.streams[ChainStream.LEDGER].append(orjson.dumps(document))
        for one, amount_minor in moves:
            chain.balances[one] = chain.balances.get(one, 0) + amount_minor

    return tamper


def _paid_by_another(chain: MemoryChain) -> None:
    """A step of Bob's out of Ann's wallet; both balances agree with the ledger."""
    entries = chain.streams[ChainStream.LEDGER].entries
    number = next(n for n, payload in entries.items() if b'"step/s2/0/1"' in payload)
    document = orjson.loads(entries[number])
    for side in document["entries"]:
        if side["account"] == "EUR:wallet:bob:cash":
            side["account"] = "EUR:wallet:ann:cash"
            chain.balances["EUR:wallet:bob:cash"] -= side["amount_minor"]
            chain.balances["EUR:wallet:ann:cash"] += side["amount_minor"]
    entries[number] = orjson.dumps(document)


def _tile_of_nobody(chain: MemoryChain) -> None:
    tile = orjson.loads(chain.halls["north"]["north-main-0"])
    tile["session_id"] = "nobody"
    chain.halls["north"]["north-main-0"] = orjson.dumps(tile)


def _prices(order: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    return [(order["lines"][0], "price_minor"), (order["payments"][0], "amount_minor")]


def _last_event_lost(source: str) -> Tamper:
    def tamper(chain: MemoryChain) -> None:
        entries = chain.streams[ChainStream.OUTBOX].entries
        del entries[max(n for n, p in entries.items() if orjson.loads(p)["source"] == source)]

    return tamper


def _end_told(**changes: object) -> Tamper:
    def tamper(chain: MemoryChain) -> None:
        entries = chain.streams[ChainStream.OUTBOX].entries
        number = next(n for n, p in entries.items() if b'"session_ended"' in p and b'"p1"' in p)
        entry = orjson.loads(entries[number])
        entry["event"]["payload"].update(changes)
        entries[number] = orjson.dumps(entry)

    return tamper


DAMAGED: dict[str, tuple[Tamper, str, str]] = {
    "a pack with more time than was bought": (
        _pack(total_ms=10**12),
        "bought time",
        "ann/",
    ),
    "a pack more of which was used than it has": (_pack(used_ms=10**11), "bought time", "ann/"),
    "a pack with more visits than were bought": (
        _pack(total_sessions=1, used_sessions=2),
        "bought visits",
        "ann/",
    ),
    "a pack that is worth more than was paid": (
        _pack(earned_minor=-1_000_00),
        "bought money",
        "ann/",
    ),
    "a pack of somebody else": (_pack(holder_id="bob"), "bought holder", "ann/"),
    "a pack worth a cent less": (_pack(earned_minor=1), "prepaid time", "EUR:deferred:north"),
    "packs that are gone": (
        lambda chain: chain.documents.pop("bought:ann"),  # type: ignore[arg-type, return-value]
        "prepaid time",
        "EUR:deferred:north",
    ),
    "packs nobody can read": (
        _document("bought:ann", lambda d: d.update(v=99)),
        "bought readable",
        "ann",
    ),
    "a purchase booked twice, by another name": (
        _posted(
            "command/again/0",
            ("EUR:desk:north:cash", -100_00),
            ("EUR:deferred:north", 100_00),
            kind="purchase",
        ),
        "prepaid time",
        "EUR:deferred:north",
    ),
    "a wallet below its limit": (
        _posted(
            "command/z/0", ("EUR:wallet:bob:cash", -9_000_00), ("EUR:desk:north:cash", 9_000_00)
        ),
        "wallet limit",
        "EUR:wallet:bob:cash",
    ),
    "a step paid by another's wallet": (_paid_by_another, "wallet of a session", "step/s2/0/1"),
    "a player who plays without a claim": (
        lambda chain: chain.claims.pop("playing/bob"),  # type: ignore[arg-type, return-value]
        "claim",
        "playing/bob",
    ),
    "a tile of nobody's": (_tile_of_nobody, "tile", "north/north-main-0"),
    "a bill that is gone": (
        lambda chain: chain.documents.pop("order:p1"),  # type: ignore[arg-type, return-value]
        "bill paid",
        "p1",
    ),
    "a bill that says more was paid": (
        _document("order:p1", lambda d: d["payments"][0].update(amount_minor=5_00)),
        "bill paid",
        "p1",
    ),
    "a bill that says more was given back": (
        _document("order:p1", lambda d: d["refunds"][0].update(cash_minor=2_00)),
        "bill given back",
        "p1",
    ),
    "a bill with another price": (
        _document("order:p1", lambda d: d["lines"][0].update(price_minor=11_00)),
        "bill due",
        "p1",
    ),
    "a paid session's bill that is gone": (
        lambda chain: chain.documents.pop("order:p0"),  # type: ignore[arg-type, return-value]
        "bill given back",
        "p0",
    ),
    "an order nobody can read": (
        _document("order:o1", lambda d: d.update(v=99)),
        "order readable",
        "o1",
    ),
    "an order with another price": (
        _document("order:o1", lambda d: d["lines"][0].update(price_minor=1)),
        "order paid",
        "o1",
    ),
    "an order that sold something dearer": (
        _document(
            "order:o1",
            lambda d: [one.update({k: 200_00}) for one, k in _prices(d)],
        ),
        "order price",
        "o1/0",
    ),
    "an order that says more was given back": (
        _document("order:o1", lambda d: d["refunds"][0].update(cash_minor=30_00)),
        "order given back",
        "o1/0",
    ),
    "a pack of another order": (_pack(order_id="o2"), "order line", "o1/0"),
    "an order that lost count of its events": (
        _document("order:o1", lambda d: d.update(event_seq=9)),
        "event sequence",
        "order:o1",
    ),
    "an order's last event lost": (
        _last_event_lost("order:o1"),
        "event sequence",
        "order:o1",
    ),
    "an order that is gone": (
        lambda chain: chain.documents.pop("order:o2"),  # type: ignore[arg-type, return-value]
        "event of nothing",
        "order:o2",
    ),
    "the event of an end with another amount": (
        _end_told(amount_minor=1),
        "event of the end",
        "p1",
    ),
    "the event of an end with another reason": (
        _end_told(reason="Nobody"),
        "event of the end",
        "p1",
    ),
}
"""By what was done: how, which check says so, and of what."""
UNSEEN: frozenset[str] = frozenset({"an order that is gone"})
"""Found by the whole check only, which reads all of history."""
NOT_ARCHIVED: frozenset[str] = frozenset({"an order nobody can read"})
"""Where the archive stops before it."""


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "background"])
@pytest.mark.parametrize("archived", [True, False], ids=["archived", "store alone"])
async def test_a_prepaid_day_is_sound(tmp_path: Path, whole: bool, archived: bool) -> None:
    store = MemoryStore()
    shard = await played_prepaid_day(store)
    archive = open_archive(f"sqlite:///{tmp_path / 'archive.db'}")
    if archived:
        await ArchiveConsumer(store, archive, shard.clock).step()
    if whole:
        report = await verify(store, archive)
    else:
        report = await BooksWatch(store, archive).check()
    assert report.ok, report.rows
    archive.close()


@pytest.mark.parametrize("case", DAMAGED)
async def test_what_is_damaged_is_found_and_named(tmp_path: Path, case: str) -> None:
    tamper, check, subject = DAMAGED[case]
    server = MemoryServer()
    store = MemoryStore(server)
    shard = await played_prepaid_day(store)
    tamper(server.chain(CHAIN))
    archive = open_archive(f"sqlite:///{tmp_path / 'archive.db'}")
    reports = [await verify(store, None)]
    # An archive that has read what is damaged from the beginning, so that it says the same.
    if case not in NOT_ARCHIVED:
        await ArchiveConsumer(store, archive, shard.clock).step()
    reports.append(await verify(store, archive))
    if case not in UNSEEN:
        reports.append(await BooksWatch(store, archive).check())
    for report in reports:
        named = [(row.check, row.subject) for row in report.rows]
        assert any(c == check and s.startswith(f"{CHAIN} {subject}") for c, s in named), named
    archive.close()


class MovingStore(MemoryStore):
    """Something happens in the club before each of the next readings."""

    def __init__(self, server: MemoryServer) -> None:
        super().__init__(server)
        self.next: list[Callable[[], Awaitable[object]]] = []

    async def _move(self) -> None:
        if self.next:
            await self.next.pop(0)()

    async def documents_page(self, chain_id: str, prefix: str, after: str | None) -> DocumentsPage:
        await self._move()
        return await super().documents_page(chain_id, prefix, after)

    async def balances_image(self, chain_id: str, accounts: Sequence[str]) -> BalancesImage:
        await self._move()
        return await super().balances_image(chain_id, accounts)

    async def shards_image(self, chain_id: str, numbers: Sequence[int]) -> ShardsImage:
        await self._move()
        return await super().shards_image(chain_id, numbers)

    async def documents(self, chain_id: str, keys: Sequence[str]) -> dict[str, StoredEntity]:
        await self._move()
        return await super().documents(chain_id, keys)


@pytest.mark.parametrize("busy", ["everything", "a bill", "a paid session's bill", "an order"])
@pytest.mark.parametrize("still", [0, 3, 34])
async def test_nothing_that_moves_meanwhile_is_taken_for_damage(
    tmp_path: Path, still: int, busy: str
) -> None:
    server = MemoryServer()
    shard = await played_prepaid_day(MemoryStore(server))
    store, archive = MovingStore(server), open_archive(f"sqlite:///{tmp_path / 'archive.db'}")
    await ArchiveConsumer(store, archive, shard.clock).step()

    async def nothing() -> None:
        return None

    async def minute() -> None:
        await shard.wait(minutes=1)

    def asked(command: Any) -> Callable[[], Awaitable[object]]:
        async def ask() -> None:
            await told(shard, command)

        return ask

    def given_back(order_id: str) -> Callable[[], Awaitable[object]]:
        return asked(RefundOrder.model_validate({"order_id": order_id, "amount_minor": 1}))

    only = {"a bill": "p1", "a paid session's bill": "p0", "an order": "o1"}
    store.next = [nothing] * still
    for number in range(14):
        if busy in only:
            store.next += [given_back(only[busy])] * 6
            continue
        store.next += [minute, asked(ordered(f"m{number}", "bob")), given_back("p1")]
        store.next += [given_back("o1"), given_back("p0"), minute]
    store.next += [asked(EndSession(session_id="s3"))]
    for report in (await verify(store, archive), await BooksWatch(store, archive).check()):
        assert report.ok, report.rows
    assert len(store.next) < 24
    archive.close()
