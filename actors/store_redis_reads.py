"""What is read from Redis without owning anything: read models, whole chains for checks."""

from collections.abc import Callable, Mapping, Sequence

from actors.placement import shard_of_club
from actors.redis_link import Argument, RedisLink, Script
from actors.store_keys import ChainKeys
from actors.store_redis_pieces import RedisPieces
from actors.store_values import (
    ENDED_KEY_PREFIX,
    LIVE_STREAM_MAX_ENTRIES,
    SESSION_KEY_PREFIX,
    SHARD_COUNT,
    ChainImage,
    ChainStream,
    LiveEntry,
    StoredEntity,
    StreamEntry,
    place_of,
    session_key,
)
from actors.store_wire import entity_of

LIVE_BLOCK_MS_MAX = 30_000
LIVE_ENTRIES_PER_READ = 500
SHARDS_PER_READ = 32
FIELDS_PER_SCAN = 1_000
DROPPED_PER_CALL = 500
_BEGINNING = "0-0"
_DROP_CLOSED = Script.named("drop_closed")
STREAM_FIELD = {ChainStream.LEDGER: b"t", ChainStream.OUTBOX: b"e"}


class RedisReads(RedisPieces):
    """The ReadModels and Inspection parts of the port."""

    def __init__(self, link: RedisLink, blocking: RedisLink) -> None:
        super().__init__(link)
        self._blocking = blocking

    async def close(self) -> None:
        """See :meth:`actors.store.Store.close`."""
        await self._link.close()
        await self._blocking.close()

    async def catalogue(self, chain_id: str) -> dict[str, bytes]:
        """See :meth:`actors.store.Catalogue.catalogue`."""
        return _text_keys(await self._link.call("HGETALL", ChainKeys(chain_id).of("catalogue")))

    async def hall(self, chain_id: str, club_id: str) -> tuple[str, dict[str, bytes]]:
        """See :meth:`actors.store.ReadModels.hall`."""
        keys = ChainKeys(chain_id)
        last, tiles = await self._link.together(
            [
                ("XREVRANGE", keys.live(club_id), "+", "-", "COUNT", 1),
                ("HGETALL", keys.hall(club_id)),
            ],
            atomic=True,
        )
        return (last[0][0].decode() if last else _BEGINNING), _text_keys(tiles)

    async def live(
        self, chain_id: str, club_id: str, after: str, *, block_ms: int
    ) -> tuple[LiveEntry, ...] | None:
        """See :meth:`actors.store.ReadModels.live`. Waits 30 s at most."""
        key = ChainKeys(chain_id).live(club_id)
        wait_ms = max(1, min(block_ms, LIVE_BLOCK_MS_MAX))
        options = ("COUNT", LIVE_ENTRIES_PER_READ, "BLOCK", wait_ms)
        found = await self._blocking.call("XREAD", *options, "STREAMS", key, after)
        # What was trimmed stays trimmed, so looking after the read says what the read missed.
        if await self._is_gone(key, after):
            return None
        entries = found[0][1] if found else []
        return tuple(LiveEntry(i.decode(), fields[b"d"]) for i, fields in entries)

    async def _is_gone(self, key: str, entry_id: str) -> bool:
        length, first, last = await self._link.together(
            [
                ("XLEN", key),
                ("XRANGE", key, "-", "+", "COUNT", 1),
                ("XREVRANGE", key, "+", "-", "COUNT", 1),
            ],
            atomic=True,
        )
        if entry_id == _BEGINNING:
            return int(length) >= LIVE_STREAM_MAX_ENTRIES
        if not first:
            return True
        at = place_of(entry_id)
        return not place_of(first[0][0].decode()) <= at <= place_of(last[0][0].decode())

    async def session(self, chain_id: str, session_id: str) -> StoredEntity | None:
        """See :meth:`actors.store.ReadModels.session`."""
        keys = ChainKeys(chain_id)
        club_id = await self.club_of_session(chain_id, session_id)
        if club_id is None:
            return None
        shard = keys.shard(shard_of_club(chain_id, club_id).number)
        field = session_key(session_id)
        # One transaction: between two reads the session could close and be in neither place.
        running, closed = await self._link.together(
            [("HGET", shard, field), ("HGET", keys.of("closed"), session_id)], atomic=True
        )
        stored = running or closed
        return None if stored is None else entity_of(field, stored)

    async def club_of_session(self, chain_id: str, session_id: str) -> str | None:
        """See :meth:`actors.store.ReadModels.club_of_session`."""
        club_id = await self._link.call("HGET", ChainKeys(chain_id).of("index"), session_id)
        return None if club_id is None else club_id.decode()

    async def sessions_of_club(self, chain_id: str, club_id: str) -> tuple[StoredEntity, ...]:
        """See :meth:`actors.store.ReadModels.sessions_of_club`."""
        keys = ChainKeys(chain_id)
        shard = keys.shard(shard_of_club(chain_id, club_id).number)
        stored = _text_keys(await self._link.call("HGETALL", shard))
        found = sorted(key for key in stored if key.startswith(SESSION_KEY_PREFIX))
        if not found:
            return ()
        ids = [key.removeprefix(SESSION_KEY_PREFIX) for key in found]
        clubs = await self._link.call("HMGET", keys.of("index"), *ids)
        return tuple(
            entity_of(key, stored[key])
            for key, club in zip(found, clubs, strict=True)
            if club == club_id.encode()
        )

    async def ended_beside(self, chain_id: str, club_id: str) -> tuple[StoredEntity, ...]:
        """See :meth:`actors.store.ReadModels.ended_beside`."""
        shard = ChainKeys(chain_id).shard(shard_of_club(chain_id, club_id).number)
        stored = sorted(_text_keys(await self._link.call("HGETALL", shard)).items())
        return tuple(entity_of(k, v) for k, v in stored if k.startswith(ENDED_KEY_PREFIX))

    async def balances(self, chain_id: str, accounts: Sequence[str]) -> dict[str, int]:
        """See :meth:`actors.store.ReadModels.balances`."""
        if not accounts:
            return {}
        stored = await self._link.call("HMGET", ChainKeys(chain_id).of("balances"), *accounts)
        return {a: int(v or 0) for a, v in zip(accounts, stored, strict=True)}

    async def documents(self, chain_id: str, keys: Sequence[str]) -> dict[str, StoredEntity]:
        """See :meth:`actors.store.ReadModels.documents`."""
        if not keys:
            return {}
        stored = await self._link.call("HMGET", ChainKeys(chain_id).of("documents"), *keys)
        pairs = zip(keys, stored, strict=True)
        return {key: entity_of(key, value) for key, value in pairs if value is not None}

    async def documents_by_prefix(self, chain_id: str, prefix: str) -> tuple[StoredEntity, ...]:
        """See :meth:`actors.store.ReadModels.documents_by_prefix`."""
        key, following = ChainKeys(chain_id).of("documents"), "0"
        wanted = ("MATCH", f"{_escaped(prefix)}*", "COUNT", FIELDS_PER_SCAN)
        stored: dict[str, StoredEntity] = {}
        while True:
            cursor, found = await self._link.call("HSCAN", key, following, *wanted)
            # Piece by piece: the process answers others in between, however many there are.
            stored |= {name: entity_of(name, value) for name, value in _text_keys(found).items()}
            following = str(cursor)
            if following == "0":
                return tuple(stored[name] for name in sorted(stored))

    async def stream(
        self, chain_id: str, name: ChainStream, *, after: str = _BEGINNING, count: int = 1_000
    ) -> tuple[StreamEntry, ...]:
        """See :meth:`actors.store.ReadModels.stream`."""
        key = ChainKeys(chain_id).of(name)
        found = await self._link.call("XRANGE", key, f"({after}", "+", "COUNT", count)
        field = STREAM_FIELD[name]
        return tuple(StreamEntry(i.decode(), fields[field]) for i, fields in found)

    async def audit(
        self, chain_id: str, *, before: str | None = None, count: int = 100
    ) -> tuple[StreamEntry, ...]:
        """See :meth:`actors.store.ReadModels.audit`."""
        key = ChainKeys(chain_id).of("audit")
        end = "+" if before is None else f"({before}"
        found = await self._link.call("XREVRANGE", key, end, "-", "COUNT", count)
        return tuple(StreamEntry(i.decode(), fields[b"a"]) for i, fields in found)

    async def image(self, chain_id: str) -> ChainImage:
        """See :meth:`actors.store.Inspection.image`."""
        keys = ChainKeys(chain_id)
        last = ("+", "-", "COUNT", 1)
        ledger, outbox, balances, claims, index, closed, *shards = await self._link.together(
            [
                ("XREVRANGE", keys.of(ChainStream.LEDGER), *last),
                ("XREVRANGE", keys.of(ChainStream.OUTBOX), *last),
                *(("HGETALL", keys.of(n)) for n in ("balances", "claims", "index", "closed")),
                *(("HGETALL", keys.shard(number)) for number in range(SHARD_COUNT)),
            ],
            atomic=True,
        )
        return ChainImage(
            balances={account.decode(): int(value) for account, value in balances.items()},
            claims=_text(claims),
            entities=tuple(entity_of(k, v) for s in shards for k, v in _text_keys(s).items()),
            closed=tuple(entity_of(k, v) for k, v in sorted(_text_keys(closed).items())),
            sessions=_text(index),
            ledger_until=ledger[0][0].decode() if ledger else _BEGINNING,
            outbox_until=outbox[0][0].decode() if outbox else _BEGINNING,
        )

    async def all_balances(self, chain_id: str) -> dict[str, int]:
        """See :meth:`actors.store.Inspection.all_balances`."""
        stored = await self._link.call("HGETALL", ChainKeys(chain_id).of("balances"))
        return {account.decode(): int(value) for account, value in stored.items()}

    async def all_claims(self, chain_id: str) -> dict[str, str]:
        """See :meth:`actors.store.Inspection.all_claims`."""
        return _text(await self._link.call("HGETALL", ChainKeys(chain_id).of("claims")))

    async def all_entities(self, chain_id: str) -> tuple[StoredEntity, ...]:
        """See :meth:`actors.store.Inspection.all_entities`."""
        keys = ChainKeys(chain_id)
        entities: list[StoredEntity] = []
        for first in range(0, SHARD_COUNT, SHARDS_PER_READ):
            numbers = range(first, min(first + SHARDS_PER_READ, SHARD_COUNT))
            shards = await self._link.together(
                [("HGETALL", keys.shard(number)) for number in numbers], atomic=False
            )
            for stored in shards:
                entities += (entity_of(k, v) for k, v in _text_keys(stored).items())
        return tuple(entities)

    async def all_sessions(self, chain_id: str) -> dict[str, str]:
        """See :meth:`actors.store.Inspection.all_sessions`."""
        return _text(await self._link.call("HGETALL", ChainKeys(chain_id).of("index")))

    async def closed_sessions(self, chain_id: str) -> tuple[StoredEntity, ...]:
        """See :meth:`actors.store.Inspection.closed_sessions`."""
        stored = _text_keys(await self._link.call("HGETALL", ChainKeys(chain_id).of("closed")))
        return tuple(entity_of(key, value) for key, value in sorted(stored.items()))

    async def closed_ids(self, chain_id: str) -> tuple[str, ...]:
        """See :meth:`actors.store.Inspection.closed_ids`."""
        ids = await self._link.call("HKEYS", ChainKeys(chain_id).of("closed"))
        return tuple(sorted(session_id.decode() for session_id in ids))

    async def closed_among(
        self, chain_id: str, session_ids: Sequence[str]
    ) -> tuple[StoredEntity, ...]:
        """See :meth:`actors.store.Inspection.closed_among`."""
        ids = sorted(set(session_ids))
        if not ids:
            return ()
        stored = await self._link.call("HMGET", ChainKeys(chain_id).of("closed"), *ids)
        pairs = zip(ids, stored, strict=True)
        return tuple(entity_of(key, value) for key, value in pairs if value is not None)

    async def drop_closed(
        self,
        chain_id: str,
        versions: Mapping[str, int],
        *,
        behind: Mapping[ChainStream, StreamEntry],
    ) -> None:
        """See :meth:`actors.store.Inspection.drop_closed`."""
        keys, held = ChainKeys(chain_id), sorted(versions.items())
        named = [keys.of("closed"), keys.of("index"), *map(keys.of, behind)]
        stands: list[Argument] = []
        for entry in behind.values():
            stands += [entry.entry_id, entry.payload]
        for first in range(0, len(held), DROPPED_PER_CALL):
            words = [word for pair in held[first : first + DROPPED_PER_CALL] for word in pair]
            await self._link.run(_DROP_CLOSED, named, [*stands, *words])

    async def _indexed(
        self, index: str, key_of: Callable[[str], str], prefix: str = ""
    ) -> dict[str, bytes]:
        members = await self._link.call("SMEMBERS", index)
        names = sorted(n for n in (m.decode() for m in members) if n.startswith(prefix))
        if not names:
            return {}
        values = await self._link.call("MGET", *map(key_of, names))
        return {name: v for name, v in zip(names, values, strict=True) if v is not None}


def _escaped(prefix: str) -> str:
    """The text as a pattern that stands for itself."""
    return "".join(f"\\{one}" if one in "*?[]^-\\" else one for one in prefix)


def _text_keys(stored: Mapping[bytes, bytes]) -> dict[str, bytes]:
    return {key.decode(): value for key, value in stored.items()}


def _text(stored: Mapping[bytes, bytes]) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in stored.items()}
