"""``clubctl webhooks run``: a process of its own that tells subscribers what happened."""

import asyncio
from random import SystemRandom

import structlog

from actors.clock import SystemClock
from actors.store import StoreUnavailableError
from actors.store_redis import RedisStore
from controller.archive import Archive, ArchiveError, open_archive
from controller.process_telemetry import WebhookTelemetry
from controller.settings import Settings
from controller.supervise import stop_on_signals
from controller.webhooks.post import HttpPost
from controller.webhooks.queue import DeliveryQueue
from controller.webhooks.sender import WebhookSender

FIGURES_EVERY_S = 5.0
METRICS_SNAPSHOT = "metrics:webhooks"
METRICS_TTL_MS = 60_000

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
    queue, telemetry = DeliveryQueue(archive), WebhookTelemetry()
    sender = WebhookSender(
        store,
        queue,
        post=post,
        clock=SystemClock(),
        random=SystemRandom(),
        telemetry=telemetry,
    )
    telling = asyncio.create_task(_tell_figures(store, queue, telemetry))
    try:
        await sender.run(stop)
    finally:
        telling.cancel()
        await post.aclose()
        await store.close()


async def _tell_figures(
    store: RedisStore, queue: DeliveryQueue, telemetry: WebhookTelemetry
) -> None:
    """Leave the figures for /metrics until cancelled."""
    while True:
        try:
            owed = [one for chain in await store.chains() for one in await queue.owed(chain)]
            telemetry.owed(owed, now_ms=SystemClock().wall_ms())
            await store.put_snapshot(
                METRICS_SNAPSHOT, telemetry.exposition(), ttl_ms=METRICS_TTL_MS
            )
        except (StoreUnavailableError, ArchiveError) as error:
            log.warning("webhook_figures_not_told", reason=str(error))
        await asyncio.sleep(FIGURES_EVERY_S)
