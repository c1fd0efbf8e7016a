"""Orders in the archive, on one open SQL connection: as they were when last changed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import orjson
from sqlalchemy import Connection, and_, bindparam, delete, insert, select, update

from actors.orders import ORDER_KEY_PREFIX, order_key
from actors.store import StoredEntity
from actors.unreadable import UNREADABLE_ERRORS
from billing_core.sale import Order
from billing_core.stored import order_from_dict
from controller.archive import aside, tables
from controller.archive.aside import ORDERS, REPLACED, REWIND, Beside, Unread, fitting
from controller.archive.rows import Row

IDS_PER_QUERY = 500
KEPT_MS: Final = 24 * 3_600_000
"""The price of an order holds for a day; what comes later is asked back from the archive."""

_HELD: Final = select(
    tables.orders.c.version, tables.orders.c.changed_at_ms, tables.orders.c.document
).where(
    tables.orders.c.chain_id == bindparam("chain_id"),
    tables.orders.c.order_id == bindparam("order_id"),
)


def write_orders(
    connection: Connection, chain_id: str, stored: Sequence[StoredEntity], *, now_ms: int
) -> tuple[Unread, ...]:
    """Keep orders as the store has them now: if it went back in time, so do they.

    What of them was found unreadable is returned, and stays beside the table.
    """
    odd, read = [], []
    for entity in stored:
        name = entity.key.removeprefix(ORDER_KEY_PREFIX)
        try:
            row = fitting(tables.orders, _row(chain_id, entity))
        except UNREADABLE_ERRORS:
            odd.append(Beside(name, entity.blob))
        else:
            _write(connection, row, now_ms=now_ms)
            read.append(name)
    aside.forget_unreadable(connection, chain_id, ORDERS, ids=read)
    return aside.note_unreadable(connection, chain_id, ORDERS, found=odd, now_ms=now_ms)


def _write(connection: Connection, row: Row, *, now_ms: int) -> None:
    table, chain_id, order_id = tables.orders, row["chain_id"], row["order_id"]
    held = connection.execute(_HELD, {"chain_id": chain_id, "order_id": order_id}).one_or_none()
    if held is None:
        connection.execute(insert(table), row)
        return
    if held.version != row["version"] and held.changed_at_ms + KEPT_MS < row["changed_at_ms"]:
        # It may have been here only, and a store that goes back in time loses what came since.
        before = Beside(order_id, bytes(held.document), session_id=row["session_id"])
        how = {"source": ORDERS, "cause": REPLACED}
        aside.lay(connection, chain_id, **how, now_ms=now_ms, documents=[before])
    where = (table.c.chain_id == chain_id, table.c.order_id == order_id)
    connection.execute(update(table).where(*where).values(row))


def take_back(
    connection: Connection,
    chain_id: str,
    told: Mapping[str, int],
    *,
    stored: Sequence[StoredEntity],
    now_ms: int,
) -> None:
    """The store has lost part of what happened to these orders: set them aside as they are.

    ``told`` says how many events of each it still has. What it has of them as of then is taken
    instead, and of those that had left it before what was last archived then.
    """
    ids = sorted(told)
    lost = orders(connection, chain_id, ids)
    aside.lay(
        connection,
        chain_id,
        source=ORDERS,
        cause=REWIND,
        now_ms=now_ms,
        documents=[Beside(name, document) for name, document in lost.items()],
    )
    for first in range(0, len(ids), IDS_PER_QUERY):
        table, some = tables.orders, ids[first : first + IDS_PER_QUERY]
        where = and_(table.c.chain_id == chain_id, table.c.order_id.in_(some))
        connection.execute(delete(table).where(where))
    held = {entity.key.removeprefix(ORDER_KEY_PREFIX) for entity in stored}
    for name in sorted(lost.keys() - held):
        before = aside.last_replaced(
            connection, chain_id, ORDERS, row_id=name, fits=_told_by(told[name])
        )
        if before is not None:
            entity = StoredEntity(order_key(name), 0, before)
            write_orders(connection, chain_id, [entity], now_ms=now_ms)
    write_orders(connection, chain_id, known_by(told, stored), now_ms=now_ms)


def known_by(told: Mapping[str, int], stored: Iterable[StoredEntity]) -> list[StoredEntity]:
    """Those that have told no more than ``told``; of others the rest is read later, and with it
    they come again. One that cannot be read may be any."""
    found = []
    for entity in stored:
        try:
            order = order_of(entity)
        except UNREADABLE_ERRORS:
            found.append(entity)
            continue
        if order.event_seq <= told.get(order.order_id, 0):
            found.append(entity)
    return found


def _told_by(count: int) -> Callable[[bytes], bool]:
    def fits(document: bytes) -> bool:
        return order_from_dict(orjson.loads(document)).event_seq <= count

    return fits


def versions(connection: Connection, chain_id: str, order_ids: Sequence[str]) -> dict[str, int]:
    """How much had been told of these orders when they were archived; absent ones are missing."""
    table = tables.orders
    query = select(table.c.order_id, table.c.version).where(table.c.chain_id == chain_id)
    return {
        order_id: version
        for first in range(0, len(order_ids), IDS_PER_QUERY)
        for order_id, version in connection.execute(
            query.where(table.c.order_id.in_(order_ids[first : first + IDS_PER_QUERY]))
        )
    }


def order(connection: Connection, chain_id: str, order_id: str) -> bytes | None:
    """One archived order's document."""
    table = tables.orders
    where = (table.c.chain_id == chain_id, table.c.order_id == order_id)
    found = connection.scalar(select(table.c.document).where(*where))
    return None if found is None else bytes(found)


def orders(connection: Connection, chain_id: str, order_ids: Sequence[str]) -> dict[str, bytes]:
    """Those of these orders that are archived, as documents."""
    table = tables.orders
    query = select(table.c.order_id, table.c.document).where(table.c.chain_id == chain_id)
    return {
        order_id: bytes(document)
        for first in range(0, len(order_ids), IDS_PER_QUERY)
        for order_id, document in connection.execute(
            query.where(table.c.order_id.in_(order_ids[first : first + IDS_PER_QUERY]))
        )
    }


def changed_at_ms(one: Order) -> int:
    """When money last moved for it, or it was made."""
    instants = [one.created_at_ms]
    instants += [payment.at_ms for payment in one.payments]
    instants += [refund.at_ms for refund in one.refunds]
    return max(instants)


def order_of(stored: StoredEntity) -> Order:
    """The order in a chain document."""
    return order_from_dict(orjson.loads(stored.blob))


def _row(chain_id: str, stored: StoredEntity) -> Row:
    one = order_of(stored)
    return {
        "chain_id": chain_id,
        "order_id": one.order_id,
        "version": one.event_seq,
        "club_id": one.club_id,
        "player_id": one.player_id,
        "session_id": one.session_id,
        "status": one.status.value,
        "currency": one.currency,
        "created_at_ms": one.created_at_ms,
        "changed_at_ms": changed_at_ms(one),
        "amount_minor": one.amount_minor,
        "due_minor": one.due_minor,
        "document": stored.blob,
    }
