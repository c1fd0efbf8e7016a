"""The archive holds every row once, whoever is killed, whenever, and however often it is read."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from archived_under_test import numbered
from clubs_under_test import CHAIN as ORBIT
from databases_under_test import Urls
from day_under_test import played_day
from sqlalchemy import create_engine, text
from stores_under_test import CHAIN

from actors.clock import ManualClock
from actors.store import ChainStream, StoredEntity, StreamEntry
from actors.store_memory import MemoryStore
from controller.archive import Archive, ArchiveConsumer, ArchiveError, open_archive, sums
from controller.archive.gaps import gaps

LEDGER, OUTBOX = ChainStream.LEDGER, ChainStream.OUTBOX
Opened = Callable[[], Archive]


@pytest.fixture
def opened(sql_urls: Urls) -> Iterator[Opened]:
    """Opens one database as often as asked."""
    archives: list[Archive] = []

    def again() -> Archive:
        archives.append(open_archive(sql_urls("archive")))
        return archives[-1]

    yield again
    for archive in archives:
        archive.close()


def entry(number: int, place: int | None = None) -> StreamEntry:
    return StreamEntry(f"{number if place is None else place}-0", numbered(number)[0])


def event(number: int, place: int | None = None) -> StreamEntry:
    return StreamEntry(f"{number if place is None else place}-0", numbered(number)[1])


async def test_entries_that_come_again_under_other_places_are_not_doubled(opened: Opened) -> None:
    archive = opened()
    await archive.write(CHAIN, LEDGER, [entry(1), entry(2)], after="0-0")
    await archive.write(CHAIN, LEDGER, [entry(2, 5), entry(3, 6), entry(3, 7)], after="2-0")
    assert await archive.cursor(CHAIN, LEDGER) == "7-0"
    assert [e.payload for e in await archive.transactions(CHAIN)] == [
        numbered(n)[0] for n in (1, 2, 3)
    ]
    assert await archive.look(sums.wrong_totals, CHAIN) == []


@pytest.mark.parametrize("batch", [[2, 9], [9, 9]])
async def test_other_content_under_a_known_id_is_set_aside_and_told(
    opened: Opened, batch: list[int]
) -> None:
    archive = opened()
    await archive.write(CHAIN, LEDGER, [entry(1), entry(2)], after="0-0")
    changed = [
        StreamEntry(f"{place}-0", numbered(number)[0].replace(b'"at_ms":', b'"at_ms":%d' % place))
        for place, number in enumerate(batch, start=5)
    ]
    written = await archive.write(CHAIN, LEDGER, changed, after="2-0")
    odd = f"step/s1/0/{batch[0]}"
    assert written.conflicts == (odd,)
    assert await archive.cursor(CHAIN, LEDGER) == "6-0"
    assert len(await archive.transactions(CHAIN)) == 3
    assert await archive.look(sums.conflicts, CHAIN) == [("ledger", odd)]
    assert await archive.look(sums.wrong_totals, CHAIN) == []


@pytest.mark.parametrize("after", ["0-0", "1-0"])
async def test_a_second_consumer_finds_the_cursor_moved(opened: Opened, after: str) -> None:
    first, second = opened(), opened()
    await first.write(CHAIN, LEDGER, [entry(1), entry(2)], after="0-0")
    with pytest.raises(ArchiveError, match="another consumer"):
        await second.write(CHAIN, LEDGER, [entry(1)], after=after)
    assert await second.cursor(CHAIN, LEDGER) == "2-0"


async def test_of_two_consumers_at_once_one_is_refused(opened: Opened) -> None:
    first, second = opened(), opened()
    written = await asyncio.gather(
        first.write(CHAIN, LEDGER, [entry(1), entry(2)], after="0-0"),
        second.write(CHAIN, LEDGER, [entry(1)], after="0-0"),
        return_exceptions=True,
    )
    assert sum(isinstance(one, ArchiveError) for one in written) == 1
    assert await first.look(sums.wrong_totals, CHAIN) == []
    assert await first.cursor(CHAIN, LEDGER) in ("1-0", "2-0")


async def test_an_event_that_is_missing_before_another_is_noted(opened: Opened) -> None:
    archive = opened()
    written = await archive.write(CHAIN, OUTBOX, [event(0), event(1), event(4)], after="0-0")
    assert [(gap.first, gap.last) for gap in written.gaps] == [("3", "4")]
    again = await archive.write(CHAIN, OUTBOX, [event(8)], after="4-0")
    assert [(gap.first, gap.last) for gap in again.gaps] == [("6", "8")]
    assert len(await archive.look(gaps, CHAIN)) == 2


async def test_a_closed_session_is_kept_in_its_newest_version(opened: Opened) -> None:
    store = MemoryStore()
    await played_day(store)
    archive = opened()
    consumer = ArchiveConsumer(store, archive, ManualClock())
    await consumer.step()
    await consumer.step()
    closed = await store.closed_sessions(ORBIT)
    assert tuple(await archive.sessions(ORBIT)) == closed
    newer = StoredEntity(closed[0].key, closed[0].version + 1, closed[1].blob)
    await archive.write_sessions(ORBIT, [newer])
    await archive.write_sessions(ORBIT, closed)
    assert (await archive.sessions(ORBIT))[0] == newer


async def test_a_session_is_archived_with_what_lists_are_made_of(
    opened: Opened, sql_urls: Urls
) -> None:
    store = MemoryStore()
    await played_day(store)
    await ArchiveConsumer(store, opened(), ManualClock()).step()
    engine = create_engine(sql_urls("archive"))
    with engine.connect() as connection:
        query = "SELECT status, total_minor, bonus_minor FROM sessions WHERE session_id = 's1'"
        status, total, bonus = connection.execute(text(query)).one()
    engine.dispose()
    assert (status, bonus) == ("ENDED", 0)
    assert total


async def test_a_recent_session_stays_in_the_store(opened: Opened) -> None:
    store = MemoryStore()
    shard = await played_day(store)
    consumer = ArchiveConsumer(store, opened(), shard.clock, closed_kept_ms=20 * 60_000)
    await consumer.step()
    kept = [stored.key for stored in await store.closed_sessions(ORBIT)]
    # s1 ended 22 minutes ago, s2 ran out 12 minutes ago.
    assert kept == ["s2", "s3"]


async def test_the_longest_names_there_can_be_are_archived(opened: Opened) -> None:
    """PostgreSQL refuses what does not fit its column; SQLite would not tell."""
    long, key = "x" * 64, "k" * 256
    side = {"account": f"EUR:wallet:guest-{long}:bonus", "amount_minor": 0}
    transaction = {"id": f"command/crm:{key}/12", "at_ms": 1, "kind": "surcharge"}
    document = {**transaction, "entries": [side], "session_id": long}
    told = {"session_id": long, "club_id": long, "seq": 1, "kind": "k" * 40, "at_ms": 1}
    source = {"source": f"session:{long}", "event": told}
    archive = opened()
    await archive.write(long, LEDGER, [StreamEntry("1-0", orjson.dumps(document))], after="0-0")
    await archive.write(long, OUTBOX, [StreamEntry("1-0", orjson.dumps(source))], after="0-0")
    assert len(await archive.transactions(long)) == len(await archive.events(long)) == 1


@pytest.mark.parametrize(
    "url",
    [
        "nonsense:hidden@host",
        "sqlite:////proc/nowhere/archive.db",
        "nodialect://u:hidden@host/db",
        "postgresql://u:hidden@host:port/db",
        "postgresql://u:hidden@127.0.0.1:1/db",
    ],
)
def test_an_archive_that_cannot_be_opened_says_so_and_no_secret(url: str) -> None:
    with pytest.raises(ArchiveError, match="archive") as raised:
        open_archive(url)
    assert "hidden" not in str(raised.value)


def test_a_wrong_password_is_not_told(postgres: object, sql_urls: Urls, tmp_path: Path) -> None:
    url = sql_urls("archive")
    if not url.startswith("sqlite"):
        with pytest.raises(ArchiveError) as raised:
            open_archive(url.replace("only-in-tests", "hidden-too"))
        assert "hidden-too" not in str(raised.value)
