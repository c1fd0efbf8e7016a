"""``clubctl archive``: a process of its own that moves history from the store to SQL."""

import asyncio

import structlog

from actors.clock import clock_for
from actors.store import StoreUnavailableError
from actors.store_redis import RedisStore
from controller.archive import Archive, ArchiveConsumer, ArchiveError, open_archive
from controller.business_time import read_anchor
from controller.settings import Settings
from controller.supervise import stop_on_signals
from controller.verify.watching import watch_books

RETRY_S = 1.0

log = structlog.get_logger(__name__)


def run_archive(settings: Settings) -> None:
    """Archive until SIGINT or SIGTERM. Raises ArchiveError when the database cannot be opened."""
    assert settings.redis_url is not None
    archive = open_archive(settings.sql_url)
    try:
        asyncio.run(_serve(settings.redis_url, archive, settings.verify_every_s))
    finally:
        archive.close()


async def _serve(redis_url: str, archive: Archive, verify_every_s: float) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    store = RedisStore.open(redis_url)
    watching = asyncio.create_task(watch_books(store, archive, stop, every_s=verify_every_s))
    try:
        consumer = await _consumer(store, archive, stop)
        while consumer is not None and not stop.is_set():
            try:
                await consumer.run(stop)
            except ArchiveError as error:
                # The database is away or another consumer was faster; the cursor decides.
                log.warning("archive_retry", reason=str(error))
                await asyncio.sleep(RETRY_S)
    finally:
        stop.set()
        await watching
        await store.close()


async def _consumer(
    store: RedisStore, archive: Archive, stop: asyncio.Event
) -> ArchiveConsumer | None:
    while not stop.is_set():
        try:
            return ArchiveConsumer(store, archive, clock_for(await read_anchor(store)))
        except StoreUnavailableError as error:
            log.warning("store_unavailable", reason=str(error))
            await asyncio.sleep(RETRY_S)
    return None
