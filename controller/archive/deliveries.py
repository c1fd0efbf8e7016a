"""What webhooks still owe, on one open SQL connection; the caller owns the transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from controller.archive import tables
from controller.archive.rows import BEGINNING, ConflictError
from controller.archive.rows import cursor as cursor_of

FOLLOWER: Final = "webhooks"
WAITING: Final = "waiting"
DEAD: Final = "dead"

_OWED: Final = tables.deliveries


@dataclass(frozen=True, slots=True)
class Letter:
    """One event for one subscription. ``number`` orders what a subscription is owed."""

    webhook_id: str
    source_id: str
    event_id: str
    body: bytes
    number: int = 0
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Retry:
    """A letter that was not taken: when it is due again, None for never."""

    number: int
    attempts: int
    due_at_ms: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Owed:
    """What one subscription is owed."""

    webhook_id: str
    waiting: int
    dead: int
    oldest_at_ms: int | None = None
    """When the oldest that waits was queued, real UTC ms."""


def cursor(connection: Connection, chain_id: str) -> str:
    """Up to which outbox entry letters have been written; ``0-0`` for nothing."""
    return cursor_of(connection, chain_id, FOLLOWER)


def take_in(
    connection: Connection,
    chain_id: str,
    letters: Sequence[Letter],
    *,
    after: str,
    to: str,
    now_ms: int,
) -> None:
    """Write letters for the entries from ``after`` to ``to`` and move the cursor, or neither.

    Raises ConflictError when somebody else has moved it.
    """
    _move(connection, chain_id, after=after, to=to)
    if letters:
        rows = [_row(chain_id, letter, now_ms=now_ms) for letter in letters]
        connection.execute(insert(_OWED), rows)


def _move(connection: Connection, chain_id: str, *, after: str, to: str) -> None:
    table = tables.cursors
    where = (table.c.chain_id == chain_id, table.c.stream == FOLLOWER, table.c.entry_id == after)
    moved = connection.execute(update(table).where(*where).values(entry_id=to))
    if moved.rowcount == 1:
        return
    if after != BEGINNING or cursor(connection, chain_id) != BEGINNING:
        raise ConflictError(f"another sender moved the webhooks of {chain_id}")
    connection.execute(insert(table).values(chain_id=chain_id, stream=FOLLOWER, entry_id=to))


def turn_back(connection: Connection, chain_id: str, entry_id: str) -> None:
    """Let letters be written from an earlier entry on."""
    table = tables.cursors
    where = (table.c.chain_id == chain_id, table.c.stream == FOLLOWER)
    connection.execute(update(table).where(*where).values(entry_id=entry_id))


def due(
    connection: Connection, chain_id: str, webhook_id: str, *, now_ms: int, limit: int
) -> list[Letter]:
    """The oldest waiting letter of each source, where that one is due."""
    older = tables.deliveries.alias("older")
    before = exists().where(
        older.c.chain_id == _OWED.c.chain_id,
        older.c.webhook_id == _OWED.c.webhook_id,
        older.c.source_id == _OWED.c.source_id,
        older.c.status == WAITING,
        older.c.number < _OWED.c.number,
    )
    query = (
        select(_OWED)
        .where(_waiting(chain_id, webhook_id), _OWED.c.due_at_ms <= now_ms, ~before)
        .order_by(_OWED.c.number)
        .limit(limit)
    )
    return [
        Letter(
            row.webhook_id,
            row.source_id,
            row.event_id,
            bytes(row.body),
            number=row.number,
            attempts=row.attempts,
        )
        for row in connection.execute(query)
    ]


def taken(connection: Connection, numbers: Sequence[int]) -> None:
    """Forget letters that were received."""
    if numbers:
        query = delete(_OWED).where(_OWED.c.number == bindparam("taken"))
        connection.execute(query, [{"taken": number} for number in numbers])


def put_off(connection: Connection, retries: Sequence[Retry]) -> None:
    """Note when letters are tried again, or that they are not."""
    for retry in retries:
        dead = retry.due_at_ms is None
        values = {"attempts": retry.attempts, "reason": retry.reason}
        values |= {"status": DEAD} if dead else {"due_at_ms": retry.due_at_ms}
        connection.execute(update(_OWED).where(_OWED.c.number == retry.number).values(values))


def bury(connection: Connection, chain_id: str, webhook_id: str, *, reason: str) -> int:
    """Make everything that waits for a subscription a dead letter; how many there were."""
    where = _waiting(chain_id, webhook_id)
    values = {"status": DEAD, "reason": reason}
    return connection.execute(update(_OWED).where(where).values(values)).rowcount


def revive(connection: Connection, chain_id: str, webhook_id: str, *, now_ms: int) -> int:
    """Let every dead letter of a subscription be due now, in its old place; how many."""
    where = and_(
        _OWED.c.chain_id == chain_id, _OWED.c.webhook_id == webhook_id, _OWED.c.status == DEAD
    )
    values = {"status": WAITING, "attempts": 0, "due_at_ms": now_ms, "reason": ""}
    return connection.execute(update(_OWED).where(where).values(values)).rowcount


def hasten(connection: Connection, chain_id: str, webhook_id: str, *, now_ms: int) -> int:
    """Let everything that waits for a later attempt be due now; how much was late."""
    where = and_(
        _OWED.c.chain_id == chain_id,
        _OWED.c.webhook_id == webhook_id,
        _OWED.c.status == WAITING,
        _OWED.c.due_at_ms > now_ms,
    )
    return connection.execute(update(_OWED).where(where).values(due_at_ms=now_ms)).rowcount


def forget_dead(connection: Connection, chain_id: str, *, before_ms: int) -> int:
    """Drop dead letters queued before an instant; how many."""
    where = (
        _OWED.c.chain_id == chain_id,
        _OWED.c.status == DEAD,
        _OWED.c.queued_at_ms < before_ms,
    )
    return connection.execute(delete(_OWED).where(*where)).rowcount


def drop(connection: Connection, chain_id: str, webhook_id: str) -> int:
    """Forget everything a subscription is owed, dead letters too; how many there were."""
    where = (_OWED.c.chain_id == chain_id, _OWED.c.webhook_id == webhook_id)
    return connection.execute(delete(_OWED).where(*where)).rowcount


def owed(connection: Connection, chain_id: str) -> list[Owed]:
    """How much each subscription of a chain is owed."""
    query = (
        select(_OWED.c.webhook_id, _OWED.c.status, func.count(), func.min(_OWED.c.queued_at_ms))
        .where(_OWED.c.chain_id == chain_id)
        .group_by(_OWED.c.webhook_id, _OWED.c.status)
    )
    counts: dict[str, dict[str, int]] = {}
    oldest: dict[str, int] = {}
    for webhook_id, status, count, queued_at_ms in connection.execute(query):
        counts.setdefault(webhook_id, {})[status] = count
        if status == WAITING:
            oldest[webhook_id] = queued_at_ms
    return [
        Owed(webhook_id, found.get(WAITING, 0), found.get(DEAD, 0), oldest.get(webhook_id))
        for webhook_id, found in sorted(counts.items())
    ]


def queue_again(
    connection: Connection, chain_id: str, letters: Sequence[Letter], *, now_ms: int
) -> int:
    """Write letters to be sent once more, but for those that wait anyway; how many were new."""
    waiting = _waiting_ids(connection, chain_id, letters)
    fresh = [one for one in letters if (one.webhook_id, one.event_id) not in waiting]
    if fresh:
        rows = [_row(chain_id, letter, now_ms=now_ms) for letter in fresh]
        connection.execute(insert(_OWED), rows)
    return len(fresh)


def _waiting_ids(
    connection: Connection, chain_id: str, letters: Sequence[Letter]
) -> set[tuple[str, str]]:
    query = select(_OWED.c.webhook_id, _OWED.c.event_id).where(
        _OWED.c.chain_id == chain_id,
        _OWED.c.status == WAITING,
        _OWED.c.event_id.in_([letter.event_id for letter in letters]),
    )
    return {(row.webhook_id, row.event_id) for row in connection.execute(query)}


def _row(chain_id: str, letter: Letter, *, now_ms: int) -> dict[str, object]:
    return {
        "chain_id": chain_id,
        "webhook_id": letter.webhook_id,
        "source_id": letter.source_id,
        "event_id": letter.event_id,
        "body": letter.body,
        "status": WAITING,
        "attempts": 0,
        "queued_at_ms": now_ms,
        "due_at_ms": now_ms,
        "reason": "",
    }


def _waiting(chain_id: str, webhook_id: str) -> ColumnElement[bool]:
    return and_(
        _OWED.c.chain_id == chain_id, _OWED.c.webhook_id == webhook_id, _OWED.c.status == WAITING
    )
