"""Moves history from the store to the archive, and trims the store behind it.

One consumer per archive at a time: a second one finds the cursor moved and stops.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog

from actors.clock import Clock
from actors.store import ChainStream, Store, StoredEntity, StoreUnavailableError, StreamEntry
from controller.archive import rewinding, rows, session_rows
from controller.archive.catching_up import CatchingUp, just_before
from controller.archive.database import Archive, ArchiveError
from controller.archive.leaving import Leaving, told_of
from controller.archive.rereading import Rereading, tell
from controller.archive.rewinding import Reached
from controller.archive.unsent import Unsent
from controller.archive.writing import digest_of, readable
from schemas.events import SESSION_SOURCE

ENTRIES_PER_TRANSACTION: Final = 500
STREAM_KEPT_MS: Final = 3_600_000
"""Readers that resume (webhooks, figures) find at least this much behind the cursor."""
CLOSED_KEPT_MS: Final = 24 * 3_600_000
"""A receipt is asked for most on the day of the session; until then the store answers."""
STEP_EVERY_SECONDS: Final = 1.0
SWEEP_EVERY_STEPS: Final = 60
DROP_ORDERS_EVERY_STEPS: Final = 600

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
        self._catching_up = CatchingUp(store, archive, clock)
        self._leaving = Leaving(store, archive, clock)
        self._rereading = Rereading(store, archive, clock)
        self._unsent = Unsent(store, archive)
        self._stream_kept_ms = stream_kept_ms
        self._closed_kept_ms = closed_kept_ms
        self._missed: dict[str, frozenset[str]] = {}
        self._steps = 0

    async def step(self) -> int:
        """Archive everything there is now; how many rows were new to the archive's cursor.

        Raises StoreUnavailableError and ArchiveError; nothing is lost or doubled then.
        """
        moved, refused = 0, list[ArchiveError]()
        for chain_id in await self._store.chains():
            try:
                moved += await self._take(chain_id)
            except ArchiveError as error:
                # What is wrong with one chain's rows must not keep the others from being archived.
                refused.append(error)
        self._steps += 1
        if refused:
            raise refused[0]
        return moved

    async def _take(self, chain_id: str) -> int:
        moved = 0
        for stream in ChainStream:
            moved += await self._follow(chain_id, stream)
        await self._leaving.take_audit(chain_id)
        if self._steps % SWEEP_EVERY_STEPS == 0:
            await self._sweep(chain_id)
        if self._steps % DROP_ORDERS_EVERY_STEPS == 0:
            await self._leaving.drop_orders(chain_id)
        return moved

    async def run(self, stop: asyncio.Event) -> None:
        """Step until ``stop``; a store that does not answer is waited for."""
        while not stop.is_set():
            try:
                await self.step()
            except StoreUnavailableError as error:
                log.warning("archive_waits_for_store", reason=str(error))
            try:
                async with asyncio.timeout(STEP_EVERY_SECONDS):
                    await stop.wait()
            except TimeoutError:
                continue

    async def _follow(self, chain_id: str, stream: ChainStream) -> int:
        reached = await self._archive.look(rewinding.reached, chain_id, stream)
        reached, read = await self._following(chain_id, stream, reached)
        moved, odd = 0, False
        last: StreamEntry | None = None
        while read:
            odd |= await self._write(chain_id, stream, read, reached=reached)
            moved += len(read)
            last = read[-1]
            reached = Reached(last.entry_id, digest_of(last.payload))
            reached, read = await self._following(chain_id, stream, reached)
        if odd:
            await self._catching_up.fill_gaps(chain_id)
        if last is not None:
            await self._trim(chain_id, stream, last)
        return moved

    async def _following(
        self, chain_id: str, stream: ChainStream, reached: Reached
    ) -> tuple[Reached, Sequence[StreamEntry]]:
        """Where to go on, and what follows there. Whenever it is read the store has to be where
        we left it: it may go back in time between two reads of one step."""
        if reached.entry_id == rows.BEGINNING:
            return reached, await self._read(chain_id, stream, after=rows.BEGINNING)
        read = await self._read(chain_id, stream, after=just_before(reached.entry_id))
        if read and reached.is_at(read[0]):
            return reached, read[1:]
        found = await self._catching_up.look_back(chain_id, stream, reached)
        await self._take_sessions(chain_id, found.session_ids)
        return found.kept, await self._read(chain_id, stream, after=found.kept.entry_id)

    async def _read(
        self, chain_id: str, stream: ChainStream, *, after: str
    ) -> Sequence[StreamEntry]:
        return await self._store.stream(
            chain_id, stream, after=after, count=ENTRIES_PER_TRANSACTION
        )

    async def _write(
        self,
        chain_id: str,
        stream: ChainStream,
        read: Sequence[StreamEntry],
        *,
        reached: Reached,
    ) -> bool:
        orders: Sequence[StoredEntity] = ()
        closed: Sequence[StoredEntity] = ()
        if stream is ChainStream.OUTBOX:
            told = [document for _, document in readable(chain_id, stream, read)[0]]
            closed = await self._closed_told(chain_id, told)
            orders = await self._leaving.orders_told(chain_id, told)
        now_ms, after = self._clock.wall_ms(), reached.entry_id
        written = await self._archive.write(
            chain_id, stream, read, after=after, now_ms=now_ms, orders=orders, closed=closed
        )
        tell(chain_id, written.unread)
        for row_id in written.conflicts:
            log.error("archive_conflict", chain=chain_id, stream=stream.value, row=row_id)
        for gap in written.gaps:
            log.warning("archive_gap", chain=chain_id, source=gap.source_id, first=gap.first)
        return bool(written.gaps)

    async def _trim(self, chain_id: str, stream: ChainStream, last: StreamEntry) -> None:
        # An id begins with the millisecond the server wrote it in. The entry at the cursor itself
        # stays: by it the next step knows that the store has not gone back in time.
        oldest_ms = max(0, int(last.entry_id.partition("-")[0]) - self._stream_kept_ms)
        if stream is ChainStream.OUTBOX:
            oldest_ms = await self._unsent.kept_from_ms(chain_id, oldest_ms)
        await self._store.trim(chain_id, stream, behind=last, before=f"{oldest_ms}-0")

    async def _closed_told(
        self, chain_id: str, told: Sequence[Mapping[str, Any]]
    ) -> list[StoredEntity]:
        """Final documents of the sessions that outbox entries tell of, as they are now.

        One that closes says so in the same commit. What has told more since is left for the
        entries that say so, as with orders.
        """
        counts = told_of(SESSION_SOURCE, told)
        closed = await self._store.closed_among(chain_id, sorted(counts))
        return session_rows.known_by(counts, closed)

    async def _take_sessions(self, chain_id: str, session_ids: Sequence[str]) -> None:
        """Archive those of these sessions that are closed."""
        for first in range(0, len(session_ids), ENTRIES_PER_TRANSACTION):
            part = session_ids[first : first + ENTRIES_PER_TRANSACTION]
            if closed := await self._store.closed_among(chain_id, part):
                now_ms = self._clock.wall_ms()
                tell(chain_id, await self._archive.write_sessions(chain_id, closed, now_ms=now_ms))

    async def _sweep(self, chain_id: str) -> None:
        """Compare ids: take what no event told of, and let go of what was closed long ago."""
        await self._rereading.look_again(chain_id)
        ids = await self._store.closed_ids(chain_id)
        if not ids:
            return
        archived = await self._archive.archived_among(chain_id, ids)
        missing = frozenset(ids) - archived
        # What closed a moment ago has its events yet to come, and is archived with them.
        untold = missing & self._missed.get(chain_id, frozenset())
        await self._take_sessions(chain_id, sorted(untold))
        self._missed[chain_id] = missing
        too_old_ms = self._clock.wall_ms() - self._closed_kept_ms
        old = await self._archive.closed_before(chain_id, ids, too_old_ms)
        # What was found out after the end and cost nothing is in no event: it is taken now.
        await self._take_sessions(chain_id, sorted(old))
        held = await self._archive.closed_before(chain_id, sorted(old), too_old_ms)
        standing = await self._standing(chain_id)
        if standing is not None:
            await self._store.drop_closed(chain_id, held, behind=standing)

    async def _standing(self, chain_id: str) -> dict[ChainStream, StreamEntry] | None:
        """What the cursors stand on, as the store has it; None when it went back in time since.

        Sessions that ended anew since then are archived beside entries of the lost past, and are
        set aside with those when that is noticed: the store must have them then.
        """
        standing = {}
        for stream in ChainStream:
            reached = await self._archive.look(rewinding.reached, chain_id, stream)
            if reached.entry_id == rows.BEGINNING:
                continue
            before = just_before(reached.entry_id)
            read = await self._store.stream(chain_id, stream, after=before, count=1)
            if not read or not reached.is_at(read[0]):
                return None
            standing[stream] = read[0]
        return standing
