"""The archive holds every row once, whoever is killed, whenever, and however often it is read."""

import asyncio
import os
import random
import signal
import sqlite3
import sys
from pathlib import Path

import orjson
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from clubs_under_test import CHAIN as ORBIT
from day_under_test import played_day
from sqlalchemy import create_engine
from stores_under_test import CHAIN, owned, running_server, wallet

from actors.clock import ManualClock
from actors.store import ChainStream, StoredEntity, StreamEntry, Unit
from actors.store_memory import MemoryStore
from actors.store_redis import RedisStore
from controller.archive import Archive, ArchiveConsumer, ArchiveError, open_archive
from controller.archive.tables import metadata

KILLS = 12
PER_BATCH = 25

_CONSUMER = """
import asyncio, sys
from actors.clock import SystemClock
from actors.store_redis import RedisStore
from controller.archive import ArchiveConsumer, open_archive
async def main():
    store = RedisStore.open(sys.argv[1])
    consumer = ArchiveConsumer(store, open_archive(sys.argv[2]), SystemClock(), stream_kept_ms=0)
    while True:
        await consumer.step()
asyncio.run(main())
"""


def archive_at(folder: Path) -> Archive:
    return open_archive(f"sqlite:///{folder / 'archive.db'}")


def rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(folder / "archive.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def archived_rows(folder: Path) -> int:
    ((count,),) = rows(folder, "SELECT count(*) FROM transactions")
    assert isinstance(count, int)
    return count


def numbered(number: int) -> tuple[bytes, bytes]:
    """A transaction and an event."""
    amount_minor = number % 97 + 1
    transaction = {
        "id": f"step/s1/0/{number}",
        "at_ms": number,
        "kind": "step",
        "entries": [
            {"account": wallet("p1"), "amount_minor": -amount_minor},
            {"account": "EUR:revenue:c1", "amount_minor": amount_minor},
        ],
        "session_id": "s1",
        "segment_index": 0,
        "step_index": number,
    }
    event = {"session_id": "s1", "club_id": "c1", "seq": number + 1, "kind": "k", "at_ms": number}
    return orjson.dumps(transaction), orjson.dumps({"v": 1, "event": event})


async def produce(store: RedisStore, stop: asyncio.Event) -> int:
    """Write history until told to stop; how many transactions."""
    ownership = await owned(store)
    await store.put(CHAIN, {"chain": b"{}"})
    written = 0
    while not stop.is_set():
        pairs = [numbered(written + n) for n in range(PER_BATCH)]
        unit = Unit(transactions=tuple(t for t, _ in pairs), events=tuple(e for _, e in pairs))
        await store.commit(ownership, written // PER_BATCH + 1, [unit])
        written += PER_BATCH
        await asyncio.sleep(0.01)
    return written


async def kill_at_work(url: str, folder: Path, luck: random.Random) -> None:
    """Start the consumer, let it archive something, and kill it some time after."""
    before = archived_rows(folder)
    consumer = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _CONSUMER,
        url,
        f"sqlite:///{folder / 'archive.db'}",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    for _ in range(3_000):
        if archived_rows(folder) > before:
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(luck.uniform(0, 0.05))
    consumer.send_signal(signal.SIGKILL)
    assert await consumer.wait() == -signal.SIGKILL
    assert archived_rows(folder) > before


@pytest.mark.integration
@pytest.mark.slow
async def test_a_consumer_killed_at_any_moment_loses_and_doubles_nothing(tmp_path: Path) -> None:
    archive_at(tmp_path).close()
    with running_server(tmp_path / "state") as server:
        store = RedisStore.open(server.url)
        stop, luck = asyncio.Event(), random.Random(3)
        producing = asyncio.ensure_future(produce(store, stop))
        for _ in range(KILLS):
            await kill_at_work(server.url, tmp_path, luck)
        stop.set()
        written = await producing
        archive = archive_at(tmp_path)
        await ArchiveConsumer(store, archive, ManualClock(), stream_kept_ms=0).step()
        archived = await archive.transactions(CHAIN)
        events = await archive.events(CHAIN)
        # What was trimmed from the store is in the archive, and only that was trimmed.
        assert len(await store.stream(CHAIN, ChainStream.LEDGER)) < written
        await store.close()
        archive.close()
    expected = [numbered(n) for n in range(written)]
    assert [entry.payload for entry in archived] == [transaction for transaction, _ in expected]
    assert [entry.payload for entry in events] == [event for _, event in expected]
    ((count, total),) = rows(tmp_path, "SELECT count(*), sum(amount_minor) FROM entries")
    assert (count, total) == (2 * len(expected), 0)


def entry(number: int, place: int | None = None) -> StreamEntry:
    return StreamEntry(f"{number if place is None else place}-0", numbered(number)[0])


async def test_entries_that_come_again_under_other_places_are_not_doubled(tmp_path: Path) -> None:
    """A store that went back in time gives what it had again."""
    archive = archive_at(tmp_path)
    ledger = ChainStream.LEDGER
    await archive.write(CHAIN, ledger, [entry(1), entry(2)], after="0-0")
    await archive.write(CHAIN, ledger, [entry(2, 5), entry(3, 6), entry(3, 7)], after="2-0")
    assert await archive.cursor(CHAIN, ledger) == "7-0"
    assert [e.payload for e in await archive.transactions(CHAIN)] == [
        numbered(n)[0] for n in (1, 2, 3)
    ]
    archive.close()


@pytest.mark.parametrize("batch", [[2, 9], [9, 9]])
async def test_other_content_under_a_known_id_stops_the_archive(
    tmp_path: Path, batch: list[int]
) -> None:
    archive = archive_at(tmp_path)
    ledger = ChainStream.LEDGER
    await archive.write(CHAIN, ledger, [entry(1), entry(2)], after="0-0")
    changed = [
        StreamEntry(f"{place}-0", numbered(number)[0].replace(b'"at_ms":', b'"at_ms":%d' % place))
        for place, number in enumerate(batch, start=5)
    ]
    with pytest.raises(ArchiveError, match="other content"):
        await archive.write(CHAIN, ledger, changed, after="2-0")
    assert await archive.cursor(CHAIN, ledger) == "2-0"
    assert len(await archive.transactions(CHAIN)) == 2
    archive.close()


@pytest.mark.parametrize("after", ["0-0", "1-0"])
async def test_a_second_consumer_finds_the_cursor_moved(tmp_path: Path, after: str) -> None:
    first, second = archive_at(tmp_path), archive_at(tmp_path)
    ledger = ChainStream.LEDGER
    await first.write(CHAIN, ledger, [entry(1), entry(2)], after="0-0")
    with pytest.raises(ArchiveError, match="another consumer"):
        await second.write(CHAIN, ledger, [entry(1)], after=after)
    assert await second.cursor(CHAIN, ledger) == "2-0"
    first.close()
    second.close()


async def test_a_closed_session_is_kept_in_its_newest_version(tmp_path: Path) -> None:
    store = MemoryStore()
    await played_day(store)
    archive = archive_at(tmp_path)
    consumer = ArchiveConsumer(store, archive, ManualClock())
    await consumer.step()
    await consumer.step()
    closed = await store.closed_sessions(ORBIT)
    assert tuple(await archive.sessions(ORBIT)) == closed
    newer = StoredEntity(closed[0].key, closed[0].version + 1, closed[1].blob)
    await archive.write_sessions(ORBIT, [newer])
    await archive.write_sessions(ORBIT, closed)
    assert (await archive.sessions(ORBIT))[0] == newer
    ((status, total, bonus),) = rows(
        tmp_path, "SELECT status, total_minor, bonus_minor FROM sessions WHERE session_id = 's1'"
    )
    assert (status, bonus) == ("ENDED", 0)
    assert total
    archive.close()


async def test_a_recent_session_stays_in_the_store(tmp_path: Path) -> None:
    store = MemoryStore()
    shard = await played_day(store)
    archive = archive_at(tmp_path)
    consumer = ArchiveConsumer(store, archive, shard.clock, closed_kept_ms=20 * 60_000)
    await consumer.step()
    kept = [stored.key for stored in await store.closed_sessions(ORBIT)]
    # s1 ended 22 minutes ago, s2 ran out 12 minutes ago.
    assert kept == ["s2", "s3"]
    archive.close()


def test_the_steps_lead_to_the_tables(tmp_path: Path) -> None:
    archive_at(tmp_path).close()
    engine = create_engine(f"sqlite:///{tmp_path / 'archive.db'}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


@pytest.mark.parametrize(
    "url", ["nonsense", "sqlite:////proc/nowhere/archive.db", "nodialect://host/db"]
)
def test_an_archive_that_cannot_be_opened_says_so(url: str) -> None:
    with pytest.raises(ArchiveError, match="archive"):
        open_archive(url)
