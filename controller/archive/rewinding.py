"""When the store went back in time: what it does not know any more is set aside, not deleted.

The store decides. Its balances are what players see and what hosts charge, so the archive must
lead to them; rows that lead elsewhere would make every sum wrong. They stay as evidence.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    Table,
    and_,
    cast,
    delete,
    func,
    insert,
    literal,
    null,
    select,
    tuple_,
    update,
)

from actors.store import ChainStream, StoredEntity, StreamEntry, place_of
from controller.archive import aside, deliveries, order_rows, tables
from controller.archive.aside import REWIND
from controller.archive.rows import (
    BEGINNING,
    ConflictError,
    at_cursor,
    cursor_row,
    parts,
    sessions,
)
from controller.archive.session_rows import set_session_aside
from controller.archive.writing import add_to_totals, digest_of
from schemas.events import ORDER_SOURCE

TABLE_OF: Final = {
    ChainStream.LEDGER: tables.transactions,
    ChainStream.OUTBOX: tables.events,
}


@dataclass(frozen=True, slots=True)
class Reached:
    """Where a cursor stands. ``digest`` is of that entry's payload; releases before it left
    none."""

    entry_id: str
    digest: str | None = None

    def is_at(self, entry: StreamEntry) -> bool:
        """Whether this is the entry the cursor was moved to."""
        same = self.digest is None or self.digest == digest_of(entry.payload)
        return self.entry_id == entry.entry_id and same


@dataclass(frozen=True, slots=True)
class Rewound:
    """What was set aside: how many entries, and the sessions they tell of."""

    kept: Reached
    rows: int
    session_ids: tuple[str, ...]


def reached(connection: Connection, chain_id: str, stream: ChainStream) -> Reached:
    """Where the cursor of a stream stands."""
    row = cursor_row(connection, chain_id, stream)
    return Reached(BEGINNING) if row is None else Reached(*row)


def held_among(
    connection: Connection, chain_id: str, stream: ChainStream, *, entries: Sequence[StreamEntry]
) -> set[str]:
    """Ids of those of these entries that are archived in the same place with the same content,
    be it as what cannot be read."""
    table = TABLE_OF[stream]
    wanted = {place_of(entry.entry_id): entry for entry in entries}
    names = [entry.entry_id for entry in entries]
    unread = aside.unreadable(connection, chain_id, stream.value, among=names)
    query = select(table.c.place_ms, table.c.place_no, table.c.document)
    query = query.where(table.c.chain_id == chain_id)
    same = set(entries) & {StreamEntry(one.entry_id, one.document) for one in unread}
    held = {entry.entry_id for entry in same}
    for some in parts(sorted(wanted)):
        among = tuple_(table.c.place_ms, table.c.place_no).in_(some)
        for place_ms, place_no, document in connection.execute(query.where(among)):
            entry = wanted[place_ms, place_no]
            if bytes(document) == entry.payload:
                held.add(entry.entry_id)
    return held


def last_before(
    connection: Connection, chain_id: str, stream: ChainStream, *, entry_id: str
) -> Reached:
    """The newest archived entry before a place."""
    table = TABLE_OF[stream]
    place = tuple_(table.c.place_ms, table.c.place_no)
    query = select(table.c.entry_id, table.c.document)
    query = query.where(table.c.chain_id == chain_id, place < tuple_(*place_of(entry_id)))
    query = query.order_by(table.c.place_ms.desc(), table.c.place_no.desc()).limit(1)
    found = [StreamEntry(row[0], bytes(row[1])) for row in connection.execute(query)]
    for unread in aside.unreadable_entries(connection, chain_id, stream.value):
        found += [one for one in unread if place_of(one.entry_id) < place_of(entry_id)]
    last = max(found, key=lambda one: place_of(one.entry_id), default=None)
    return Reached(BEGINNING) if last is None else Reached(last.entry_id, digest_of(last.payload))


def orders_told(connection: Connection, chain_id: str, kept: Reached) -> dict[str, int]:
    """Orders that archived events after a place tell of: how much had been told of each there."""
    table = tables.events
    ours = and_(table.c.chain_id == chain_id, table.c.source_id.startswith(ORDER_SOURCE))
    place = tuple_(table.c.place_ms, table.c.place_no) > tuple_(*place_of(kept.entry_id))
    query = select(table.c.source_id, func.min(table.c.seq)).where(ours, place)
    return {
        source_id.removeprefix(ORDER_SOURCE): first - 1
        for source_id, first in connection.execute(query.group_by(table.c.source_id))
    }


def rewind(
    connection: Connection,
    chain_id: str,
    stream: ChainStream,
    *,
    kept: Reached,
    lost: Reached,
    now_ms: int,
    orders: Sequence[StoredEntity] = (),
) -> Rewound:
    """Set aside every row after ``kept`` and move the cursor back to it. ``orders`` is what the
    store has of those that events after it tell of.

    Raises ConflictError if the cursor is not at ``lost`` any more.
    """
    where = (*at_cursor(chain_id, stream), tables.cursors.c.entry_id == lost.entry_id)
    values = {"entry_id": kept.entry_id, "digest": kept.digest}
    moved = connection.execute(update(tables.cursors).where(*where).values(values))
    if moved.rowcount != 1:
        raise ConflictError(f"another consumer moved the cursor of {chain_id} {stream}")
    table = TABLE_OF[stream]
    gone = _after(table, chain_id, kept)
    session_ids = connection.scalars(
        select(table.c.session_id).where(gone, table.c.session_id.is_not(None)).distinct()
    ).all()
    rows = _set_aside(connection, stream, gone, now_ms=now_ms)
    if stream is ChainStream.LEDGER:
        _forget_entries(connection, chain_id, gone)
    else:
        _turn_followers_back(connection, chain_id, kept)
        told = orders_told(connection, chain_id, kept)
        order_rows.take_back(connection, chain_id, told, stored=orders, now_ms=now_ms)
    connection.execute(delete(table).where(gone))
    aside.lose_unreadable(connection, chain_id, stream.value, after=kept.entry_id)
    _note(connection, chain_id, stream, kept=kept, lost=lost, rows=rows, now_ms=now_ms)
    set_sessions_aside(connection, chain_id, session_ids, now_ms=now_ms)
    return Rewound(kept, rows, tuple(sorted(session_ids)))


def _after(table: Table, chain_id: str, kept: Reached) -> ColumnElement[bool]:
    place = tuple_(table.c.place_ms, table.c.place_no)
    return and_(table.c.chain_id == chain_id, place > tuple_(*place_of(kept.entry_id)))


def _set_aside(
    connection: Connection, stream: ChainStream, gone: ColumnElement[bool], *, now_ms: int
) -> int:
    table = TABLE_OF[stream]
    row_id: ColumnElement[str] = (
        table.c.transaction_id
        if "transaction_id" in table.c
        else (table.c.source_id + "/" + cast(table.c.seq, String(12)))
    )
    columns = {
        "chain_id": table.c.chain_id,
        "source": literal(stream.value),
        "cause": literal(REWIND),
        "row_id": row_id,
        "entry_id": table.c.entry_id,
        "session_id": table.c.session_id,
        "noted_at_ms": literal(now_ms),
        "settled": null(),
        "document": table.c.document,
    }
    copied = select(*columns.values()).where(gone).order_by(table.c.place_ms, table.c.place_no)
    done = connection.execute(insert(tables.set_aside).from_select(list(columns), copied))
    return done.rowcount


def _forget_entries(connection: Connection, chain_id: str, gone: ColumnElement[bool]) -> None:
    table, entries = tables.transactions, tables.entries
    ids = select(table.c.transaction_id).where(gone)
    where = and_(entries.c.chain_id == chain_id, entries.c.transaction_id.in_(ids))
    query = select(entries.c.account, func.sum(entries.c.amount_minor)).where(where)
    sums = Counter({a: -int(v) for a, v in connection.execute(query.group_by(entries.c.account))})
    add_to_totals(connection, chain_id, sums)
    connection.execute(delete(entries).where(where))


def _turn_followers_back(connection: Connection, chain_id: str, kept: Reached) -> None:
    """Webhooks read the outbox behind a cursor of their own: they go on from there too."""
    at = deliveries.cursor(connection, chain_id)
    if place_of(at) > place_of(kept.entry_id):
        deliveries.turn_back(connection, chain_id, kept.entry_id)


def _note(
    connection: Connection,
    chain_id: str,
    stream: ChainStream,
    *,
    kept: Reached,
    lost: Reached,
    rows: int,
    now_ms: int,
) -> None:
    table = tables.rewinds
    at = (table.c.chain_id == chain_id, table.c.stream == stream.value)
    number = connection.scalar(select(func.count()).where(*at)) or 0
    connection.execute(
        insert(table).values(
            chain_id=chain_id,
            stream=stream.value,
            number=number + 1,
            noted_at_ms=now_ms,
            kept_entry_id=kept.entry_id,
            lost_entry_id=lost.entry_id,
            rows=rows,
        )
    )


def set_sessions_aside(
    connection: Connection, chain_id: str, session_ids: Sequence[str], *, now_ms: int
) -> int:
    """Set aside the archived final documents of these sessions; how many there were."""
    table = tables.sessions
    held = sessions(connection, chain_id, session_ids)
    for stored in held:
        set_session_aside(connection, chain_id, stored, now_ms=now_ms)
    for some in parts([stored.key for stored in held]):
        where = and_(table.c.chain_id == chain_id, table.c.session_id.in_(some))
        connection.execute(delete(table).where(where))
    return len(held)
