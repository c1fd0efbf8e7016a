"""The audit in the archive, on one open SQL connection."""

from collections.abc import Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Connection, insert, select, tuple_, update

from actors.store import StreamEntry, place_of
from controller.archive import tables
from controller.archive.rows import BEGINNING, ConflictError

AUDIT: Final = "audit"


def cursor(connection: Connection, chain_id: str) -> str:
    """Up to which entry the audit is archived; ``0-0`` for nothing."""
    table = tables.cursors
    where = (table.c.chain_id == chain_id, table.c.stream == AUDIT)
    found = connection.scalar(select(table.c.entry_id).where(*where))
    return BEGINNING if found is None else str(found)


def write_audit(
    connection: Connection, chain_id: str, read: Sequence[StreamEntry], *, after: str
) -> None:
    """Add entries that follow ``after`` and move the cursor to the last one, or do neither.

    Raises ConflictError when somebody else has moved it.
    """
    table, to = tables.cursors, read[-1].entry_id
    where = (table.c.chain_id == chain_id, table.c.stream == AUDIT, table.c.entry_id == after)
    moved = connection.execute(update(table).where(*where).values(entry_id=to))
    if moved.rowcount != 1:
        if after != BEGINNING or cursor(connection, chain_id) != BEGINNING:
            raise ConflictError(f"another consumer moved the audit of {chain_id}")
        connection.execute(insert(table).values(chain_id=chain_id, stream=AUDIT, entry_id=to))
    connection.execute(insert(tables.audit), [_row(chain_id, entry) for entry in read])


def audit_page(
    connection: Connection, chain_id: str, *, club_id: str | None, before: str | None, count: int
) -> list[StreamEntry]:
    """Up to ``count`` entries before an entry id, newest first, of one club or of the chain."""
    table = tables.audit
    place = (table.c.place_ms, table.c.place_no)
    query = select(*place, table.c.document).where(table.c.chain_id == chain_id)
    if club_id is not None:
        query = query.where(table.c.club_id == club_id)
    if before is not None:
        query = query.where(tuple_(*place) < place_of(before))
    query = query.order_by(*(column.desc() for column in place)).limit(count)
    return [
        StreamEntry(f"{row.place_ms}-{row.place_no}", bytes(row.document))
        for row in connection.execute(query)
    ]


def _row(chain_id: str, entry: StreamEntry) -> dict[str, Any]:
    told = orjson.loads(entry.payload)
    at_ms, number = place_of(entry.entry_id)
    return {
        "chain_id": chain_id,
        "place_ms": at_ms,
        "place_no": number,
        "at_ms": told["at_ms"],
        "club_id": told["club_id"],
        "principal": told["principal"],
        "operation": told["operation"],
        "result": told["result"],
        "document": entry.payload,
    }
