"""What leaves Redis for an archive, and what comes back from it."""

from actors.redis_link import RedisLink
from actors.store_keys import ChainKeys
from actors.store_values import StoredEntity, StreamEntry
from actors.store_wire import stored_form


class RedisPast:
    """The Past part of the port."""

    _link: RedisLink

    async def audit_after(
        self, chain_id: str, after: str, *, count: int
    ) -> tuple[StreamEntry, ...]:
        """See :meth:`actors.store_past.Past.audit_after`."""
        key = ChainKeys(chain_id).of("audit")
        found = await self._link.call("XRANGE", key, f"({after}", "+", "COUNT", count)
        return tuple(StreamEntry(i.decode(), fields[b"a"]) for i, fields in found)

    async def trim_audit(self, chain_id: str, *, before: str) -> int:
        """See :meth:`actors.store_past.Past.trim_audit`."""
        return int(await self._link.call("XTRIM", ChainKeys(chain_id).of("audit"), "MINID", before))

    async def bring_back(self, chain_id: str, club_id: str, closed: StoredEntity) -> None:
        """See :meth:`actors.store_past.Past.bring_back`."""
        keys = ChainKeys(chain_id)
        await self._link.together(
            [
                ("HSETNX", keys.of("closed"), closed.key, stored_form(closed.version, closed.blob)),
                ("HSETNX", keys.of("index"), closed.key, club_id),
            ],
            atomic=True,
        )
