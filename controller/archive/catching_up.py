"""What to do when the store and the archive do not follow on from each other."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final

import structlog

from actors.clock import Clock
from actors.orders import order_key
from actors.store import (
    SESSION_KEY_PREFIX,
    SHARD_COUNT,
    ChainStream,
    Store,
    StoredEntity,
    StreamEntry,
    place_of,
)
from controller.archive import gaps, rewinding, rows, writing
from controller.archive.database import Archive
from controller.archive.gaps import Gap
from controller.archive.rewinding import Reached, Rewound
from schemas.events import source_of

ENTRIES_PER_READ: Final = 500
SHARDS_PER_READ: Final = 8
_NUMBER_MAX: Final = 2**63 - 1
"""The greatest that databases can compare with; servers count from 0 in each millisecond."""

log = structlog.get_logger(__name__)


class CatchingUp:
    """Finds where two histories part, and what is missing in one. All methods raise
    StoreUnavailableError and ArchiveError, and are done again from the start then."""

    def __init__(self, store: Store, archive: Archive, clock: Clock) -> None:
        self._store = store
        self._archive = archive
        self._clock = clock

    async def look_back(self, chain_id: str, stream: ChainStream, lost: Reached) -> Rewound:
        """The store does not have the entry the archive stands on: set aside what it never had.

        If it was trimmed past that entry, the archive went back and not the store: what lies
        between cannot be read any more, which is noted, and the archive goes on behind it.
        """
        trimmed = await self._store.trimmed_before(chain_id, stream)
        if place_of(lost.entry_id) < place_of(trimmed):
            await self._note_hole(chain_id, stream, lost=lost, trimmed=trimmed)
            return Rewound(lost, 0, ())
        # Before the cursor moves: whoever dies in between begins here again.
        await self._set_running_aside(chain_id)
        kept = await self._last_in_common(chain_id, stream, lost=lost, trimmed=trimmed)
        rewound = await self._archive.transact(
            rewinding.rewind,
            chain_id,
            stream,
            kept=kept,
            lost=lost,
            now_ms=self._clock.wall_ms(),
            orders=await self._orders_after(chain_id, stream, kept),
        )
        log.error(
            "store_went_back",
            chain=chain_id,
            stream=stream.value,
            kept=kept.entry_id,
            lost=lost.entry_id,
            rows=rewound.rows,
        )
        return rewound

    async def _orders_after(
        self, chain_id: str, stream: ChainStream, kept: Reached
    ) -> Sequence[StoredEntity]:
        """What the store has of the orders whose events it has lost. One that changes meanwhile
        tells of it after ``kept``, and is read again with that."""
        if stream is not ChainStream.OUTBOX:
            return ()
        told = await self._archive.look(rewinding.orders_told, chain_id, kept)
        stored = await self._store.documents(chain_id, sorted(map(order_key, told)))
        return list(stored.values())

    async def _note_hole(
        self, chain_id: str, stream: ChainStream, *, lost: Reached, trimmed: str
    ) -> None:
        hole = Gap(stream.value, lost.entry_id, trimmed, lost=True)
        now_ms = self._clock.wall_ms()
        if await self._archive.transact(gaps.note, chain_id, [hole], now_ms=now_ms):
            log.error(
                "archive_went_back",
                chain=chain_id,
                stream=stream.value,
                after=lost.entry_id,
                before=trimmed,
            )

    async def _last_in_common(
        self, chain_id: str, stream: ChainStream, *, lost: Reached, trimmed: str
    ) -> Reached:
        common: Reached | None = None
        async for read in self._stream(chain_id, stream, until=lost.entry_id):
            held = await self._archive.look(rewinding.held_among, chain_id, stream, entries=read)
            for entry in read:
                if entry.entry_id not in held:
                    return common or await self._trimmed_part(chain_id, stream, trimmed)
                common = Reached(entry.entry_id, writing.digest_of(entry.payload))
        return common or await self._trimmed_part(chain_id, stream, trimmed)

    async def _trimmed_part(self, chain_id: str, stream: ChainStream, trimmed: str) -> Reached:
        """What was trimmed from the store is common to both, though only one has it. A store
        that was never trimmed and has nothing in common is another one that has just begun."""
        return await self._archive.look(rewinding.last_before, chain_id, stream, entry_id=trimmed)

    async def _set_running_aside(self, chain_id: str) -> None:
        """A session that runs in the store has not ended, whatever the archive was told."""
        for first in range(0, SHARD_COUNT, SHARDS_PER_READ):
            numbers = range(first, min(first + SHARDS_PER_READ, SHARD_COUNT))
            image = await self._store.shards_image(chain_id, numbers)
            keys = (entity.key for entity in image.entities)
            running = [
                key.removeprefix(SESSION_KEY_PREFIX)
                for key in keys
                if key.startswith(SESSION_KEY_PREFIX)
            ]
            if running:
                await self._archive.transact(
                    rewinding.set_sessions_aside,
                    chain_id,
                    running,
                    now_ms=self._clock.wall_ms(),
                )

    async def fill_gaps(self, chain_id: str) -> None:
        """Read the outbox again for events that are missing; what is not there is lost."""
        noted = [gap for gap in await self._archive.look(gaps.gaps, chain_id) if not gap.lost]
        if not noted:
            return
        until = await self._archive.cursor(chain_id, ChainStream.OUTBOX)
        async for read in self._stream(chain_id, ChainStream.OUTBOX, until=until):
            missing = list(_missing(chain_id, read, noted))
            if missing:
                await self._archive.transact(
                    writing.write_stream,
                    chain_id,
                    ChainStream.OUTBOX,
                    read=missing,
                    now_ms=self._clock.wall_ms(),
                )
        for gap in await self._archive.transact(gaps.close_gaps, chain_id, noted):
            log.error("archive_gap_lost", chain=chain_id, source=gap.source_id, first=gap.first)

    async def _stream(
        self, chain_id: str, stream: ChainStream, *, until: str
    ) -> AsyncIterator[Sequence[StreamEntry]]:
        """What the store has of a stream up to an entry, in parts."""
        after, last = rows.BEGINNING, place_of(until)
        while read := await self._store.stream(
            chain_id, stream, after=after, count=ENTRIES_PER_READ
        ):
            yield (wanted := [entry for entry in read if place_of(entry.entry_id) <= last])
            if len(wanted) < len(read):
                return
            after = read[-1].entry_id


def just_before(entry_id: str) -> str:
    """The greatest id below an entry's: reading after it begins with the entry."""
    at_ms, number = place_of(entry_id)
    return f"{at_ms}-{number - 1}" if number else f"{at_ms - 1}-{_NUMBER_MAX}"


def _missing(
    chain_id: str, read: Sequence[StreamEntry], noted: Sequence[Gap]
) -> Iterator[StreamEntry]:
    for entry, document in writing.readable(chain_id, ChainStream.OUTBOX, read)[0]:
        source, seq = source_of(document), document["event"]["seq"]
        if any(g.source_id == source and int(g.first) <= seq <= int(g.last) for g in noted):
            yield entry
