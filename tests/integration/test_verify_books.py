"""A sound day passes; every way in which books can be wrong is found and named."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from clubs_under_test import CHAIN
from day_under_test import played_day
from stores_under_test import running_server

from actors.clock import ManualClock
from actors.store import ChainStream, StoredEntity
from actors.store_memory import MemoryStore
from actors.store_memory_chain import MemoryChain
from actors.store_memory_server import MemoryServer
from actors.store_redis import RedisStore
from controller.archive import ArchiveConsumer, open_archive
from controller.verify import verify

Edit = Callable[[dict[str, Any]], None]


async def test_a_day_of_every_operation_is_sound() -> None:
    store = MemoryStore()
    await played_day(store)
    report = await verify(store, None)
    assert report.ok, report.rows
    assert (report.chains, report.sessions) == (1, 4)
    assert report.transactions > 30
    assert report.accounts >= 4


@pytest.mark.integration
async def test_a_day_on_a_real_server_is_sound(tmp_path: Path) -> None:
    with running_server(tmp_path / "state") as server:
        store = RedisStore.open(server.url)
        await played_day(store)
        report = await verify(store, None)
        assert report.ok, report.rows
        assert report.sessions == 4
        await store.close()


async def test_an_empty_store_is_sound() -> None:
    assert (await verify(MemoryStore(), None)).ok


def _shift(account: str) -> Callable[[MemoryChain], None]:
    def tamper(chain: MemoryChain) -> None:
        chain.balances[account] += 1

    return tamper


def _entry(find: str, edit: Edit, stream: ChainStream = ChainStream.LEDGER) -> Any:
    """Rewrite the first stream entry whose JSON contains ``find``."""

    def tamper(chain: MemoryChain) -> None:
        entries = chain.streams[stream].entries
        number = next(n for n, payload in entries.items() if find.encode() in payload)
        document = orjson.loads(entries[number])
        edit(document)
        entries[number] = orjson.dumps(document)

    return tamper


def _drop(find: str, stream: ChainStream = ChainStream.LEDGER) -> Any:
    def tamper(chain: MemoryChain) -> None:
        entries = chain.streams[stream].entries
        del entries[next(n for n, payload in entries.items() if find.encode() in payload)]

    return tamper


def _twice(find: str, stream: ChainStream = ChainStream.LEDGER) -> Any:
    def tamper(chain: MemoryChain) -> None:
        entries = chain.streams[stream].entries
        chain.streams[stream].append(next(p for p in entries.values() if find.encode() in p))

    return tamper


def _stored(entity: StoredEntity, edit: Edit) -> StoredEntity:
    document = orjson.loads(entity.blob)
    edit(document)
    return replace(entity, blob=orjson.dumps(document))


def _open(key: str, edit: Edit) -> Any:
    def tamper(chain: MemoryChain) -> None:
        shard = next(entities for entities in chain.shards.values() if key in entities)
        shard[key] = _stored(shard[key], edit)

    return tamper


def _closed(session_id: str, edit: Edit) -> Any:
    def tamper(chain: MemoryChain) -> None:
        chain.closed[session_id] = _stored(chain.closed[session_id], edit)

    return tamper


def _add(document: Any, field: str, amount: int) -> None:
    document[field] += amount


LOST = {
    "player_tariff_id": "o1-0",
    "tariff": {"id": "block", "version": 1},
    "purchase_id": None,
    "amount_minor": 5,
    "bonus_minor": 0,
}
TAMPERED: dict[str, tuple[Any, str, str]] = {
    "a wallet with a cent too much": (
        _shift("EUR:wallet:ann:cash"),
        "balance",
        "EUR:wallet:ann:cash",
    ),
    "money from nowhere": (_shift("EUR:revenue:north"), "currency sum", "EUR"),
    "one side of a transaction": (
        _entry("step/s1/0/1", lambda t: _add(t["entries"][0], "amount_minor", 1)),
        "transaction sum",
        "step/s1/0/1",
    ),
    "a step charged twice": (_twice("step/s1/0/2"), "transaction id", "step/s1/0/2"),
    "a step charged twice, by another name": (
        _entry("step/s2/0/3", lambda t: t.update(id="step/s2/0/x", step_index=2)),
        "steps",
        "s2/0",
    ),
    "a minute lost": (_drop("step/s2/0/4"), "steps", "s2/0"),
    "a step of no segment": (
        _entry("step/s2/0/14", lambda t: t.update(segment_index=7)),
        "steps",
        "s2/7",
    ),
    "a transaction of no session": (
        _entry("step/s1/0/0", lambda t: t.update(session_id="s9")),
        "transaction of a session",
        "step/s1/0/0",
    ),
    "an event lost": (
        _drop('"id":"session:s1:2"', ChainStream.OUTBOX),
        "event sequence",
        "session:s1",
    ),
    "an event twice": (
        _twice('"id":"session:s1:2"', ChainStream.OUTBOX),
        "event sequence",
        "session:s1",
    ),
    "an event of no session": (
        _entry('"id":"session:s1:2"', lambda e: e.update(source="session:s9"), ChainStream.OUTBOX),
        "event of nothing",
        "session:s9",
    ),
    "a PC that lost count of its events": (
        _open("pc:north-main-1", lambda pc: pc.update(event_seq=7)),
        "event sequence",
        "pc:north-main-1",
    ),
    "a receipt with another total": (
        _closed("s1", lambda d: _add(d["receipt"], "total_minor", 1)),
        "receipt total_minor",
        "s1",
    ),
    "a receipt without a segment": (
        _closed("s1", lambda d: d["receipt"].update(segments=[])),
        "receipt segments",
        "s1",
    ),
    "more change than was handed back": (
        _closed("s1", lambda d: d["state"].update(handed_back={"card_minor": 0, "cash_minor": 5})),
        "handed back",
        "s1",
    ),
    "a receipt that hands back what the session does not": (
        _closed(
            "s1", lambda d: d["receipt"].update(handed_back={"card_minor": 1, "cash_minor": 0})
        ),
        "receipt handed back",
        "s1",
    ),
    "a forfeit of nothing": (
        _closed("s1", lambda d: d["state"].update(forfeits=[LOST])),
        "forfeited",
        "s1",
    ),
    "a receipt with a forfeit of its own": (
        _closed("s1", lambda d: d["receipt"].update(forfeits=[LOST])),
        "receipt forfeits",
        "s1",
    ),
    "receipt lines that do not add up": (
        _closed("s1", lambda d: _add(d["receipt"]["segments"][0]["lines"][0], "amount_minor", 1)),
        "receipt lines",
        "s1/0",
    ),
    "a segment that owes more than was posted": (
        _open("session:s4", lambda s: _add(s["segments"][-1], "amount_minor", 1)),
        "segment amount",
        "s4/",
    ),
    "a session nobody can read": (
        _open("session:s4", lambda s: s.update(v=99)),
        "session readable",
        "s4",
    ),
    "a claim of an ended session": (
        lambda chain: chain.claims.update({"playing/bob": "s2"}),
        "claim",
        "playing/bob",
    ),
    "a claim of another player's session": (
        lambda chain: chain.claims.update({"playing/bob": "s4"}),
        "claim",
        "playing/bob",
    ),
    "a PC held by an ended session": (
        _open("pc:north-main-1", lambda pc: pc["target"].update(session_id="s2")),
        "pc",
        "north-main-1",
    ),
    "a PC held by a session that is elsewhere": (
        _open("pc:north-main-1", lambda pc: pc["target"].update(session_id="s4")),
        "pc",
        "north-main-1",
    ),
    "a session nobody can find": (lambda chain: chain.index.pop("s4"), "session index", "s4"),
    "an index entry of no session": (
        lambda chain: chain.index.update(s9="north"),
        "session index",
        "s9",
    ),
}


@pytest.mark.parametrize("case", TAMPERED)
async def test_what_is_wrong_is_found_and_named(case: str) -> None:
    tamper, check, subject = TAMPERED[case]
    server = MemoryServer()
    store = MemoryStore(server)
    await played_day(store)
    tamper(server.chain(CHAIN))
    report = await verify(store, None)
    assert not report.ok
    named = [(row.check, row.subject) for row in report.rows]
    assert any(c == check and s.startswith(f"{CHAIN} {subject}") for c, s in named), named
    assert all(row.expected != row.found for row in report.rows)


async def test_a_store_without_its_history_needs_the_archive(tmp_path: Path) -> None:
    store = MemoryStore()
    await played_day(store)
    archive = open_archive(f"sqlite:///{tmp_path / 'archive.db'}")
    later = ManualClock(wall_ms=2**45)
    consumer = ArchiveConsumer(store, archive, later, stream_kept_ms=0, closed_kept_ms=0)
    assert await consumer.step() > 40
    assert len(await store.stream(CHAIN, ChainStream.LEDGER)) == 1
    assert await store.closed_sessions(CHAIN) == ()
    assert not (await verify(store, None)).ok
    report = await verify(store, archive)
    assert report.ok, report.rows
    assert report.sessions == 4
    archive.close()


async def test_an_archive_that_says_otherwise_is_found(tmp_path: Path) -> None:
    server = MemoryServer()
    store = MemoryStore(server)
    await played_day(store)
    archive = open_archive(f"sqlite:///{tmp_path / 'archive.db'}")
    await ArchiveConsumer(store, archive, ManualClock()).step()
    assert (await verify(store, archive)).ok
    _entry("step/s1/0/1", lambda t: t.update(at_ms=0))(server.chain(CHAIN))
    report = await verify(store, archive)
    assert [row.check for row in report.rows] == ["ledger archive"]
    archive.close()
