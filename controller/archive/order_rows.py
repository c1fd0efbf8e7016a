"""Orders in the archive, on one open SQL connection: as they were when last changed."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, insert, select, update

from actors.store import StoredEntity
from billing_core.sale import Order
from billing_core.stored import order_from_dict
from controller.archive import tables

IDS_PER_QUERY = 500


def write_orders(connection: Connection, chain_id: str, stored: Sequence[StoredEntity]) -> None:
    """Keep orders as the store has them now: if it went back in time, so do they."""
    table = tables.orders
    for entity in stored:
        row = _row(chain_id, entity)
        where = (table.c.chain_id == chain_id, table.c.order_id == row["order_id"])
        held = connection.scalar(select(table.c.version).where(*where))
        if held is None:
            connection.execute(insert(table).values(row))
        else:
            connection.execute(update(table).where(*where).values(row))


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


def _row(chain_id: str, stored: StoredEntity) -> Mapping[str, Any]:
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
