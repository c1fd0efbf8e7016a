"""The watch as a task: check, tell, leave the figures for /metrics, wait."""

import asyncio
from typing import Final

import structlog

from actors.clock import SystemClock
from actors.store import Store, StoreError
from controller.archive import Archive, ArchiveError, sums
from controller.archive.sums import NOTHING_ODD
from controller.archive.unsent import Unsent
from controller.process_telemetry import MS_PER_S, WatchTelemetry
from controller.verify.history import ArchiveBehindError
from controller.verify.report import Report
from controller.verify.watch import BooksWatch

METRICS_SNAPSHOT: Final = "metrics:archive"
ROWS_LOGGED_MAX: Final = 20
MARGIN_MS: Final = 60_000

log = structlog.get_logger(__name__)


async def watch_books(
    store: Store, archive: Archive, stop: asyncio.Event, *, every_s: float
) -> None:
    """Check until ``stop``, ``every_s`` real seconds after the last check; never raises for I/O."""
    watch, telemetry = BooksWatch(store, archive), WatchTelemetry()
    unsent = Unsent(store, archive)
    while not stop.is_set():
        try:
            async with asyncio.timeout(every_s):
                await stop.wait()
        except TimeoutError:
            await check_once(watch, telemetry)
            await _look_at_oddities(store, archive, telemetry, unsent=unsent)
            await _leave(store, telemetry, ttl_ms=int(every_s * 2 * MS_PER_S) + MARGIN_MS)


async def check_once(watch: BooksWatch, telemetry: WatchTelemetry) -> Report | None:
    """One check, told; None when it could not be done."""
    clock = SystemClock()
    started_ms = clock.mono_ms()
    try:
        report = await watch.check()
    except (StoreError, ArchiveError, ArchiveBehindError) as error:
        log.warning("books_not_checked", reason=str(error))
        telemetry.failed()
        return None
    took_ms = clock.mono_ms() - started_ms
    telemetry.finished(report, at_ms=clock.wall_ms(), took_ms=took_ms)
    if report.ok:
        log.info("books_agree", sessions=report.sessions, took_ms=took_ms)
    else:
        log.error("books_differ", rows=len(report.rows), sessions=report.sessions)
    for row in report.rows[:ROWS_LOGGED_MAX]:
        log.error(
            "books_row",
            check=row.check,
            subject=row.subject,
            expected=row.expected,
            found=row.found,
        )
    return report


async def _look_at_oddities(
    store: Store, archive: Archive, telemetry: WatchTelemetry, *, unsent: Unsent
) -> None:
    try:
        found, behind_ms = NOTHING_ODD, 0
        for chain_id in await store.chains():
            found += await archive.look(sums.oddities, chain_id)
            behind_ms = max(behind_ms, await unsent.behind_ms(chain_id))
    except (StoreError, ArchiveError) as error:
        log.warning("archive_not_looked_at", reason=str(error))
    else:
        telemetry.stands(found, webhooks_behind_ms=behind_ms)


async def _leave(store: Store, telemetry: WatchTelemetry, *, ttl_ms: int) -> None:
    try:
        await store.put_snapshot(METRICS_SNAPSHOT, telemetry.exposition(), ttl_ms=ttl_ms)
    except StoreError as error:
        log.warning("store_unavailable", reason=str(error))
