"""``clubctl webhooks run``: a process of its own that tells subscribers what happened."""

import asyncio
from random import SystemRandom

import structlog

from actors.clock import SystemClock
from actors.store_redis import RedisStore
from controller.archive import Archive, ArchiveError, open_archive
from controller.settings import Settings
from controller.supervise import stop_on_signals
from controller.webhooks.post import HttpPost
from controller.webhooks.queue import DeliveryQueue
from controller.webhooks.sender import WebhookSender

RETRY_S = 1.0

log = structlog.get_logger(__name__)


def run_webhooks(settings: Settings) -> None:
    """Send until SIGINT or SIGTERM. Raises ArchiveError when the database cannot be opened."""
    assert settings.redis_url is not None
    archive = open_archive(settings.sql_url)
    try:
        asyncio.run(_serve(settings, settings.redis_url, archive))
    finally:
        archive.close()


async def _serve(settings: Settings, redis_url: str, archive: Archive) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    store, post = RedisStore.open(redis_url), HttpPost(private=settings.webhooks_private)
    sender = WebhookSender(
        store, DeliveryQueue(archive), post=post, clock=SystemClock(), random=SystemRandom()
    )
    try:
        while not stop.is_set():
            try:
                await sender.run(stop)
            except ArchiveError as error:
                # The database is away or another sender was faster; the cursor decides.
                log.warning("webhooks_retry", reason=str(error))
                await asyncio.sleep(RETRY_S)
    finally:
        await post.aclose()
        await store.close()
