"""Moves history from the store to the archive, and trims the store behind it.

One consumer per archive at a time: a second one finds the cursor moved and stops.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import orjson
import structlog

from actors.clock import Clock
from actors.store import ChainStream, Store, StoreUnavailableError, StreamEntry
from controller.archive import deliveries, rows
from controller.archive.database import Archive

ENTRIES_PER_TRANSACTION: Final = 500
STREAM_KEPT_MS: Final = 3_600_000
"""Readers that resume (webhooks, figures) find at least this much behind the cursor."""
WEBHOOKS_WAITED_FOR_MS: Final = 3 * 24 * 3_600_000
"""How far behind a sender of webhooks may be before events are trimmed without it."""
CLOSED_KEPT_MS: Final = 24 * 3_600_000
"""A receipt is asked for most on the day of the session; until then the store answers."""
STEP_EVERY_SECONDS: Final = 1.0
SWEEP_EVERY_STEPS: Final = 60

log = structlog.get_logger(__name__)


class ArchiveConsumer:
    """``step`` archives what is new in every chain; killed anywhere, the next step goes on."""

    def __init__(
        self,
        store: Store,
        archive: Archive,
        clock: Clock,
        *,
        stream_kept_ms: int = STREAM_KEPT_MS,
        closed_kept_ms: int = CLOSED_KEPT_MS,
    ) -> None:
        self._store = store
        self._archive = archive
        self._clock = clock
        self._stream_kept_ms = stream_kept_ms
        self._closed_kept_ms = closed_kept_ms
        self._steps = 0

    async def step(self) -> int:
        """Archive everything there is now; how many rows were new to the archive's cursor.

        Raises StoreUnavailableError and ArchiveError; nothing is lost or doubled then.
        """
        moved = 0
        for chain_id in await self._store.chains():
            for stream in ChainStream:
                moved += await self._follow(chain_id, stream)
            if self._steps % SWEEP_EVERY_STEPS == 0:
                await self._sweep(chain_id)
        self._steps += 1
        return moved

    async def run(self, stop: asyncio.Event) -> None:
        """Step until ``stop``; a store that does not answer is waited for."""
        while not stop.is_set():
            try:
                await self.step()
            except StoreUnavailableError as error:
                log.warning("archive_waits_for_store", reason=str(error))
            try:
                await asyncio.wait_for(stop.wait(), STEP_EVERY_SECONDS)
            except TimeoutError:
                continue

    async def _follow(self, chain_id: str, stream: ChainStream) -> int:
        cursor = await self._archive.cursor(chain_id, stream)
        moved = 0
        while read := await self._store.stream(
            chain_id, stream, after=cursor, count=ENTRIES_PER_TRANSACTION
        ):
            if stream is ChainStream.OUTBOX:
                # Before the cursor passes what tells of them.
                await self._take_sessions(chain_id, _sessions_of(read))
            await self._archive.write(chain_id, stream, read, after=cursor)
            cursor = read[-1].entry_id
            moved += len(read)
        if moved:
            # An id begins with the millisecond the server wrote it in.
            oldest_ms = max(0, int(cursor.partition("-")[0]) - self._stream_kept_ms)
            if stream is ChainStream.OUTBOX:
                oldest_ms = await self._webhooks_bound_ms(chain_id, oldest_ms)
            await self._store.trim(chain_id, stream, before=f"{oldest_ms}-0")
        return moved

    async def _webhooks_bound_ms(self, chain_id: str, oldest_ms: int) -> int:
        """What webhooks have not read yet stays, but not for ever if nobody sends them."""
        follower = await self._archive.transact(deliveries.cursor, chain_id)
        if follower == rows.BEGINNING:
            return oldest_ms
        patience_ms = max(0, oldest_ms - WEBHOOKS_WAITED_FOR_MS)
        return max(patience_ms, min(oldest_ms, int(follower.partition("-")[0])))

    async def _take_sessions(self, chain_id: str, session_ids: Sequence[str]) -> None:
        """Archive those of these sessions that are closed."""
        for first in range(0, len(session_ids), ENTRIES_PER_TRANSACTION):
            part = session_ids[first : first + ENTRIES_PER_TRANSACTION]
            if closed := await self._store.closed_among(chain_id, part):
                await self._archive.write_sessions(chain_id, closed)

    async def _sweep(self, chain_id: str) -> None:
        """Compare ids: take what no event told of, and let go of what was closed long ago."""
        ids = await self._store.closed_ids(chain_id)
        if not ids:
            return
        archived = await self._archive.archived_among(chain_id, ids)
        await self._take_sessions(chain_id, [one for one in ids if one not in archived])
        too_old_ms = self._clock.wall_ms() - self._closed_kept_ms
        old = await self._archive.closed_before(chain_id, ids, too_old_ms)
        await self._store.drop_closed(chain_id, sorted(old))


def _sessions_of(read: Sequence[StreamEntry]) -> list[str]:
    """Sessions that these events tell of. One that closes says so in the same commit."""
    events = (orjson.loads(entry.payload)["event"] for entry in read)
    return sorted({event["session_id"] for event in events if event.get("session_id")})
