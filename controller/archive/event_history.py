"""Archived events in the order they happened, on one open SQL connection."""

from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import Connection, select, tuple_

from controller.archive import tables

EventPlace: TypeAlias = tuple[int, str, int]
"""Where an event stands: when, of what, its number there."""


@dataclass(frozen=True, slots=True)
class PastEvent:
    """An event as it was told, with the id it had in the outbox."""

    place: EventPlace
    entry_id: str
    payload: bytes


def events_since(
    connection: Connection, chain_id: str, at_ms: int, *, after: EventPlace | None, count: int
) -> list[PastEvent]:
    """Up to ``count`` events of a chain from an instant on, oldest first, from after a place."""
    table = tables.events
    place = (table.c.at_ms, table.c.source_id, table.c.seq)
    query = select(*place, table.c.entry_id, table.c.document).where(
        table.c.chain_id == chain_id, table.c.at_ms >= at_ms
    )
    if after is not None:
        query = query.where(tuple_(*place) > after)
    return [
        PastEvent((row.at_ms, row.source_id, row.seq), row.entry_id, bytes(row.document))
        for row in connection.execute(query.order_by(*place).limit(count))
    ]
