"""A chain in Redis piece by piece, for checks that must not hold all of it at once; trimming."""

from collections.abc import Mapping, Sequence

from actors.placement import shard_of_club
from actors.redis_link import Argument, RedisLink, Script
from actors.store_keys import ChainKeys
from actors.store_values import (
    BalancesImage,
    ChainStream,
    DocumentsPage,
    Page,
    ShardsImage,
    StreamEntry,
    session_key,
)
from actors.store_wire import entity_of

FIELDS_PER_PAGE = 1_000
_BEGINNING = "0-0"
_TRIMMED = "trimmed"
_TRIM = Script.named("trim")


class RedisPieces:
    """The part of :class:`actors.store.Inspection` that reads a chain in bounded pieces."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    async def trim(
        self, chain_id: str, name: ChainStream, *, behind: StreamEntry, before: str
    ) -> int:
        """See :meth:`actors.store.Inspection.trim`."""
        keys = ChainKeys(chain_id)
        arguments: list[Argument] = [name, behind.entry_id, behind.payload, before]
        return int(await self._link.run(_TRIM, [keys.of(name), keys.of(_TRIMMED)], arguments))

    async def trimmed_before(self, chain_id: str, name: ChainStream) -> str:
        """See :meth:`actors.store.Inspection.trimmed_before`."""
        found = await self._link.call("HGET", ChainKeys(chain_id).of(_TRIMMED), name)
        return _BEGINNING if found is None else str(found.decode())

    async def shards_image(self, chain_id: str, numbers: Sequence[int]) -> ShardsImage:
        """See :meth:`actors.store.Inspection.shards_image`."""
        keys = ChainKeys(chain_id)
        shards = [("HGETALL", keys.shard(number)) for number in numbers]
        streams = (ChainStream.LEDGER, ChainStream.OUTBOX)
        ledger, outbox, *found = await self._link.together(
            [*(_last(keys.of(name)) for name in streams), *shards], atomic=True
        )
        entities = (entity_of(k.decode(), v) for shard in found for k, v in shard.items())
        return ShardsImage(tuple(entities), _id_of(ledger), _id_of(outbox))

    async def balances_image(self, chain_id: str, accounts: Sequence[str]) -> BalancesImage:
        """See :meth:`actors.store.Inspection.balances_image`."""
        if not accounts:
            return BalancesImage({}, _BEGINNING)
        keys = ChainKeys(chain_id)
        last, stored = await self._link.together(
            [_last(keys.of(ChainStream.LEDGER)), ("HMGET", keys.of("balances"), *accounts)],
            atomic=True,
        )
        pairs = zip(accounts, stored, strict=True)
        return BalancesImage({a: int(v) for a, v in pairs if v is not None}, _id_of(last))

    async def accounts_page(self, chain_id: str, after: str | None) -> Page:
        """See :meth:`actors.store.Inspection.accounts_page`."""
        return await self._page(ChainKeys(chain_id).of("balances"), after)

    async def documents_page(self, chain_id: str, prefix: str, after: str | None) -> DocumentsPage:
        """See :meth:`actors.store.Inspection.documents_page`."""
        key, limit = ChainKeys(chain_id).of("documents"), ("COUNT", FIELDS_PER_PAGE)
        following, found = await self._link.call("HSCAN", key, after or "0", *limit)
        named = ((name.decode(), value) for name, value in found.items())
        documents = (entity_of(name, value) for name, value in named if name.startswith(prefix))
        return DocumentsPage(tuple(documents), str(following) if following else None)

    async def index_page(self, chain_id: str, after: str | None) -> Page:
        """See :meth:`actors.store.Inspection.index_page`."""
        return await self._page(ChainKeys(chain_id).of("index"), after)

    async def _page(self, key: str, after: str | None) -> Page:
        following, found = await self._link.call(
            "HSCAN", key, after or "0", "COUNT", FIELDS_PER_PAGE
        )
        fields = {name.decode(): value.decode() for name, value in found.items()}
        return Page(fields, str(following) if following else None)

    async def indexed(self, chain_id: str, session_ids: Sequence[str]) -> dict[str, str]:
        """See :meth:`actors.store.Inspection.indexed`."""
        if not session_ids:
            return {}
        clubs = await self._link.call("HMGET", ChainKeys(chain_id).of("index"), *session_ids)
        pairs = zip(session_ids, clubs, strict=True)
        return {session_id: club.decode() for session_id, club in pairs if club is not None}

    async def absent_sessions(self, chain_id: str, clubs: Mapping[str, str]) -> set[str]:
        """See :meth:`actors.store.Inspection.absent_sessions`."""
        keys = ChainKeys(chain_id)
        asked: list[tuple[Argument, ...]] = []
        for session_id, club_id in clubs.items():
            shard = keys.shard(shard_of_club(chain_id, club_id).number)
            asked += (
                ("HEXISTS", shard, session_key(session_id)),
                ("HEXISTS", keys.of("closed"), session_id),
            )
        # One transaction: between two reads a session could close and be in neither place.
        found = await self._link.together(asked, atomic=True) if asked else []
        there = [open_ or closed for open_, closed in zip(found[::2], found[1::2], strict=True)]
        return {
            session_id for session_id, is_there in zip(clubs, there, strict=True) if not is_there
        }


def _last(key: str) -> tuple[Argument, ...]:
    return ("XREVRANGE", key, "+", "-", "COUNT", 1)


def _id_of(last: Sequence[tuple[bytes, object]]) -> str:
    return last[0][0].decode() if last else _BEGINNING
