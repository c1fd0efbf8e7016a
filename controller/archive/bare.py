"""A table without anything, as a yardstick for the archive's own."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Column, Connection, LargeBinary, MetaData, String, Table, insert

from controller.archive.rows import Row

_METADATA: Final = MetaData()
_BARE: Final = Table(
    "bench_bare", _METADATA, Column("id", String(320)), Column("document", LargeBinary)
)


def make_bare(connection: Connection) -> None:
    """Make the table."""
    _METADATA.create_all(connection)


def drop_bare(connection: Connection) -> None:
    """Drop the table."""
    _METADATA.drop_all(connection)


def write_bare(connection: Connection, rows: Sequence[Row]) -> None:
    """Insert rows in one go, as fast as the driver does it."""
    connection.execute(insert(_BARE), list(rows))
