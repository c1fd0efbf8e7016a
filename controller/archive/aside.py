"""What lies beside the archive's own tables, and why; on one open SQL connection.

A document that cannot be read costs its own row and nothing else: it is kept here as it is, and
takes its place once a release can read it or somebody has put it right.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    String,
    Table,
    and_,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from actors.store import StreamEntry, place_of
from controller.archive import tables
from controller.archive.rows import BEGINNING, IDS_PER_QUERY, Row, parts

CONFLICT: Final = "conflict"
REWIND: Final = "rewind"
UNREADABLE: Final = "unreadable"
REPLACED: Final = "replaced"
"""An order's document from before it was changed again after it may have left the store."""

SESSIONS: Final = "sessions"
ORDERS: Final = "orders"

GONE: Final = "gone"
"""Settled: it has left the store, so it will not be read any more."""

_TABLE: Final = tables.set_aside
_FORGET: Final = delete(_TABLE).where(
    _TABLE.c.chain_id == bindparam("chain_id"),
    _TABLE.c.cause == UNREADABLE,
    _TABLE.c.settled.is_(None),
    _TABLE.c.source == bindparam("source"),
    _TABLE.c.row_id.in_(bindparam("ids", expanding=True)),
)
_NUMBERS_END: Final = {True: 2**63, False: 2**31}


@dataclass(frozen=True, slots=True)
class Beside:
    """One document, and what it is known by."""

    row_id: str
    document: bytes
    entry_id: str = BEGINNING
    session_id: str | None = None


@dataclass(frozen=True, slots=True)
class Unread:
    """A document that cannot be read: of which table or stream, and its id there."""

    source: str
    row_id: str


def fitting(table: Table, row: Row) -> Row:
    """The row. Raises ValueError where a database would refuse one of its values."""
    takes = _taken_by(table)
    for name, value in row.items():
        is_nullable, fits = takes[name]
        if not fits(value) and not (value is None and is_nullable):
            raise ValueError(f"{name}: {value!r:.80}")
    return row


@cache
def _taken_by(table: Table) -> dict[str, tuple[bool, Callable[[object], bool]]]:
    """(whether it may be nothing, what else fits it) by column."""
    return {column.name: (bool(column.nullable), _fitting(column.type)) for column in table.columns}


def _fitting(kind: object) -> Callable[[object], bool]:
    if isinstance(kind, String):
        most = kind.length or 0
        return lambda value: isinstance(value, str) and len(value) <= most and "\0" not in value
    if isinstance(kind, Integer):
        end = _NUMBERS_END[kind.__class__ is not Integer]
        return lambda value: type(value) is int and -end <= value < end
    return lambda value: isinstance(value, bytes)


def lay(
    connection: Connection,
    chain_id: str,
    *,
    source: str,
    cause: str,
    now_ms: int,
    documents: Iterable[Beside],
) -> None:
    """Put documents beside the tables."""
    rows: list[dict[str, Any]] = [
        {
            "chain_id": chain_id,
            "source": source,
            "cause": cause,
            "row_id": one.row_id,
            "entry_id": one.entry_id,
            "session_id": one.session_id,
            "noted_at_ms": now_ms,
            "document": one.document,
        }
        for one in documents
    ]
    if rows:
        connection.execute(insert(_TABLE), rows)


def note_unreadable(
    connection: Connection,
    chain_id: str,
    source: str,
    *,
    found: Sequence[Beside],
    now_ms: int,
) -> tuple[Unread, ...]:
    """Keep what cannot be read, once in each form; what was not known in this one is returned."""
    if not found:
        return ()
    ids = [one.row_id for one in found]
    held = unreadable(connection, chain_id, source, among=ids)
    known = {(one.row_id, one.document) for one in held}
    fresh = [one for one in found if (one.row_id, one.document) not in known]
    forget_unreadable(connection, chain_id, source, ids=[one.row_id for one in fresh])
    lay(connection, chain_id, source=source, cause=UNREADABLE, now_ms=now_ms, documents=fresh)
    return tuple(Unread(source, one.row_id) for one in fresh)


