"""What leaves memory for an archive and comes back: the twin of RedisPast."""

from actors.store_memory_server import MemoryServer
from actors.store_values import StoredEntity, StreamEntry, place_of


class MemoryPast:
    """The Past part of the port."""

    _server: MemoryServer

    async def audit_after(
        self, chain_id: str, after: str, *, count: int
    ) -> tuple[StreamEntry, ...]:
        """See :meth:`actors.store_past.Past.audit_after`."""
        at = place_of(after)[0]
        kept = self._server.chain(chain_id).audit.entries
        found = [StreamEntry(f"{number}-0", kept[number]) for number in kept if number > at]
        return tuple(found[:count])

    async def trim_audit(self, chain_id: str, *, before: str) -> int:
        """See :meth:`actors.store_past.Past.trim_audit`."""
        kept = self._server.chain(chain_id).audit.entries
        old = [number for number in kept if (number, 0) < place_of(before)]
        for number in old:
            del kept[number]
        return len(old)

    async def bring_back(self, chain_id: str, club_id: str, closed: StoredEntity) -> None:
        """See :meth:`actors.store_past.Past.bring_back`."""
        chain = self._server.chain(chain_id)
        chain.closed.setdefault(closed.key, closed)
        chain.index.setdefault(closed.key, club_id)
