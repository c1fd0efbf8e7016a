"""What was set aside and may take effect again, on one open SQL connection."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, and_, select, update

from actors.store import ChainStream
from controller.archive import tables
from controller.archive.aside import REWIND
from controller.archive.rows import parts

_TABLE = tables.set_aside


class Settled(StrEnum):
    """What became of a transaction that was set aside."""

    REDONE = "redone"
    """It happened again by itself: a step that was billed again, a command sent again."""
    REPLAYED = "replayed"
    """It was posted again under a name of its own."""
    DISMISSED = "dismissed"
    """People have seen to it."""


@dataclass(frozen=True, slots=True)
class LostTransaction:
    """A transaction the store does not know any more. ``number`` orders them."""

    number: int
    transaction_id: str
    document: bytes


def lost(connection: Connection, chain_id: str, *, after: int, count: int) -> list[LostTransaction]:
    """Transactions that nobody has settled, oldest first."""
    query = select(_TABLE.c.number, _TABLE.c.row_id, _TABLE.c.document)
    query = query.where(_open(chain_id), _TABLE.c.number > after)
    found = connection.execute(query.order_by(_TABLE.c.number).limit(count))
    return [LostTransaction(number, row_id, bytes(blob)) for number, row_id, blob in found]


def archived_ids(connection: Connection, chain_id: str, ids: Sequence[str]) -> set[str]:
    """Which of these transactions are archived."""
    table = tables.transactions
    query = select(table.c.transaction_id).where(table.c.chain_id == chain_id)
    return {
        found
        for some in parts(ids)
        for found in connection.scalars(query.where(table.c.transaction_id.in_(some)))
    }


def settle(connection: Connection, numbers: Sequence[int], how: Settled) -> None:
    """Note what became of these."""
    for some in parts(list(numbers)):
        where = _TABLE.c.number.in_(some)
        connection.execute(update(_TABLE).where(where).values(settled=how.value))


def dismiss(connection: Connection, chain_id: str) -> int:
    """Note of all that are left that people have seen to them; how many."""
    values = {"settled": Settled.DISMISSED.value}
    return connection.execute(update(_TABLE).where(_open(chain_id)).values(values)).rowcount


def _open(chain_id: str) -> ColumnElement[bool]:
    return and_(
        _TABLE.c.chain_id == chain_id,
        _TABLE.c.source == ChainStream.LEDGER.value,
        _TABLE.c.cause == REWIND,
        _TABLE.c.settled.is_(None),
    )
