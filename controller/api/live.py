"""The hall kept live: one reader of a club's stream per process, any number of followers.

A follower holds nothing but the id of the last entry it has seen, so a slow or a returning one
costs no queue: it is given what came since, from memory, else from the store, else a new
snapshot. Changes of one PC that arrive together leave as one.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog

from actors.store import LiveEntry, ReadModels, StoreUnavailableError
from controller.api.problems import ProblemError
from controller.metrics import HttpMetrics
from schemas.views import HallTile

KEPT_ENTRIES: Final = 2_048
READ_BLOCK_MS: Final = 2_000
RETRY_AFTER_MS: Final = 500
BREATH_S: Final = 0.5
"""How long a follower sleeps at most before it is asked whether it may still look."""
MAX_FOLLOWERS: Final = 512
ENTRY_PART_MAX: Final = 2**63 - 1
"""Beyond it the store does not take a number for a part of an entry's id."""

log = structlog.get_logger(__name__)

EntryOrder = tuple[int, int]
MayLook = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole hall as of ``entry_id``."""

    entry_id: str
    tiles: tuple[HallTile, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """Tiles changed up to ``entry_id``, the newest state of each."""

    entry_id: str
    tiles: tuple[HallTile, ...]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Nothing happened for a while; the stream lives."""


Beat = Snapshot | Changes | Heartbeat


def entry_order(entry_id: str) -> EntryOrder | None:
    """The order of a stream's entry ids, or None for text that is no such id."""
    first, _, second = entry_id.partition("-")
    if not (first.isdecimal() and second.isdecimal() and len(entry_id) <= 41):
        return None
    order = int(first), int(second)
    return order if max(order) <= ENTRY_PART_MAX else None


@dataclass(slots=True)
class _Feed:
    """One club's newest entries. Everything after ``floor`` and up to ``tail`` is in ``kept``."""

    floor: EntryOrder
    tail: str
    kept: deque[tuple[EntryOrder, LiveEntry]] = field(default_factory=deque)
    bell: asyncio.Event = field(default_factory=asyncio.Event)
    followers: int = 0
    reader: "asyncio.Task[None] | None" = None

    def ring(self) -> None:
        """Wake everybody who waits for news."""
        self.bell.set()
        self.bell = asyncio.Event()

    def take(self, entries: Iterable[LiveEntry]) -> None:
        """Keep new entries, forgetting the oldest beyond the limit."""
        for entry in entries:
            order = entry_order(entry.entry_id)
            assert order is not None
            self.kept.append((order, entry))
            self.tail = entry.entry_id
        while len(self.kept) > KEPT_ENTRIES:
            self.floor, _ = self.kept.popleft()

    def restart(self, tail: str) -> None:
        """Begin again after a gap."""
        self.kept.clear()
        self.tail = tail
        self.floor = entry_order(tail) or (0, 0)

    def check_reader(self) -> None:
        """Raise what broke the reader, so that followers do not wait for a feed that is dead."""
        if self.reader is not None and self.reader.done():
            self.reader.result()

    def has_after(self, entry_id: str) -> bool:
        """Whether more is known to have come after an entry."""
        return (entry_order(entry_id) or (0, 0)) < (entry_order(self.tail) or (0, 0))

    def since(self, after: EntryOrder) -> list[LiveEntry] | None:
        """Kept entries after ``after``; None when some may have been forgotten."""
        if after < self.floor:
            return None
        return [entry for order, entry in self.kept if order > after]


