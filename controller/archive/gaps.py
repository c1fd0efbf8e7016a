"""Events that are missing between two that came, on one open SQL connection."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select, update

from controller.archive import tables
from controller.archive.rows import Row

_TABLE = tables.gaps


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers of a source from ``first`` to ``last``, or entries of a stream between two ids.

    ``lost`` means that the store was read again and does not have them either.
    """

    source_id: str
    first: str
    last: str
    lost: bool = False


def note_gaps(
    connection: Connection, chain_id: str, missing: Iterable[tuple[str, int]], *, now_ms: int
) -> tuple[Gap, ...]:
    """Remember gaps that end with these numbers; those that were not known yet."""
    events = tables.events
    found = []
    for source_id, last in sorted(missing):
        where = (
            events.c.chain_id == chain_id,
            events.c.source_id == source_id,
            events.c.seq <= last,
        )
        before = connection.scalar(select(func.max(events.c.seq)).where(*where)) or 0
        found.append(Gap(source_id, str(before + 1), str(last)))
    return note(connection, chain_id, found, now_ms=now_ms)


def note(
    connection: Connection, chain_id: str, found: Sequence[Gap], *, now_ms: int
) -> tuple[Gap, ...]:
    """Remember gaps; those that were not known yet."""
    known = {(gap.source_id, gap.first) for gap in gaps(connection, chain_id)} if found else set()
    fresh = [gap for gap in found if (gap.source_id, gap.first) not in known]
    if fresh:
        rows = [_row(chain_id, gap, now_ms) for gap in fresh]
        connection.execute(insert(_TABLE), rows)
    return tuple(fresh)


def _row(chain_id: str, gap: Gap, now_ms: int) -> Row:
    return {
        "chain_id": chain_id,
        "source_id": gap.source_id,
        "first": gap.first,
        "last": gap.last,
        "noted_at_ms": now_ms,
        "lost": gap.lost,
    }


def gaps(connection: Connection, chain_id: str) -> list[Gap]:
    """All gaps of a chain, those that the store may still fill and those that it cannot."""
    query = select(_TABLE.c.source_id, _TABLE.c.first, _TABLE.c.last, _TABLE.c.lost)
    query = query.where(_TABLE.c.chain_id == chain_id)
    query = query.order_by(_TABLE.c.source_id, _TABLE.c.noted_at_ms, _TABLE.c.first)
    return [Gap(*row) for row in connection.execute(query)]


def close_gaps(connection: Connection, chain_id: str, reread: Sequence[Gap]) -> list[Gap]:
    """Forget gaps that are filled by now; the others are lost, and returned."""
    events = tables.events
    lost = []
    for gap in reread:
        count = select(func.count()).where(
            events.c.chain_id == chain_id,
            events.c.source_id == gap.source_id,
            events.c.seq.between(int(gap.first), int(gap.last)),
        )
        where = (
            _TABLE.c.chain_id == chain_id,
            _TABLE.c.source_id == gap.source_id,
            _TABLE.c.first == gap.first,
        )
        if connection.scalar(count) == int(gap.last) - int(gap.first) + 1:
            connection.execute(delete(_TABLE).where(*where))
        else:
            connection.execute(update(_TABLE).where(*where).values(lost=True))
            lost.append(gap)
    return lost
