"""Killed at any moment, consumer or database, the archive loses nothing and doubles nothing."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from archived_under_test import PER_BATCH, numbered, produce
from consumers_under_test import Consumers, consumers_of
from databases_under_test import PostgresUnderTest, Urls, running_postgres
from stores_under_test import CHAIN, running_server

from actors.clock import ManualClock
from actors.store import ChainStream
from actors.store_redis import RedisStore
from controller.archive import Archive, ArchiveConsumer, ArchiveError, open_archive, sums
from controller.archive.sums import NOTHING_ODD
from controller.verify import differences, missing_rows

pytestmark = [pytest.mark.integration, pytest.mark.slow]
KILLS = 100
DATABASE_KILLS = 12
AT_WORK_S = 0.06

Killing = Callable[[Consumers, Archive, random.Random], Awaitable[None]]


async def moved(archive: Archive, before: str) -> str:
    """The ledger's cursor once it has left ``before``."""
    for _ in range(3_000):
        try:
            at = await archive.cursor(CHAIN, ChainStream.LEDGER)
        except ArchiveError:
            at = before
        if at != before:
            return at
        await asyncio.sleep(0.01)
    raise AssertionError(f"nothing was archived after {before}")


async def killed_consumers(consumers: Consumers, archive: Archive, luck: random.Random) -> None:
    """Each archives something, some time between opening the database and a few more steps."""
    at = "0-0"
    for _ in range(KILLS):
        consumer = await consumers.start()
        if luck.random() < 0.8:
            at = await moved(archive, at)
        await asyncio.sleep(luck.uniform(0, AT_WORK_S))
        await consumers.kill(consumer)


async def whole_after(
    folder: Path, sql_url: str, killing: Killing, *, seed: int
) -> tuple[int, list[str]]:
    """(how many transactions there were, what is wrong in the end)."""
    with running_server(folder / "state") as server:
        store = RedisStore.open(server.url)
        archive = open_archive(sql_url)
        stop = asyncio.Event()
        producing = asyncio.create_task(produce(store, stop))
        async with consumers_of(server.url, sql_url) as consumers:
            await killing(consumers, archive, random.Random(seed))
        stop.set()
        written = await producing
        await ArchiveConsumer(store, archive, ManualClock(), stream_kept_ms=0).step()
        wrong = await _wrong(store, archive, written)
        # All of it was trimmed but the millisecond the cursor stands on.
        assert len(await store.stream(CHAIN, ChainStream.LEDGER)) <= PER_BATCH
        await store.close()
        archive.close()
    return written, wrong


async def _wrong(store: RedisStore, archive: Archive, written: int) -> list[str]:
    expected = [numbered(number) for number in range(written)]
    rows = [
        *missing_rows([one for one, _ in expected], await archive.transactions(CHAIN)),
        *missing_rows([one for _, one in expected], await archive.events(CHAIN)),
        *await differences(store, archive, CHAIN),
    ]
    found = [f"{row.check} {row.subject}" for row in rows]
    found += [f"total {one}" for one in await archive.look(sums.wrong_totals, CHAIN)]
    found += [f"unbalanced {one}" for one in await archive.look(sums.unbalanced, CHAIN)]
    odd = await archive.look(sums.oddities, CHAIN)
    if odd != NOTHING_ODD:
        found.append(str(odd))
    held = await archive.look(sums.totals, CHAIN, ["EUR:revenue:c1"])
    if held.sums["EUR:revenue:c1"] != sum(number % 97 + 1 for number in range(written)):
        found.append("revenue")
    return found


@pytest.mark.timeout(600)
async def test_a_consumer_killed_a_hundred_times_loses_and_doubles_nothing(
    tmp_path: Path, sql_urls: Urls
) -> None:
    written, wrong = await whole_after(tmp_path, sql_urls("archive"), killed_consumers, seed=3)
    assert wrong == []
    assert written > KILLS


@pytest.fixture
def own_postgres() -> Iterator[PostgresUnderTest]:
    with running_postgres() as server:
        yield server


@pytest.mark.timeout(600)
async def test_a_database_killed_again_and_again_loses_and_doubles_nothing(
    tmp_path: Path, own_postgres: PostgresUnderTest
) -> None:
    async def kill_database(consumers: Consumers, archive: Archive, luck: random.Random) -> None:
        consumer = await consumers.start()
        at = "0-0"
        for _ in range(DATABASE_KILLS):
            at = await moved(archive, at)
            await asyncio.sleep(luck.uniform(0, AT_WORK_S))
            await asyncio.to_thread(own_postgres.kill)
            await asyncio.to_thread(own_postgres.start)
        await moved(archive, at)
        await consumers.kill(consumer)

    written, wrong = await whole_after(tmp_path, own_postgres.url("archive"), kill_database, seed=5)
    assert wrong == []
    assert written > DATABASE_KILLS
