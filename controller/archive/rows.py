"""What is written and read on one open SQL connection; the caller owns the transaction."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import orjson
from sqlalchemy import Connection, Table, and_, func, insert, select, update

from actors.store import ChainStream, StoredEntity, StreamEntry
from controller.archive import tables
from schemas.events import source_of

BEGINNING = "0-0"
IDS_PER_QUERY = 500

Row: TypeAlias = dict[str, Any]
_Parsed: TypeAlias = dict[tuple[Any, ...], tuple[StreamEntry, Row]]


class ConflictError(Exception):
    """Other content under an id that is archived, or a cursor that somebody else moved."""


def cursor(connection: Connection, chain_id: str, stream: ChainStream) -> str:
    """The stored cursor of a stream."""
    found = connection.scalar(select(tables.cursors.c.entry_id).where(*_at(chain_id, stream)))
    return BEGINNING if found is None else str(found)


def session_ids(connection: Connection, chain_id: str, among: Sequence[str]) -> set[str]:
    """Which of these sessions are archived."""
    table = tables.sessions
    query = select(table.c.session_id).where(table.c.chain_id == chain_id)
    return {
        session_id
        for ids in _parts(among)
        for session_id in connection.scalars(query.where(table.c.session_id.in_(ids)))
    }


def write_entries(
    connection: Connection,
    chain_id: str,
    stream: ChainStream,
    *,
    read: Sequence[StreamEntry],
    after: str,
) -> None:
    """Insert what is new, check what is not, move the cursor from ``after`` to the last entry."""
    if not read:
        return
    _move_cursor(connection, chain_id, stream, before=after, to=read[-1].entry_id)
    if stream is ChainStream.LEDGER:
        _write_transactions(connection, chain_id, read)
    else:
        _write_events(connection, chain_id, read)


def _move_cursor(
    connection: Connection, chain_id: str, stream: ChainStream, *, before: str, to: str
) -> None:
    if before == BEGINNING and cursor(connection, chain_id, stream) == BEGINNING:
        values = {"chain_id": chain_id, "stream": stream.value, "entry_id": to}
        connection.execute(insert(tables.cursors).values(values))
        return
    where = (*_at(chain_id, stream), tables.cursors.c.entry_id == before)
    moved = connection.execute(update(tables.cursors).where(*where).values(entry_id=to))
    if moved.rowcount != 1:
        raise ConflictError(f"another consumer moved the cursor of {chain_id} {stream}")


def _write_transactions(connection: Connection, chain_id: str, read: Sequence[StreamEntry]) -> None:
    parsed: _Parsed = {}
    for entry in read:
        transaction = orjson.loads(entry.payload)
        _note(parsed, (transaction["id"],), entry=entry, values=transaction)
    known = _known(
        connection, tables.transactions, chain_id=chain_id, ids=[key[0] for key in parsed]
    )
    fresh = [
        (entry, transaction)
        for key, (entry, transaction) in parsed.items()
        if _is_new(known, key, entry.payload)
    ]
    _insert(
        connection,
        tables.transactions,
        [
            {
                "chain_id": chain_id,
                "transaction_id": transaction["id"],
                "entry_id": entry.entry_id,
                "at_ms": transaction["at_ms"],
                "kind": transaction["kind"],
                "session_id": transaction.get("session_id"),
                "segment_index": transaction.get("segment_index"),
                "step_index": transaction.get("step_index"),
                "document": entry.payload,
            }
            for entry, transaction in fresh
        ],
    )
    _insert(
        connection,
        tables.entries,
        [
            {
                "chain_id": chain_id,
                "transaction_id": transaction["id"],
                "number": number,
                "account": side["account"],
                "amount_minor": side["amount_minor"],
            }
            for _, transaction in fresh
            for number, side in enumerate(transaction["entries"])
        ],
    )


def _write_events(connection: Connection, chain_id: str, read: Sequence[StreamEntry]) -> None:
    parsed: _Parsed = {}
    for entry in read:
        document = orjson.loads(entry.payload)
        event = document["event"]
        _note(parsed, (source_of(document), event["seq"]), entry=entry, values=event)
    known = _known(connection, tables.events, chain_id=chain_id, ids=[key[0] for key in parsed])
    _insert(
        connection,
        tables.events,
        [
            {
                "chain_id": chain_id,
                "source_id": source_id,
                "seq": seq,
                "entry_id": entry.entry_id,
                "club_id": event["club_id"],
                "session_id": event.get("session_id"),
                "kind": event["kind"],
                "at_ms": event["at_ms"],
                "document": entry.payload,
            }
            for (source_id, seq), (entry, event) in parsed.items()
            if _is_new(known, (source_id, seq), entry.payload)
        ],
    )


def write_sessions(connection: Connection, chain_id: str, closed: Sequence[StoredEntity]) -> None:
    """Insert closed sessions, or replace an older version."""
    known = {stored.key: stored.version for stored in sessions(connection, chain_id, closed)}
    table = tables.sessions
    for stored in closed:
        if known.get(stored.key, 0) >= stored.version:
            continue
        row = _session_row(chain_id, stored)
        if stored.key in known:
            where = (table.c.chain_id == chain_id, table.c.session_id == stored.key)
            connection.execute(update(table).where(*where).values(row))
        else:
            connection.execute(insert(table).values(row))


def _session_row(chain_id: str, stored: StoredEntity) -> Row:
    document = orjson.loads(stored.blob)
    state, receipt = document["state"], document["receipt"]
    same = ("club_id", "player_id", "pc_id", "zone_id", "status", "ended_reason", "currency")
    instants = ("planned_start_at_ms", "actual_start_at_ms", "actual_end_at_ms")
    return {
        "chain_id": chain_id,
        "session_id": stored.key,
        "version": stored.version,
        "closed_at_ms": receipt["issued_at_ms"],
        "total_minor": receipt["total_minor"],
        "bonus_minor": receipt["bonus_minor"],
        "document": stored.blob,
        **{name: state[name] for name in (*same, *instants)},
    }


def sessions(
    connection: Connection, chain_id: str, among: Sequence[StoredEntity] | None = None
) -> list[StoredEntity]:
    """Archived sessions, all or those of the same ids."""
    table = tables.sessions
    columns = select(table.c.session_id, table.c.version, table.c.document)
    query = columns.where(table.c.chain_id == chain_id).order_by(table.c.session_id)
    if among is None:
        found = list(connection.execute(query))
    else:
        found = [
            row
            for ids in _parts([stored.key for stored in among])
            for row in connection.execute(query.where(table.c.session_id.in_(ids)))
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
) -> set[str]:
    """Ids of archived sessions closed before ``at_ms``."""
    table = tables.sessions
    old = and_(table.c.chain_id == chain_id, table.c.closed_at_ms < at_ms)
    return {
        session_id
        for ids in _parts(closed_ids)
        for session_id in connection.scalars(
            select(table.c.session_id).where(old, table.c.session_id.in_(ids))
        )
    }


def documents(connection: Connection, table: Table, chain_id: str) -> list[StreamEntry]:
    """Stored payloads with the stream ids they came under, oldest first."""
    query = select(table.c.entry_id, table.c.document).where(table.c.chain_id == chain_id)
    found = [StreamEntry(entry_id, bytes(blob)) for entry_id, blob in connection.execute(query)]
    return sorted(found, key=lambda entry: tuple(map(int, entry.entry_id.split("-"))))


def account_sums(connection: Connection, chain_id: str) -> tuple[str, dict[str, int]]:
    """(cursor of the ledger, account -> sum of the entries up to it)."""
    table = tables.entries
    total = func.sum(table.c.amount_minor)
    query = select(table.c.account, total).where(table.c.chain_id == chain_id)
    found = connection.execute(query.group_by(table.c.account))
    sums = {account: int(amount_minor) for account, amount_minor in found}
    return cursor(connection, chain_id, ChainStream.LEDGER), sums


def transactions_of(
    connection: Connection, chain_id: str, session_ids: Sequence[str]
) -> list[StreamEntry]:
    """Archived transactions of some sessions."""
    table = tables.transactions
    query = select(table.c.entry_id, table.c.document).where(table.c.chain_id == chain_id)
    return [
        StreamEntry(entry_id, bytes(document))
        for ids in _parts(session_ids)
        for entry_id, document in connection.execute(query.where(table.c.session_id.in_(ids)))
    ]


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


def _at(chain_id: str, stream: ChainStream) -> tuple[Any, Any]:
    table = tables.cursors
    return table.c.chain_id == chain_id, table.c.stream == stream.value


def _known(
    connection: Connection, table: Table, *, chain_id: str, ids: Iterable[str]
) -> Mapping[tuple[Any, ...], bytes]:
    """Documents of rows whose first key column after the chain is one of ``ids``, by key."""
    _, first, *more = list(table.primary_key)
    columns = select(first, *more, table.c.document).where(table.c.chain_id == chain_id)
    return {
        tuple(key): bytes(document)
        for part in _parts(sorted(set(ids)))
        for *key, document in connection.execute(columns.where(first.in_(part)))
    }


def _note(parsed: _Parsed, key: tuple[Any, ...], *, entry: StreamEntry, values: Row) -> None:
    if key in parsed:
        _is_new({key: parsed[key][0].payload}, key, entry.payload)
    else:
        parsed[key] = (entry, values)


def _is_new(known: Mapping[tuple[Any, ...], bytes], key: tuple[Any, ...], payload: bytes) -> bool:
    if key not in known:
        return True
    if known[key] != payload:
        raise ConflictError(f"{'/'.join(map(str, key))} is archived with other content")
    return False


def _insert(connection: Connection, table: Table, values: list[Row]) -> None:
    if values:
        connection.execute(insert(table), values)


def _parts(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[first : first + IDS_PER_QUERY] for first in range(0, len(ids), IDS_PER_QUERY))
