"""Orders and the audit on their way from the store to the archive, and out of the store."""

from collections.abc import Sequence
from typing import Any, Final

import structlog

from actors.clock import Clock
from actors.orders import ORDER_KEY_PREFIX, order_key
from actors.store import EntityWrite, Scope, Store, StoredEntity, place_of
from actors.store_editing import CatalogueEdit
from controller.archive import audit_rows, order_rows
from controller.archive.catching_up import just_before
from controller.archive.database import Archive
from controller.archive.rows import BEGINNING
from controller.readable import readable

ENTRIES_PER_TRANSACTION: Final = 500
AUDIT_KEPT_MS: Final = 7 * 24 * 3_600_000
ORDERS_KEPT_MS: Final = 24 * 3_600_000
"""The price of an order holds for a day; what comes later is asked back from the archive."""

log = structlog.get_logger(__name__)


class Leaving:
    """One per consumer. All methods raise StoreUnavailableError and ArchiveError."""

    def __init__(self, store: Store, archive: Archive, clock: Clock) -> None:
        self._store = store
        self._archive = archive
        self._clock = clock

    async def take_orders(self, chain_id: str, events: Sequence[dict[str, Any]]) -> None:
        """Archive the orders that events tell of, as they are now."""
        told = {event["order_id"] for event in events if event.get("order_id")}
        keys = [order_key(order_id) for order_id in sorted(told)]
        if stored := await self._store.documents(chain_id, keys):
            await self._archive.transact(order_rows.write_orders, chain_id, list(stored.values()))

    async def take_audit(self, chain_id: str) -> int:
        """Archive what is new of the audit, and let go of what is old; how much was new."""
        cursor, moved = await self._archive.look(audit_rows.cursor, chain_id), 0
        await self._tell_of_lost_audit(chain_id, cursor)
        while read := await self._store.audit_after(
            chain_id, cursor, count=ENTRIES_PER_TRANSACTION
        ):
            await self._archive.transact(audit_rows.write_audit, chain_id, read, after=cursor)
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
        too_old_ms = self._clock.wall_ms() - ORDERS_KEPT_MS
        still: dict[str, tuple[StoredEntity, int]] = {}
        for entity, order in readable(stored, order_rows.order_of):
            if order.order_id not in closed and order_rows.changed_at_ms(order) < too_old_ms:
                still[order.order_id] = (entity, order.event_seq)
        held = await self._archive.look(order_rows.versions, chain_id, sorted(still))
        missing = [entity for name, (entity, seq) in still.items() if held.get(name) != seq]
        if missing:
            # Made by a release that told nobody of orders.
            await self._archive.transact(order_rows.write_orders, chain_id, missing)
        for entity, _ in still.values():
            write = EntityWrite(entity.key, entity.version, None, Scope.CHAIN)
            await self._store.edit(chain_id, CatalogueEdit(documents=(write,)))
        return len(still)
