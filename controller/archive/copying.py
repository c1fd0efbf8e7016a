"""A chain's rows out of an archive and into another one, whatever their databases are."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Column, Connection, Engine, LargeBinary, Table, insert, select

from controller.archive import tables

ROWS_PER_PART: Final = 500
COPIED: Final = tuple(tables.metadata.sorted_tables)
Rows = list[dict[str, Any]]


def chain_rows(engine: Engine, chain_id: str) -> Iterator[tuple[str, Rows]]:
    """(table name, rows as JSON values), all as of one instant, in bounded parts."""
    isolated = engine
    if engine.dialect.name != "sqlite":
        isolated = engine.execution_options(isolation_level="REPEATABLE READ")
    with isolated.begin() as connection:
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
    return {str(k): bytes(v).decode() if k in blobs else v for k, v in row.items()}


def _stored(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    blobs = _blobs(table)
    return {name: value.encode() if name in blobs else value for name, value in row.items()}


def _blobs(table: Table) -> Sequence[str]:
    return [column.name for column in table.columns if isinstance(column.type, LargeBinary)]
