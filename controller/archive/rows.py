"""What is read on one open SQL connection; the caller owns the transaction."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, Table, and_, bindparam, select, tuple_

from actors.store import ChainStream, StoredEntity, StreamEntry, place_of
from controller.archive import tables

BEGINNING = "0-0"
IDS_PER_QUERY = 500

Row: TypeAlias = dict[str, Any]

_CURSOR = select(tables.cursors.c.entry_id, tables.cursors.c.digest).where(
    tables.cursors.c.chain_id == bindparam("chain_id"),
    tables.cursors.c.stream == bindparam("stream"),
)
_SESSIONS = (
    select(tables.sessions.c.session_id, tables.sessions.c.version, tables.sessions.c.document)
    .where(tables.sessions.c.chain_id == bindparam("chain_id"))
    .order_by(tables.sessions.c.session_id)
)
_SOME_SESSIONS = _SESSIONS.where(tables.sessions.c.session_id.in_(bindparam("ids", expanding=True)))


class ConflictError(Exception):
    """A cursor that somebody else moved."""


def cursor(connection: Connection, chain_id: str, stream: str) -> str:
    """Up to which entry somebody has come with a stream; ``0-0`` for nothing."""
    found = cursor_row(connection, chain_id, stream)
    return BEGINNING if found is None else found[0]


def cursor_row(connection: Connection, chain_id: str, stream: str) -> tuple[str, str | None] | None:
    """``entry_id`` and ``digest`` of a stored cursor."""
    asked = {"chain_id": chain_id, "stream": str(stream)}
    row = connection.execute(_CURSOR, asked).one_or_none()
    return None if row is None else (row.entry_id, row.digest)


def session_ids(connection: Connection, chain_id: str, among: Sequence[str]) -> set[str]:
    """Which of these sessions are archived."""
    table = tables.sessions
    query = select(table.c.session_id).where(table.c.chain_id == chain_id)
    return {
        session_id
        for ids in parts(among)
        for session_id in connection.scalars(query.where(table.c.session_id.in_(ids)))
    }


def sessions(
    connection: Connection, chain_id: str, among: Sequence[str] | None = None
) -> list[StoredEntity]:
    """Archived sessions, all or those of the same ids."""
    if among is None:
        found = list(connection.execute(_SESSIONS, {"chain_id": chain_id}))
    else:
        found = [
            row
            for ids in parts(among)
            for row in connection.execute(_SOME_SESSIONS, {"chain_id": chain_id, "ids": ids})
        ]
    return [StoredEntity(session_id, version, bytes(blob)) for session_id, version, blob in found]


def session(connection: Connection, chain_id: str, session_id: str) -> StoredEntity | None:
    """One archived session."""
    table = tables.sessions
    columns = select(table.c.version, table.c.document)
    query = columns.where(table.c.chain_id == chain_id, table.c.session_id == session_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else StoredEntity(session_id, row.version, bytes(row.document))


def closed_before(
    connection: Connection, chain_id: str, closed_ids: Sequence[str], *, at_ms: int
) -> dict[str, int]:
    """Versions of archived sessions closed before ``at_ms``, by id."""
    table = tables.sessions
    old = and_(table.c.chain_id == chain_id, table.c.closed_at_ms < at_ms)
    query = select(table.c.session_id, table.c.version).where(old)
    return {
        session_id: version
        for ids in parts(closed_ids)
        for session_id, version in connection.execute(query.where(table.c.session_id.in_(ids)))
    }


def documents(
    connection: Connection,
    table: Table,
    chain_id: str,
    *,
    after: str,
    until: str | None = None,
    count: int | None = None,
) -> list[StreamEntry]:
    """Stored payloads with the stream ids they came under, oldest first, between two places."""
    place = tuple_(table.c.place_ms, table.c.place_no)
    query = select(table.c.entry_id, table.c.document)
    query = query.where(table.c.chain_id == chain_id, place > tuple_(*place_of(after)))
    if until is not None:
        query = query.where(up_to(table, until))
    query = query.order_by(table.c.place_ms, table.c.place_no).limit(count)
    return [StreamEntry(entry_id, bytes(blob)) for entry_id, blob in connection.execute(query)]


def sessions_after(
    connection: Connection, chain_id: str, session_id: str, *, count: int
) -> list[StoredEntity]:
    """Up to ``count`` archived sessions with greater ids, in their order."""
    table = tables.sessions
    query = (
        select(table.c.session_id, table.c.version, table.c.document)
        .where(table.c.chain_id == chain_id, table.c.session_id > session_id)
        .order_by(table.c.session_id)
        .limit(count)
    )
    return [
        StoredEntity(found_id, version, bytes(blob))
        for found_id, version, blob in connection.execute(query)
    ]


def at_cursor(chain_id: str, stream: ChainStream) -> tuple[Any, Any]:
    """The row of a stream's cursor."""
    table = tables.cursors
    return table.c.chain_id == chain_id, table.c.stream == stream.value


def up_to(table: Table, entry_id: str) -> ColumnElement[bool]:
    """Rows up to a place."""
    return tuple_(table.c.place_ms, table.c.place_no) <= tuple_(*place_of(entry_id))


def parts(ids: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Bounded numbers of keys for one query."""
    return (ids[first : first + IDS_PER_QUERY] for first in range(0, len(ids), IDS_PER_QUERY))
