"""A whole chain out of Redis, as of one instant, and into an empty one again.

Live streams are left out: a page that resumes one is sent a snapshot. Owners of shards are left
out too, so the first host that takes a shard raises its epoch, past any that was issued since.
"""

import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Self

from actors.redis_link import Argument, RedisLink, Script
from actors.store_keys import CHAINS, CLUBS, ChainKeys, clubs_among
from actors.store_redis_reads import STREAM_FIELD
from actors.store_values import ChainStream, ClubTakenError, place_of

DUMP_TIMEOUT_SECONDS: Final = 60.0
PER_PART: Final = 500
_BEGINNING: Final = "0-0"
_OWNER_FIELDS: Final = ("nonce", "host", "reply")
_DUMP = Script.named("dump")
_CLAIM_CLUBS = Script.named("claim_clubs")


@dataclass(frozen=True, slots=True)
class HashPart:
    """Fields of a hash; ``key`` is what follows the chain's prefix. A hash may have many parts."""

    key: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StringPart:
    """A string that lives for another ``ttl_ms``, or for ever."""

    key: str
    value: str
    ttl_ms: int | None


@dataclass(frozen=True, slots=True)
class StreamPart:
    """Entries of a stream, oldest first: (id, payload)."""

    name: ChainStream
    entries: tuple[tuple[str, str], ...]


Part = HashPart | StringPart | StreamPart


class RedisBackup:
    """Reads and writes whole chains. All methods raise StoreError and its children."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    @classmethod
    def open(cls, url: str) -> Self:
        """A link of its own, patient with large answers."""
        return cls(RedisLink.open(url, reply_timeout_seconds=DUMP_TIMEOUT_SECONDS))

    async def close(self) -> None:
        """Close connections."""
        await self._link.close()

    async def dump(self, chain_id: str) -> AsyncIterator[Part]:
        """The chain at the instant of the first part; streams up to that instant."""
        prefix = ChainKeys(chain_id).of("")
        found = await self._link.run(_DUMP, [], [f"{_literally(prefix)}*"])
        last: dict[str, str] = {}
        for raw_key, kind, content, ttl_ms in sorted(found):
            key = raw_key.decode().removeprefix(prefix)
            if kind == b"hash":
                for part in _hash_parts(key, content):
                    yield part
            elif kind == b"string":
                yield StringPart(key, content.decode(), ttl_ms if ttl_ms >= 0 else None)
            elif kind == b"stream":
                last[key] = content.decode()
        for name in ChainStream:
            async for stream in self._stream(chain_id, name, last.get(name, _BEGINNING)):
                yield stream

    async def _stream(
        self, chain_id: str, name: ChainStream, until: str
    ) -> AsyncIterator[StreamPart]:
        key, after = ChainKeys(chain_id).of(name), _BEGINNING
        while place_of(after) < place_of(until):
            found = await self._link.call("XRANGE", key, f"({after}", until, "COUNT", PER_PART)
            if not found:
                # An archive trimmed what was left; it holds it.
                return
            field = STREAM_FIELD[name]
            entries = tuple((i.decode(), fields[field].decode()) for i, fields in found)
            yield StreamPart(name, entries)
            after = entries[-1][0]

    async def is_empty(self, chain_id: str) -> bool:
        """Whether the store holds nothing of the chain."""
        pattern = f"{_literally(ChainKeys(chain_id).of(''))}*"
        return not await self._link.call("KEYS", pattern)

    async def write(self, chain_id: str, part: Part) -> None:
        """Write one part; hosts do not look at the chain before :meth:`announce`."""
        await self._link.together(list(_commands(ChainKeys(chain_id), part)), atomic=False)

    async def announce(self, chain_id: str) -> None:
        """All parts are written: the chain exists, and its clubs are its own.

        Raises ClubTakenError when another chain of the installation has one of them.
        """
        fields = await self._link.call("HKEYS", ChainKeys(chain_id).of("catalogue"))
        clubs = clubs_among(name.decode() for name in fields)
        taken = await self._link.run(_CLAIM_CLUBS, [CLUBS], [chain_id, *clubs])
        if taken is not None:
            raise ClubTakenError(f"club {taken.decode()} belongs to another chain")
        await self._link.call("SADD", CHAINS, chain_id)


def _literally(text: str) -> str:
    return re.sub(r"([*?\[\]\\])", r"\\\1", text)


def _hash_parts(key: str, content: Sequence[bytes]) -> Iterable[HashPart]:
    pairs = ((content[n].decode(), content[n + 1].decode()) for n in range(0, len(content), 2))
    if key.startswith("lease:"):
        pairs = (pair for pair in pairs if pair[0] not in _OWNER_FIELDS)
    while some := dict(islice(pairs, PER_PART)):
        yield HashPart(key, some)


def _commands(keys: ChainKeys, part: Part) -> Iterable[tuple[Argument, ...]]:
    match part:
        case HashPart(key, fields):
            yield ("HSET", keys.of(key), *(text for pair in fields.items() for text in pair))
        case StringPart(key, value, ttl_ms):
            life = () if ttl_ms is None else ("PX", max(1, ttl_ms))
            yield ("SET", keys.of(key), value, *life)
        case StreamPart(name, entries):
            field = STREAM_FIELD[name]
            for entry_id, payload in entries:
                yield ("XADD", keys.of(name), entry_id, field, payload)
