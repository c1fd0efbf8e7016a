"""What is read from memory without owning anything: the twin of RedisReads."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from actors.placement import shard_of_club
from actors.store_memory_chain import MemoryStream
from actors.store_memory_pieces import MemoryPieces
from actors.store_values import (
    ENDED_KEY_PREFIX,
    LIVE_STREAM_MAX_ENTRIES,
    SESSION_KEY_PREFIX,
    ChainImage,
    ChainStream,
    LiveEntry,
    StoredEntity,
    StreamEntry,
    session_key,
)

_BEGINNING = "0-0"


class MemoryReads(MemoryPieces):
    """The ReadModels and Inspection parts of the port."""

    async def catalogue(self, chain_id: str) -> dict[str, bytes]:
        """See :meth:`actors.store.Catalogue.catalogue`."""
        return dict(self._server.chain(chain_id).catalogue)

    async def hall(self, chain_id: str, club_id: str) -> tuple[str, dict[str, bytes]]:
        """See :meth:`actors.store.ReadModels.hall`."""
        chain = self._server.chain(chain_id)
        stream = chain.live.get(club_id, MemoryStream())
        return f"{stream.last}-0", dict(chain.halls.get(club_id, {}))

    async def live(
        self, chain_id: str, club_id: str, after: str, *, block_ms: int
    ) -> tuple[LiveEntry, ...] | None:
        """See :meth:`actors.store.ReadModels.live`."""
        chain = self._server.chain(chain_id)
        stream = chain.live.setdefault(club_id, MemoryStream())
        at = number_of(after)
        await self._server.wait_until(lambda: stream.last > at, timeout_ms=block_ms)
        if after == _BEGINNING:
            gone = len(stream.entries) >= LIVE_STREAM_MAX_ENTRIES
        else:
            gone = at not in stream.entries
        if gone:
            return None
        return tuple(e for e in chain.live_entries(club_id) if number_of(e.entry_id) > at)

    async def session(self, chain_id: str, session_id: str) -> StoredEntity | None:
        """See :meth:`actors.store.ReadModels.session`."""
        chain = self._server.chain(chain_id)
        club_id = chain.index.get(session_id)
        if club_id is None:
            return None
        key = session_key(session_id)
        running = chain.shards.get(shard_of_club(chain_id, club_id).number, {}).get(key)
        closed = chain.closed.get(session_id)
        return running or (None if closed is None else replace(closed, key=key))

    async def club_of_session(self, chain_id: str, session_id: str) -> str | None:
        """See :meth:`actors.store.ReadModels.club_of_session`."""
        return self._server.chain(chain_id).index.get(session_id)

    async def sessions_of_club(self, chain_id: str, club_id: str) -> tuple[StoredEntity, ...]:
        """See :meth:`actors.store.ReadModels.sessions_of_club`."""
        chain = self._server.chain(chain_id)
        stored = chain.shards.get(shard_of_club(chain_id, club_id).number, {})
        return tuple(
            entity
            for key, entity in sorted(stored.items())
            if key.startswith(SESSION_KEY_PREFIX)
            and chain.index.get(key.removeprefix(SESSION_KEY_PREFIX)) == club_id
        )

    async def ended_beside(self, chain_id: str, club_id: str) -> tuple[StoredEntity, ...]:
        """See :meth:`actors.store.ReadModels.ended_beside`."""
        chain = self._server.chain(chain_id)
        stored = chain.shards.get(shard_of_club(chain_id, club_id).number, {})
        found = sorted(stored.items())
        return tuple(entity for key, entity in found if key.startswith(ENDED_KEY_PREFIX))

    async def balances(self, chain_id: str, accounts: Sequence[str]) -> dict[str, int]:
        """See :meth:`actors.store.ReadModels.balances`."""
        stored = self._server.chain(chain_id).balances
        return {account: stored.get(account, 0) for account in accounts}

    async def documents(self, chain_id: str, keys: Sequence[str]) -> dict[str, StoredEntity]:
        """See :meth:`actors.store.ReadModels.documents`."""
        stored = self._server.chain(chain_id).documents
        return {key: stored[key] for key in keys if key in stored}

    async def documents_by_prefix(self, chain_id: str, prefix: str) -> tuple[StoredEntity, ...]:
        """See :meth:`actors.store.ReadModels.documents_by_prefix`."""
        stored = self._server.chain(chain_id).documents
        return tuple(stored[key] for key in sorted(stored) if key.startswith(prefix))

    async def stream(
        self, chain_id: str, name: ChainStream, *, after: str = _BEGINNING, count: int = 1_000
    ) -> tuple[StreamEntry, ...]:
        """See :meth:`actors.store.ReadModels.stream`."""
        at = number_of(after)
        entries = self._server.chain(chain_id).entries(name)
        return tuple(e for e in entries if number_of(e.entry_id) > at)[:count]

    async def audit(
        self, chain_id: str, *, before: str | None = None, count: int = 100
    ) -> tuple[StreamEntry, ...]:
        """See :meth:`actors.store.ReadModels.audit`."""
        kept = self._server.chain(chain_id).audit.entries
        numbers = [one for one in kept if before is None or one < number_of(before)]
        newest = sorted(numbers, reverse=True)[:count]
        return tuple(StreamEntry(f"{number}-0", kept[number]) for number in newest)

    async def image(self, chain_id: str) -> ChainImage:
        """See :meth:`actors.store.Inspection.image`."""
        streams = self._server.chain(chain_id).streams
        return ChainImage(
            balances=await self.all_balances(chain_id),
            claims=await self.all_claims(chain_id),
            entities=await self.all_entities(chain_id),
            closed=await self.closed_sessions(chain_id),
            sessions=await self.all_sessions(chain_id),
            ledger_until=f"{streams[ChainStream.LEDGER].last}-0",
            outbox_until=f"{streams[ChainStream.OUTBOX].last}-0",
        )

    async def all_balances(self, chain_id: str) -> dict[str, int]:
        """See :meth:`actors.store.Inspection.all_balances`."""
        return dict(self._server.chain(chain_id).balances)

    async def all_claims(self, chain_id: str) -> dict[str, str]:
        """See :meth:`actors.store.Inspection.all_claims`."""
        return dict(self._server.chain(chain_id).claims)

    async def all_entities(self, chain_id: str) -> tuple[StoredEntity, ...]:
        """See :meth:`actors.store.Inspection.all_entities`."""
        shards = self._server.chain(chain_id).shards.values()
        return tuple(entity for shard in shards for entity in shard.values())

    async def all_sessions(self, chain_id: str) -> dict[str, str]:
        """See :meth:`actors.store.Inspection.all_sessions`."""
        return dict(self._server.chain(chain_id).index)

    async def closed_sessions(self, chain_id: str) -> tuple[StoredEntity, ...]:
        """See :meth:`actors.store.Inspection.closed_sessions`."""
        closed = self._server.chain(chain_id).closed
        return tuple(closed[session_id] for session_id in sorted(closed))

    async def closed_ids(self, chain_id: str) -> tuple[str, ...]:
        """See :meth:`actors.store.Inspection.closed_ids`."""
        return tuple(sorted(self._server.chain(chain_id).closed))

    async def closed_among(
        self, chain_id: str, session_ids: Sequence[str]
    ) -> tuple[StoredEntity, ...]:
        """See :meth:`actors.store.Inspection.closed_among`."""
        closed = self._server.chain(chain_id).closed
        return tuple(closed[key] for key in sorted(set(session_ids)) if key in closed)

    async def drop_closed(
        self,
        chain_id: str,
        versions: Mapping[str, int],
        *,
        behind: Mapping[ChainStream, StreamEntry],
    ) -> None:
        """See :meth:`actors.store.Inspection.drop_closed`."""
        chain = self._server.chain(chain_id)
        if not all(chain.streams[name].holds(entry) for name, entry in behind.items()):
            return
        for session_id, version in versions.items():
            held = chain.closed.get(session_id)
            if held is not None and held.version == version:
                del chain.closed[session_id]
                chain.index.pop(session_id, None)


def number_of(entry_id: str) -> int:
    """The place of an entry in a memory stream. Raises ValueError on any other text."""
    number, _, _ = entry_id.partition("-")
    return int(number)
