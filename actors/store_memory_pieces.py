"""A chain in memory piece by piece: the twin of RedisPieces."""

from collections.abc import Mapping, Sequence

from actors.placement import shard_of_club
from actors.store_memory_server import MemoryServer
from actors.store_values import (
    BalancesImage,
    ChainStream,
    DocumentsPage,
    Page,
    ShardsImage,
    StreamEntry,
    place_of,
    session_key,
)

FIELDS_PER_PAGE = 100
_BEGINNING = "0-0"


class MemoryPieces:
    """The part of :class:`actors.store.Inspection` that reads a chain in bounded pieces."""

    def __init__(self, server: MemoryServer) -> None:
        self._server = server

    async def trim(
        self, chain_id: str, name: ChainStream, *, behind: StreamEntry, before: str
    ) -> int:
        """See :meth:`actors.store.Inspection.trim`."""
        chain = self._server.chain(chain_id)
        if not chain.streams[name].holds(behind):
            return 0
        kept = chain.streams[name].entries
        trimmed = chain.trimmed.get(name, _BEGINNING)
        chain.trimmed[name] = max(trimmed, before, key=place_of)
        old = [number for number in kept if (number, 0) < place_of(before)]
        for number in old:
            del kept[number]
        return len(old)

    async def trimmed_before(self, chain_id: str, name: ChainStream) -> str:
        """See :meth:`actors.store.Inspection.trimmed_before`."""
        return self._server.chain(chain_id).trimmed.get(name, _BEGINNING)

    async def shards_image(self, chain_id: str, numbers: Sequence[int]) -> ShardsImage:
        """See :meth:`actors.store.Inspection.shards_image`."""
        chain = self._server.chain(chain_id)
        return ShardsImage(
            tuple(one for n in numbers for one in chain.shards.get(n, {}).values()),
            f"{chain.streams[ChainStream.LEDGER].last}-0",
            f"{chain.streams[ChainStream.OUTBOX].last}-0",
        )

    async def balances_image(self, chain_id: str, accounts: Sequence[str]) -> BalancesImage:
        """See :meth:`actors.store.Inspection.balances_image`."""
        chain = self._server.chain(chain_id)
        found = {one: chain.balances[one] for one in accounts if one in chain.balances}
        return BalancesImage(found, f"{chain.streams[ChainStream.LEDGER].last}-0")

    async def accounts_page(self, chain_id: str, after: str | None) -> Page:
        """See :meth:`actors.store.Inspection.accounts_page`."""
        balances = self._server.chain(chain_id).balances
        return _page({account: str(value) for account, value in balances.items()}, after)

    async def documents_page(self, chain_id: str, prefix: str, after: str | None) -> DocumentsPage:
        """See :meth:`actors.store.Inspection.documents_page`."""
        stored = self._server.chain(chain_id).documents
        page = _page({key: key for key in stored if key.startswith(prefix)}, after)
        return DocumentsPage(tuple(stored[key] for key in page.fields), page.after)

    async def index_page(self, chain_id: str, after: str | None) -> Page:
        """See :meth:`actors.store.Inspection.index_page`."""
        return _page(self._server.chain(chain_id).index, after)

    async def indexed(self, chain_id: str, session_ids: Sequence[str]) -> dict[str, str]:
        """See :meth:`actors.store.Inspection.indexed`."""
        index = self._server.chain(chain_id).index
        return {one: index[one] for one in session_ids if one in index}

    async def absent_sessions(self, chain_id: str, clubs: Mapping[str, str]) -> set[str]:
        """See :meth:`actors.store.Inspection.absent_sessions`."""
        chain = self._server.chain(chain_id)
        return {
            session_id
            for session_id, club_id in clubs.items()
            if session_key(session_id)
            not in chain.shards.get(shard_of_club(chain_id, club_id).number, {})
            and session_id not in chain.closed
        }


def _page(fields: Mapping[str, str], after: str | None) -> Page:
    names = sorted(name for name in fields if after is None or name > after)
    shown = names[:FIELDS_PER_PAGE]
    more = len(names) > len(shown)
    return Page({name: fields[name] for name in shown}, shown[-1] if more else None)
