"""What the consumer writes, on one open SQL connection; the caller owns the transaction."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final, TypeAlias

import orjson
from sqlalchemy import Connection, Executable, Table, bindparam, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from actors.store import ChainStream, StoredEntity, StreamEntry, place_of
from actors.unreadable import UNREADABLE_ERRORS
from billing_core.stored import TRANSACTION, StoredKind, unchanged
from controller.archive import aside, order_rows, session_rows, tables
from controller.archive.aside import CONFLICT, Beside, Unread, fitting
from controller.archive.gaps import Gap, note_gaps
from controller.archive.rows import (
    BEGINNING,
    ConflictError,
    Row,
    cursor,
    parts,
)
from schemas.events import source_of

_Key: TypeAlias = tuple[Any, ...]
_KINDS: Final = {
    ChainStream.LEDGER: TRANSACTION,
    ChainStream.OUTBOX: StoredKind(1, {0: unchanged}),
}
_Parsed: TypeAlias = dict[_Key, tuple[StreamEntry, Row]]
Read: TypeAlias = list[tuple[StreamEntry, Row]]

_MOVE_CURSOR: Final = update(tables.cursors).where(
    tables.cursors.c.chain_id == bindparam("of_chain"),
    tables.cursors.c.stream == bindparam("of_stream"),
    tables.cursors.c.entry_id == bindparam("before"),
)
_SOME_TRANSACTIONS: Final = select(
    tables.transactions.c.transaction_id, tables.transactions.c.document
).where(
    tables.transactions.c.chain_id == bindparam("chain_id"),
    tables.transactions.c.transaction_id.in_(bindparam("ids", expanding=True)),
)
_SOME_EVENTS: Final = select(
    tables.events.c.source_id, tables.events.c.seq, tables.events.c.document
).where(
    tables.events.c.chain_id == bindparam("chain_id"),
    tuple_(tables.events.c.source_id, tables.events.c.seq).in_(bindparam("keys", expanding=True)),
)


def _added(new: sqlite.Insert | postgresql.Insert) -> Executable:
    table = tables.account_totals
    sum_minor = {"amount_minor": table.c.amount_minor + new.excluded.amount_minor}
    key = [table.c.chain_id, table.c.account]
    return new.on_conflict_do_update(index_elements=key, set_=sum_minor)


_ADD: Final = {
    "sqlite": _added(sqlite.insert(tables.account_totals)),
    "postgresql": _added(postgresql.insert(tables.account_totals)),
}


@dataclass(frozen=True, slots=True)
class Written:
    """What was odd about a batch. ``conflicts`` are ids that came with other content than is
    archived under them; ``gaps`` are events that should have come before and did not;
    ``unread`` cannot be read, and is kept beside the tables."""

    conflicts: tuple[str, ...] = ()
    gaps: tuple[Gap, ...] = ()
    unread: tuple[Unread, ...] = ()


def digest_of(payload: bytes) -> str:
    """What a cursor remembers of the entry it stands on."""
    return sha256(payload).hexdigest()


def write_entries(
    connection: Connection,
    chain_id: str,
    stream: ChainStream,
    *,
    read: Sequence[StreamEntry],
    after: str,
    now_ms: int,
    orders: Sequence[StoredEntity] = (),
    closed: Sequence[StoredEntity] = (),
) -> Written:
    """Insert what is new and move the cursor from ``after`` to the last entry.

    What is archived already is passed over; other content under an archived id is set aside, and
    so is what cannot be read. ``orders`` and ``closed`` sessions are as they were when the last of
    ``read`` was told.
    """
    if not read:
        return Written()
    _move_cursor(connection, chain_id, stream, before=after, to=read[-1])
    written = write_stream(connection, chain_id, stream, read=read, now_ms=now_ms)
    unread = order_rows.write_orders(connection, chain_id, orders, now_ms=now_ms)
    more = session_rows.write_sessions(connection, chain_id, closed, now_ms=now_ms)
    return replace(written, unread=(*written.unread, *unread, *more))


def write_stream(
    connection: Connection,
    chain_id: str,
    stream: ChainStream,
    *,
    read: Sequence[StreamEntry],
    now_ms: int,
) -> Written:
    """The same of a stream without its cursor: entries that were passed over before."""
    good, odd = readable(chain_id, stream, read)
    unread = aside.note_unreadable(connection, chain_id, stream.value, found=odd, now_ms=now_ms)
    write = _write_transactions if stream is ChainStream.LEDGER else _write_events
    return replace(write(connection, chain_id, good, now_ms=now_ms), unread=unread)


def readable(
    chain_id: str, stream: ChainStream, read: Sequence[StreamEntry]
) -> tuple[Read, list[Beside]]:
    """(entries with what they say, those that no row can be made of)."""
    good: Read = []
    odd = []
    for entry in read:
        try:
            document = dict(_KINDS[stream].upgraded(orjson.loads(entry.payload)))
            if stream is ChainStream.LEDGER:
                fitting(tables.transactions, _transaction(chain_id, entry, document))
                for side in _sides(chain_id, document):
                    fitting(tables.entries, side)
            else:
                fitting(tables.events, _event(chain_id, entry, document))
        except UNREADABLE_ERRORS:
            odd.append(Beside(entry.entry_id, entry.payload, entry.entry_id))
        else:
            good.append((entry, document))
    return good, odd


def reread(connection: Connection, chain_id: str, stream: ChainStream, *, now_ms: int) -> None:
    """Archive entries of a stream that could not be read before and now can."""
    for waiting in aside.unreadable_entries(connection, chain_id, stream.value):
        entries = [entry for entry, _ in readable(chain_id, stream, waiting)[0]]
        ids = [entry.entry_id for entry in entries]
        aside.forget_unreadable(connection, chain_id, stream.value, ids=ids)
        write_stream(connection, chain_id, stream, read=entries, now_ms=now_ms)


def _move_cursor(
    connection: Connection, chain_id: str, stream: ChainStream, *, before: str, to: StreamEntry
) -> None:
    values = {"entry_id": to.entry_id, "digest": digest_of(to.payload)}
    where = {"of_chain": chain_id, "of_stream": stream.value, "before": before}
    if connection.execute(_MOVE_CURSOR, {**where, **values}).rowcount == 1:
        return
    if before != BEGINNING or cursor(connection, chain_id, stream) != BEGINNING:
        raise ConflictError(f"another consumer moved the cursor of {chain_id} {stream}")
    _insert(connection, tables.cursors, [{"chain_id": chain_id, "stream": stream.value, **values}])


def _write_transactions(
    connection: Connection, chain_id: str, parsed: Read, *, now_ms: int
) -> Written:
    known = {
        (transaction_id,): document
        for transaction_id, document in _known_transactions(
            connection, chain_id, {transaction["id"] for _, transaction in parsed}
        )
    }
    keyed = [((transaction["id"],), entry, transaction) for entry, transaction in parsed]
    fresh, conflicts = _sorted_out(keyed, known)
    _insert(connection, tables.transactions, [_transaction(chain_id, *one) for one in fresh])
    sides = [side for _, transaction in fresh for side in _sides(chain_id, transaction)]
    _insert(connection, tables.entries, sides)
    sums: Counter[str] = Counter()
    for side in sides:
        sums[side["account"]] += side["amount_minor"]
    add_to_totals(connection, chain_id, sums)
    return _set_aside(connection, chain_id, conflicts, source=ChainStream.LEDGER, now_ms=now_ms)


def _known_transactions(
    connection: Connection, chain_id: str, ids: Iterable[str]
) -> Iterable[tuple[str, bytes]]:
    for some in parts(sorted(ids)):
        asked = {"chain_id": chain_id, "ids": some}
        for transaction_id, document in connection.execute(_SOME_TRANSACTIONS, asked):
            yield transaction_id, bytes(document)


def _transaction(chain_id: str, entry: StreamEntry, transaction: Mapping[str, Any]) -> Row:
    return {
        "chain_id": chain_id,
        "transaction_id": transaction["id"],
        "at_ms": transaction["at_ms"],
        "kind": transaction["kind"],
        "session_id": transaction.get("session_id"),
        "segment_index": transaction.get("segment_index"),
        "step_index": transaction.get("step_index"),
        **_placed(entry),
    }


def _sides(chain_id: str, transaction: Mapping[str, Any]) -> list[Row]:
    return [
        {
            "chain_id": chain_id,
            "transaction_id": transaction["id"],
            "number": number,
            "account": side["account"],
            "amount_minor": side["amount_minor"],
        }
        for number, side in enumerate(transaction["entries"])
    ]


def _write_events(
    connection: Connection, chain_id: str, documents: Read, *, now_ms: int
) -> Written:
    """Insert events that are new; says which should have come before them."""
    keyed = [((source_of(one), one["event"]["seq"]), entry, one) for entry, one in documents]
    keys = {key for key, _, _ in keyed}
    before = {(source, seq - 1) for source, seq in keys if seq > 1} - keys
    known = dict(_known_events(connection, chain_id, keys | before))
    fresh, conflicts = _sorted_out(keyed, known)
    rows = [_event(chain_id, entry, document) for entry, document in fresh]
    _insert(connection, tables.events, rows)
    gaps = note_gaps(connection, chain_id, before - known.keys(), now_ms=now_ms)
    source = ChainStream.OUTBOX
    found = _set_aside(connection, chain_id, conflicts, source=source, now_ms=now_ms)
    return Written(found.conflicts, gaps)


def _known_events(
    connection: Connection, chain_id: str, keys: Iterable[tuple[str, int]]
) -> Iterable[tuple[_Key, bytes]]:
    for some in parts(sorted(keys)):
        asked = {"chain_id": chain_id, "keys": some}
        for source_id, seq, document in connection.execute(_SOME_EVENTS, asked):
            yield (source_id, seq), bytes(document)


def _event(chain_id: str, entry: StreamEntry, document: Mapping[str, Any]) -> Row:
    event = document["event"]
    return {
        "chain_id": chain_id,
        "source_id": source_of(document),
        "seq": event["seq"],
        "club_id": event["club_id"],
        "session_id": event.get("session_id"),
        "kind": event["kind"],
        "at_ms": event["at_ms"],
        **_placed(entry),
    }


def _placed(entry: StreamEntry) -> Row:
    place_ms, place_no = place_of(entry.entry_id)
    place = {"entry_id": entry.entry_id, "place_ms": place_ms, "place_no": place_no}
    return {**place, "document": entry.payload}


def _sorted_out(
    keyed: Iterable[tuple[_Key, StreamEntry, Row]], known: Mapping[_Key, bytes]
) -> tuple[list[tuple[StreamEntry, Row]], list[tuple[_Key, StreamEntry, Row]]]:
    """(what is new, what says other things than what is known by its key)."""
    fresh: _Parsed = {}
    conflicts = []
    for key, entry, document in keyed:
        held = known.get(key)
        if held is None and key in fresh:
            held = fresh[key][0].payload
        if held is None:
            fresh[key] = (entry, document)
        elif held != entry.payload:
            conflicts.append((key, entry, document))
    return list(fresh.values()), conflicts


def _set_aside(
    connection: Connection,
    chain_id: str,
    conflicts: Sequence[tuple[_Key, StreamEntry, Row]],
    *,
    source: str,
    now_ms: int,
) -> Written:
    found = [
        Beside(
            "/".join(map(str, key)),
            entry.payload,
            entry.entry_id,
            document.get("event", document).get("session_id"),
        )
        for key, entry, document in conflicts
    ]
    how = {"source": source, "cause": CONFLICT}
    aside.lay(connection, chain_id, **how, now_ms=now_ms, documents=found)
    return Written(tuple(one.row_id for one in found))


def add_to_totals(connection: Connection, chain_id: str, sums: Mapping[str, int]) -> None:
    """Keep what accounts come to beside the entries that make it up."""
    rows = [
        {"chain_id": chain_id, "account": account, "amount_minor": amount_minor}
        for account, amount_minor in sorted(sums.items())
    ]
    if not rows:
        return
    connection.execute(_ADD[connection.dialect.name], rows)


def _insert(connection: Connection, table: Table, values: list[Row]) -> None:
    if values:
        connection.execute(insert(table), values)
