"""Orders and the audit on their way from the store to the archive, and out of the store."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import structlog

from actors.clock import Clock
from actors.orders import ORDER_KEY_PREFIX, order_key
from actors.store import EntityWrite, Scope, Store, StoredEntity, place_of
from actors.store_editing import CatalogueEdit
from controller.archive import audit_rows, order_rows
from controller.archive.catching_up import just_before
from controller.archive.database import Archive
from controller.archive.rereading import tell
from controller.archive.rows import BEGINNING
from controller.readable import readable
from schemas.events import ORDER_SOURCE, source_of

ENTRIES_PER_TRANSACTION: Final = 500
AUDIT_KEPT_MS: Final = 7 * 24 * 3_600_000

log = structlog.get_logger(__name__)


class Leaving:
    """One per consumer. All methods raise StoreUnavailableError and ArchiveError."""

    def __init__(self, store: Store, archive: Archive, clock: Clock) -> None:
        self._store = store
        self._archive = archive
        self._clock = clock

    async def orders_told(
        self, chain_id: str, told: Sequence[Mapping[str, Any]]
    ) -> list[StoredEntity]:
        """The orders that outbox entries tell of, as they are now.

        One that has told more since is left for the entries that say so: whatever the archive has
        of an order, it has the events of as well, and loses both together if the store does.
        """
        counts = told_of(ORDER_SOURCE, told)
        keys = [order_key(order_id) for order_id in sorted(counts)]
        stored = await self._store.documents(chain_id, keys)
        return order_rows.known_by(counts, stored.values())

    async def take_audit(self, chain_id: str) -> int:
        """Archive what is new of the audit, and let go of what is old; how much was new."""
        cursor, moved = await self._archive.look(audit_rows.cursor, chain_id), 0
        await self._tell_of_lost_audit(chain_id, cursor)
        while read := await self._store.audit_after(
            chain_id, cursor, count=ENTRIES_PER_TRANSACTION
        ):
            now_ms = self._clock.wall_ms()
            unread = await self._archive.transact(
                audit_rows.write_audit, chain_id, read, after=cursor, now_ms=now_ms
            )
            tell(chain_id, unread)
            cursor = read[-1].entry_id
            moved += len(read)
        if moved:
            oldest_ms = max(0, place_of(cursor)[0] - AUDIT_KEPT_MS)
            await self._store.trim_audit(chain_id, before=f"{oldest_ms}-0")
        return moved

    async def _tell_of_lost_audit(self, chain_id: str, cursor: str) -> None:
        """The store holds its newest entries only. The last one archived stays for a week, so
        when that has gone unasked, others may have gone after it."""
        if cursor == BEGINNING:
            return
        held = await self._store.audit_after(chain_id, just_before(cursor), count=1)
        if held and held[0].entry_id != cursor:
            log.error("audit_lost", chain=chain_id, after=cursor, before=held[0].entry_id)

    async def drop_orders(self, chain_id: str) -> int:
        """Let go of orders that have lain still for a day; how many went.

        Only what the archive has as it is now, and only as it was read here. The bill of a session
        goes after the session's final document, which alone would be a bill nobody has touched.
        """
        closed = set(await self._store.closed_ids(chain_id))
        stored = await self._store.documents_by_prefix(chain_id, ORDER_KEY_PREFIX)
        too_old_ms = self._clock.wall_ms() - order_rows.KEPT_MS
        still: dict[str, StoredEntity] = {}
        for entity, order in readable(stored, order_rows.order_of):
            if order.order_id not in closed and order_rows.changed_at_ms(order) < too_old_ms:
                still[order.order_id] = entity
        await self._take_missing(chain_id, still)
        held = await self._archive.look(order_rows.orders, chain_id, sorted(still))
        gone = [entity for name, entity in still.items() if held.get(name) == entity.blob]
        for entity in gone:
            write = EntityWrite(entity.key, entity.version, None, Scope.CHAIN)
            await self._store.edit(chain_id, CatalogueEdit(documents=(write,)))
        return len(gone)

    async def _take_missing(self, chain_id: str, still: Mapping[str, StoredEntity]) -> None:
        """Archive those that a release made that told nobody of orders."""
        held = await self._archive.look(order_rows.orders, chain_id, sorted(still))
        missing = [entity for name, entity in still.items() if held.get(name) != entity.blob]
        if missing:
            now_ms = self._clock.wall_ms()
            unread = await self._archive.transact(
                order_rows.write_orders, chain_id, missing, now_ms=now_ms
            )
            tell(chain_id, unread)


def told_of(kind: str, told: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """By the id of each source of this kind, up to which event outbox entries tell of it."""
    counts: dict[str, int] = {}
    for document in told:
        source = source_of(document)
        if source.startswith(kind):
            name, seq = source.removeprefix(kind), document["event"]["seq"]
            counts[name] = max(seq, counts.get(name, 0))
    return counts
