"""What could not be read is tried again: a newer release may, or somebody has put it right."""

from collections.abc import Sequence

import structlog

from actors.clock import Clock
from actors.orders import ORDER_KEY_PREFIX, order_key
from actors.store import ChainStream, Store
from controller.archive import aside, audit_rows, order_rows, session_rows, writing
from controller.archive.aside import ORDERS, SESSIONS, Unread
from controller.archive.database import Archive

log = structlog.get_logger(__name__)


class Rereading:
    """One per consumer. ``look_again`` raises StoreUnavailableError and ArchiveError."""

    def __init__(self, store: Store, archive: Archive, clock: Clock) -> None:
        self._store = store
        self._archive = archive
        self._clock = clock

    async def look_again(self, chain_id: str) -> None:
        """Archive what can be read by now; what has left the store is not waited for any more."""
        waiting = await self._archive.look(aside.all_unreadable, chain_id)
        for source in sorted({one.source for one in waiting}):
            await self._read_again(
                chain_id, source, [o.row_id for o in waiting if o.source == source]
            )

    async def _read_again(self, chain_id: str, source: str, ids: Sequence[str]) -> None:
        now_ms, transact = self._clock.wall_ms(), self._archive.transact
        if source == ORDERS:
            stored = await self._store.documents(chain_id, sorted(map(order_key, ids)))
            documents = list(stored.values())
            tell(
                chain_id,
                await transact(order_rows.write_orders, chain_id, documents, now_ms=now_ms),
            )
            held = {key.removeprefix(ORDER_KEY_PREFIX) for key in stored}
        elif source == SESSIONS:
            closed = await self._store.closed_among(chain_id, ids)
            write = session_rows.write_sessions
            tell(chain_id, await transact(write, chain_id, closed, now_ms=now_ms))
            held = {one.key for one in closed}
        else:
            if source == audit_rows.AUDIT:
                await transact(audit_rows.reread_audit, chain_id)
            else:
                await transact(writing.reread, chain_id, ChainStream(source), now_ms=now_ms)
            return
        gone = sorted(set(ids) - held)
        await transact(aside.give_up_unreadable, chain_id, source, ids=gone)


def tell(chain_id: str, unread: Sequence[Unread]) -> None:
    """Say what cannot be read, once: the next time it is known."""
    for one in unread:
        log.error("archive_unreadable", chain=chain_id, source=one.source, row=one.row_id)
