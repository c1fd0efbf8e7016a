"""A chain's rows out of an archive and into another one, whatever their databases are."""

from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Column, Connection, Engine, LargeBinary, Table, func, insert, select

from actors.store import place_of
from controller.archive import tables

ROWS_PER_PART: Final = 500
COPIED: Final = tuple(
    table for table in tables.metadata.sorted_tables if table is not tables.account_totals
)
"""What accounts come to follows from their entries."""
Rows = list[dict[str, Any]]


def chain_rows(engine: Engine, chain_id: str) -> Iterator[tuple[str, Rows]]:
    """(table name, rows as JSON values), all as of one instant, in bounded parts."""
    with engine.begin() as connection:
        for table in COPIED:
            query = select(*_copied(table)).where(table.c.chain_id == chain_id)
            query = query.order_by(*table.primary_key)
            found = connection.execution_options(yield_per=ROWS_PER_PART).execute(query)
            for part in found.mappings().partitions(ROWS_PER_PART):
                yield table.name, [_plain(table, row) for row in part]


def write_rows(connection: Connection, table_name: str, rows: Rows) -> None:
    """Insert rows that :func:`chain_rows` gave."""
    table = tables.metadata.tables[table_name]
    connection.execute(insert(table), [_stored(table, row) for row in rows])


def add_up(connection: Connection, chain_id: str) -> None:
    """Work out what accounts come to, when all entries of a chain are there."""
    entries, totals = tables.entries, tables.account_totals
    amount = func.sum(entries.c.amount_minor)
    summed = select(entries.c.chain_id, entries.c.account, amount)
    summed = summed.where(entries.c.chain_id == chain_id)
    summed = summed.group_by(entries.c.chain_id, entries.c.account)
    connection.execute(insert(totals).from_select(list(totals.columns), summed))


def holds_chain(connection: Connection, chain_id: str) -> bool:
    """Whether there is any row of the chain."""
    return any(
        connection.execute(
            select(table.c.chain_id).where(table.c.chain_id == chain_id).limit(1)
        ).first()
        is not None
        for table in COPIED
    )


def _copied(table: Table) -> list[Column[Any]]:
    """All but what the database counts itself: it must go on counting after a restore."""
    return [column for column in table.columns if column.autoincrement is not True]


def _plain(table: Table, row: Mapping[Any, Any]) -> dict[str, Any]:
    blobs = _blobs(table)
    return {str(k): _text(bytes(v)) if k in blobs else v for k, v in row.items()}


def _text(document: bytes) -> str | dict[str, str]:
    """A document as JSON text. A damaged one may be no text at all."""
    try:
        return document.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(document).decode()}


def _bytes(document: str | dict[str, str]) -> bytes:
    return document.encode() if isinstance(document, str) else b64decode(document["base64"])


def _stored(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    blobs = _blobs(table)
    stored: dict[str, Any] = dict(row)
    stored |= {name: _bytes(row[name]) for name in blobs}
    if "place_ms" in table.c and "place_ms" not in stored:
        # A backup of a release that did not write places down.
        stored["place_ms"], stored["place_no"] = place_of(stored["entry_id"])
    return stored


def _blobs(table: Table) -> Sequence[str]:
    return [column.name for column in table.columns if isinstance(column.type, LargeBinary)]