class LiveHall:
    """Feeds of this process's clubs, each read while somebody follows it."""

    def __init__(
        self, store: ReadModels, metrics: HttpMetrics, *, heartbeat_ms: int, coalesce_ms: int
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._heartbeat_s = heartbeat_ms / 1_000
        self._coalesce_s = coalesce_ms / 1_000
        self._feeds: dict[tuple[str, str], _Feed] = {}
        self._followers = 0
        self._closed = False

    def close(self) -> None:
        """End every stream at its next breath; new ones end at once."""
        self._closed = True
        for feed in self._feeds.values():
            feed.ring()

    async def snapshot(self, chain_id: str, club_id: str) -> Snapshot:
        """The whole hall now. Raises StoreUnavailableError."""
        entry_id, tiles = await self._store.hall(chain_id, club_id)
        return Snapshot(entry_id, tuple(self._tiles(tiles.values())))

    async def follow(
        self, chain_id: str, club_id: str, last_entry_id: str | None, *, may_look: MayLook
    ) -> AsyncGenerator[Beat, None]:
        """Resume after ``last_entry_id`` where that is possible, else begin with a snapshot.

        The first beat comes at once, a heartbeat when nothing was missed.

        Ends when the server closes, and when ``may_look``, asked before every beat and twice a
        second in silence, says no. A store that does not answer only makes heartbeats of what
        would have been changes. Raises ProblemError ``too-many-requests``.
        """
        if self._followers >= MAX_FOLLOWERS:
            raise ProblemError("too-many-requests")
        self._followers += 1
        self._metrics.stream_opened()
        try:
            async with self._feed(chain_id, club_id) as feed:
                async for beat in self._beats(feed, (chain_id, club_id), last_entry_id):
                    if not await may_look():
                        return
                    if beat is not None:
                        yield beat
        finally:
            self._followers -= 1
            self._metrics.stream_closed()

    async def _beats(
        self, feed: _Feed, club: tuple[str, str], last_entry_id: str | None
    ) -> AsyncIterator[Beat | None]:
        """What is to be told; None now and then while there is nothing."""
        cursor = self._resumable(feed, last_entry_id)
        quiet_s = self._heartbeat_s
        while not self._closed:
            bell = feed.bell
            feed.check_reader()
            try:
                beat = await self._next(feed, club, cursor)
            except StoreUnavailableError:
                beat = None
            if beat is not None:
                cursor, quiet_s = beat.entry_id, 0.0
                yield beat
            elif quiet_s >= self._heartbeat_s:
                quiet_s = 0.0
                yield Heartbeat()
            else:
                yield None
            if beat is None or not feed.has_after(beat.entry_id):
                quiet_s += await self._rings(bell, self._heartbeat_s - quiet_s)

    def _resumable(self, feed: _Feed, last_entry_id: str | None) -> str | None:
        """The id to resume after. One ahead of the stream is from another life of the store."""
        if last_entry_id is None or (order := entry_order(last_entry_id)) is None:
            return None
        return last_entry_id if order <= (entry_order(feed.tail) or (0, 0)) else None

    async def _next(
        self, feed: _Feed, club: tuple[str, str], cursor: str | None
    ) -> Snapshot | Changes | None:
        after = None if cursor is None else entry_order(cursor)
        if cursor is None or after is None:
            return await self.snapshot(*club)
        if not feed.has_after(cursor):
            return None
        entries = feed.since(after)
        if entries is None:
            stored = await self._store.live(*club, cursor, block_ms=0)
            if stored is None:
                return await self.snapshot(*club)
            entries = list(stored)
        if not entries:
            return None
        newest = {tile.pc_id: tile for tile in self._tiles(entry.payload for entry in entries)}
        return Changes(entries[-1].entry_id, tuple(newest.values()))

    async def _rings(self, bell: asyncio.Event, at_most_s: float) -> float:
        """Wait for news, then a moment longer for what belongs to it; how long none came (s)."""
        waited_s = min(at_most_s, BREATH_S)
        try:
            async with asyncio.timeout(waited_s):
                await bell.wait()
        except TimeoutError:
            return waited_s
        if not self._closed:
            await asyncio.sleep(self._coalesce_s)
        return 0.0

    @asynccontextmanager
    async def _feed(self, chain_id: str, club_id: str) -> AsyncIterator[_Feed]:
        name = (chain_id, club_id)
        feed = self._feeds.get(name)
        if feed is None:
            tail, _ = await self._store.hall(chain_id, club_id)
            # Another follower may have opened the feed while this one was reading.
            feed = self._feeds.setdefault(name, _Feed(entry_order(tail) or (0, 0), tail))
        if feed.reader is None:
            feed.reader = asyncio.create_task(self._read(feed, chain_id, club_id), name="live")
        feed.followers += 1
        try:
            yield feed
        finally:
            feed.followers -= 1
            if feed.followers == 0:
                feed.reader.cancel()
                self._feeds.pop(name, None)

    async def _read(self, feed: _Feed, chain_id: str, club_id: str) -> None:
        lost = False
        while True:
            try:
                await self._read_once(feed, chain_id, club_id)
                lost = False
            except StoreUnavailableError:
                if not lost:
                    log.warning("live_stream_lost", club=club_id)
                lost = True
                await asyncio.sleep(RETRY_AFTER_MS / 1_000)

    async def _read_once(self, feed: _Feed, chain_id: str, club_id: str) -> None:
        entries = await self._store.live(chain_id, club_id, feed.tail, block_ms=READ_BLOCK_MS)
        if entries is None:
            tail, _ = await self._store.hall(chain_id, club_id)
            feed.restart(tail)
            feed.ring()
        elif entries:
            feed.take(entries)
            feed.ring()

    def _tiles(self, payloads: Iterable[bytes]) -> Iterable[HallTile]:
        for payload in payloads:
            try:
                yield HallTile.model_validate_json(payload)
            except ValueError:
                self._metrics.live_entry_skipped()