def unreadable(
    connection: Connection, chain_id: str, source: str, *, among: Sequence[str]
) -> list[Beside]:
    """Those of these ids of a table or stream that could not be read and are still waited for."""
    query = select(_TABLE.c.row_id, _TABLE.c.document, _TABLE.c.entry_id)
    query = query.where(_waiting(chain_id, source))
    return [
        Beside(row_id, bytes(document), entry_id)
        for some in parts(sorted(among))
        for row_id, document, entry_id in connection.execute(query.where(_TABLE.c.row_id.in_(some)))
    ]


def unreadable_entries(
    connection: Connection, chain_id: str, source: str
) -> Iterator[list[StreamEntry]]:
    """All that is waited for of a stream, in bounded parts, as it was found."""
    query = select(_TABLE.c.number, _TABLE.c.entry_id, _TABLE.c.document)
    query = query.where(_waiting(chain_id, source)).order_by(_TABLE.c.number).limit(IDS_PER_QUERY)
    last = 0
    while found := connection.execute(query.where(_TABLE.c.number > last)).all():
        last = found[-1].number
        yield [StreamEntry(one.entry_id, bytes(one.document)) for one in found]


def forget_unreadable(
    connection: Connection, chain_id: str, source: str, *, ids: Sequence[str]
) -> None:
    """They have been read."""
    for some in parts(sorted(ids)):
        connection.execute(_FORGET, {"chain_id": chain_id, "source": source, "ids": some})


def give_up_unreadable(
    connection: Connection, chain_id: str, source: str, *, ids: Sequence[str]
) -> None:
    """They have left the store unread; what was kept of them stays."""
    for some in parts(sorted(ids)):
        where = and_(_waiting(chain_id, source), _TABLE.c.row_id.in_(some))
        connection.execute(update(_TABLE).where(where).values(settled=GONE))


def lose_unreadable(connection: Connection, chain_id: str, source: str, *, after: str) -> None:
    """Entries of a stream after a place are of a past the store has lost."""
    query = select(_TABLE.c.row_id).where(_waiting(chain_id, source))
    ids = connection.scalars(query).all()
    lost = [entry_id for entry_id in ids if place_of(entry_id) > place_of(after)]
    for some in parts(lost):
        where = and_(_waiting(chain_id, source), _TABLE.c.row_id.in_(some))
        connection.execute(update(_TABLE).where(where).values(cause=REWIND, settled=GONE))


def all_unreadable(connection: Connection, chain_id: str) -> list[Unread]:
    """Everything that is waited for, in the order it was found."""
    query = select(_TABLE.c.source, _TABLE.c.row_id).where(_waiting(chain_id))
    return [Unread(*row) for row in connection.execute(query.order_by(_TABLE.c.number))]


def _waiting(chain_id: str, source: str | None = None) -> ColumnElement[bool]:
    where = and_(
        _TABLE.c.chain_id == chain_id, _TABLE.c.cause == UNREADABLE, _TABLE.c.settled.is_(None)
    )
    return where if source is None else and_(where, _TABLE.c.source == source)


def last_replaced(
    connection: Connection,
    chain_id: str,
    source: str,
    *,
    row_id: str,
    fits: Callable[[bytes], bool],
) -> bytes | None:
    """The newest document that was replaced under an id and ``fits``; it and what was replaced
    since are not of the store's past any more."""
    where = and_(
        _TABLE.c.chain_id == chain_id,
        _TABLE.c.source == source,
        _TABLE.c.cause == REPLACED,
        _TABLE.c.row_id == row_id,
    )
    query = select(_TABLE.c.number, _TABLE.c.document).where(where)
    for number, document in connection.execute(query.order_by(_TABLE.c.number.desc())).all():
        mine = _TABLE.c.number == number
        if fits(bytes(document)):
            connection.execute(delete(_TABLE).where(mine))
            return bytes(document)
        connection.execute(update(_TABLE).where(mine).values(cause=REWIND))
    return None
