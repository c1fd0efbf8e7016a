"""The audit in the archive, on one open SQL connection."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, Connection, insert, select, tuple_, update

from actors.store import StreamEntry, place_of
from actors.unreadable import UNREADABLE_ERRORS
from controller.archive import aside, rows, tables
from controller.archive.aside import Beside, Unread, fitting
from controller.archive.audit_operations import stored_spellings
from controller.archive.rows import BEGINNING, ConflictError

AUDIT: Final = "audit"


def cursor(connection: Connection, chain_id: str) -> str:
    """Up to which entry the audit is archived; ``0-0`` for nothing."""
    return rows.cursor(connection, chain_id, AUDIT)


def write_audit(
    connection: Connection,
    chain_id: str,
    read: Sequence[StreamEntry],
    *,
    after: str,
    now_ms: int,
) -> tuple[Unread, ...]:
    """Add entries that follow ``after`` and move the cursor to the last one, or do neither.

    What of them cannot be read is kept beside the table, and returned. Raises ConflictError when
    somebody else has moved it.
    """
    table, to = tables.cursors, read[-1].entry_id
    where = (table.c.chain_id == chain_id, table.c.stream == AUDIT, table.c.entry_id == after)
    moved = connection.execute(update(table).where(*where).values(entry_id=to))
    if moved.rowcount != 1:
        if after != BEGINNING or cursor(connection, chain_id) != BEGINNING:
            raise ConflictError(f"another consumer moved the audit of {chain_id}")
        connection.execute(insert(table).values(chain_id=chain_id, stream=AUDIT, entry_id=to))
    good, odd = _rows(chain_id, read)
    if good:
        connection.execute(insert(tables.audit), good)
    return aside.note_unreadable(connection, chain_id, AUDIT, found=odd, now_ms=now_ms)


def reread_audit(connection: Connection, chain_id: str) -> None:
    """Archive entries that could not be read before and now can."""
    for waiting in aside.unreadable_entries(connection, chain_id, AUDIT):
        good, odd = _rows(chain_id, waiting)
        if good:
            connection.execute(insert(tables.audit), good)
            ids = {entry.entry_id for entry in waiting} - {one.row_id for one in odd}
            aside.forget_unreadable(connection, chain_id, AUDIT, ids=sorted(ids))


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries; None asks for any. Instants bound when it was asked for, ``[from, until)``.

    ``club_id`` empty: of the chain itself. ``operations`` are ids, however entries spell them.
    ``target`` is an id named in what was asked for.
    """

    club_id: str | None = None
    principal: str | None = None
    operations: frozenset[str] | None = None
    result: str | None = None
    target: str | None = None
    from_ms: int | None = None
    until_ms: int | None = None


def audit_page(
    connection: Connection, chain_id: str, wanted: AuditFilter, *, before: str | None, count: int
) -> list[StreamEntry]:
    """Up to ``count`` entries before an entry id, newest first, whatever their target.

    Among them may be entries of other operations that are stored under the same word.
    """
    table = tables.audit
    place = (table.c.place_ms, table.c.place_no)
    query = select(*place, table.c.document).where(table.c.chain_id == chain_id, *_of(wanted))
    if before is not None:
        query = query.where(tuple_(*place) < place_of(before))
    query = query.order_by(*(column.desc() for column in place)).limit(count)
    return [
        StreamEntry(f"{row.place_ms}-{row.place_no}", bytes(row.document))
        for row in connection.execute(query)
    ]


def _of(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    table = tables.audit
    found: list[ColumnElement[bool]] = [
        column == value
        for column, value in (
            (table.c.club_id, wanted.club_id),
            (table.c.principal, wanted.principal),
            (table.c.result, wanted.result),
        )
        if value is not None
    ]
    if wanted.operations is not None:
        found.append(table.c.operation.in_(sorted(stored_spellings(wanted.operations))))
    if wanted.from_ms is not None:
        found.append(table.c.at_ms >= wanted.from_ms)
    if wanted.until_ms is not None:
        found.append(table.c.at_ms < wanted.until_ms)
    return found


def _rows(chain_id: str, read: Sequence[StreamEntry]) -> tuple[list[dict[str, Any]], list[Beside]]:
    good, odd = [], []
    for entry in read:
        try:
            good.append(fitting(tables.audit, _row(chain_id, entry)))
        except UNREADABLE_ERRORS:
            odd.append(Beside(entry.entry_id, entry.payload, entry.entry_id))
    return good, odd


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
