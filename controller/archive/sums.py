"""What the archive's rows come to, worked out by the database; on one open SQL connection."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, Table, and_, case, func, or_, select

from actors.store import SESSION_KEY_PREFIX, ChainStream, StreamEntry
from controller.archive import tables
from controller.archive.aside import CONFLICT, REWIND, UNREADABLE
from controller.archive.rows import cursor, parts, up_to
from schemas.events import ORDER_SOURCE

CURRENCY_LENGTH = 3


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of accounts over everything archived up to ``until``."""

    until: str
    sums: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Span:
    """How many events of a source there are, and from which number to which."""

    count: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Oddities:
    """What is not as it should be, and known. All zero in an archive that nothing happened to."""

    rewinds: int
    set_aside: int
    unsettled: int
    """Transactions set aside that nobody has replayed or settled."""
    conflicts: int
    gaps: int
    lost_gaps: int
    unreadable: int
    """Documents and entries that no release has been able to read yet."""

    def __add__(self, other: "Oddities") -> "Oddities":
        return Oddities(
            self.rewinds + other.rewinds,
            self.set_aside + other.set_aside,
            self.unsettled + other.unsettled,
            self.conflicts + other.conflicts,
            self.gaps + other.gaps,
            self.lost_gaps + other.lost_gaps,
            self.unreadable + other.unreadable,
        )


NOTHING_ODD: Final = Oddities(0, 0, 0, 0, 0, 0, 0)


def totals(connection: Connection, chain_id: str, accounts: Sequence[str]) -> Totals:
    """Sums of these accounts; one without entries is missing."""
    table = tables.account_totals
    query = select(table.c.account, table.c.amount_minor).where(table.c.chain_id == chain_id)
    found: dict[str, int] = {}
    for some in parts(accounts):
        rows = connection.execute(query.where(table.c.account.in_(some)))
        found.update((account, amount_minor) for account, amount_minor in rows)
    return Totals(cursor(connection, chain_id, ChainStream.LEDGER), found)


def accounts_after(connection: Connection, chain_id: str, account: str, *, count: int) -> list[str]:
    """Accounts that have entries, in the database's order, after one."""
    table = tables.account_totals
    query = select(table.c.account).where(table.c.chain_id == chain_id, table.c.account > account)
    return list(connection.scalars(query.order_by(table.c.account).limit(count)))


def wrong_totals(connection: Connection, chain_id: str) -> list[tuple[str, int, int]]:
    """(account, sum of its entries, what is kept as its total) where the two differ."""
    table, entries = tables.account_totals, tables.entries
    summed = (
        select(entries.c.account, func.sum(entries.c.amount_minor).label("amount_minor"))
        .where(entries.c.chain_id == chain_id)
        .group_by(entries.c.account)
        .subquery()
    )
    kept = select(table).where(table.c.chain_id == chain_id).subquery()
    query = (
        select(
            func.coalesce(summed.c.account, kept.c.account),
            func.coalesce(summed.c.amount_minor, 0),
            func.coalesce(kept.c.amount_minor, 0),
        )
        .select_from(summed)
        .join(kept, summed.c.account == kept.c.account, full=True)
        .where(func.coalesce(summed.c.amount_minor, 0) != func.coalesce(kept.c.amount_minor, 0))
        .order_by(func.coalesce(summed.c.account, kept.c.account))
    )
    return [(account, int(a), int(b)) for account, a, b in connection.execute(query)]


def unbalanced(connection: Connection, chain_id: str) -> list[tuple[str, str, int]]:
    """(transaction, currency, sum of its entries) where that is not zero."""
    table = tables.entries
    currency = func.substr(table.c.account, 1, CURRENCY_LENGTH)
    amount = func.sum(table.c.amount_minor)
    query = (
        select(table.c.transaction_id, currency, amount)
        .where(table.c.chain_id == chain_id)
        .group_by(table.c.transaction_id, currency)
        .having(amount != 0)
        .order_by(table.c.transaction_id, currency)
    )
    return [(one, of, int(sum_minor)) for one, of, sum_minor in connection.execute(query)]


def spans(
    connection: Connection, chain_id: str, sources: Sequence[str], *, until: str
) -> tuple[str, dict[str, Span]]:
    """(the outbox's cursor, where the events of these sources up to a place begin and end)."""
    table = tables.events
    query = (
        select(table.c.source_id, func.count(), func.min(table.c.seq), func.max(table.c.seq))
        .where(table.c.chain_id == chain_id, up_to(table, until))
        .group_by(table.c.source_id)
    )
    found = {
        source: Span(count, first, last)
        for some in parts(sources)
        for source, count, first, last in connection.execute(
            query.where(table.c.source_id.in_(some))
        )
    }
    return cursor(connection, chain_id, ChainStream.OUTBOX), found


def events_of(
    connection: Connection, chain_id: str, sources: Sequence[str], *, kind: str, until: str
) -> tuple[str, list[StreamEntry]]:
    """(the outbox's cursor, events of a kind of these sources up to a place)."""
    table = tables.events
    query = select(table.c.entry_id, table.c.document)
    query = query.where(table.c.chain_id == chain_id, table.c.kind == kind, up_to(table, until))
    found = [
        StreamEntry(entry_id, bytes(document))
        for some in parts(sources)
        for entry_id, document in connection.execute(query.where(table.c.source_id.in_(some)))
    ]
    return cursor(connection, chain_id, ChainStream.OUTBOX), found


def broken_sources(connection: Connection, chain_id: str) -> list[tuple[str, Span]]:
    """Sources whose events do not count 1, 2, 3 ... to the last one."""
    table = tables.events
    first, last = func.min(table.c.seq), func.max(table.c.seq)
    query = (
        select(table.c.source_id, func.count(), first, last)
        .where(table.c.chain_id == chain_id)
        .group_by(table.c.source_id)
        .having(or_(first != 1, func.count() != last))
        .order_by(table.c.source_id)
    )
    return [(source, Span(*numbers)) for source, *numbers in connection.execute(query)]


def transactions_of(
    connection: Connection, chain_id: str, session_ids: Sequence[str], *, until: str
) -> tuple[str, list[StreamEntry]]:
    """(the ledger's cursor, archived transactions of these sessions up to a place)."""
    table = tables.transactions
    query = select(table.c.entry_id, table.c.document)
    query = query.where(table.c.chain_id == chain_id, up_to(table, until))
    found = [
        StreamEntry(entry_id, bytes(document))
        for ids in parts(session_ids)
        for entry_id, document in connection.execute(query.where(table.c.session_id.in_(ids)))
    ]
    return cursor(connection, chain_id, ChainStream.LEDGER), found


def rows_archived(connection: Connection, chain_id: str) -> tuple[int, int]:
    """How many transactions and events there are."""
    counts = (
        select(func.count()).select_from(table).where(table.c.chain_id == chain_id)
        for table in (tables.transactions, tables.events)
    )
    transactions, events = (connection.scalar(count) or 0 for count in counts)
    return transactions, events


def unfinished_sources(
    connection: Connection, chain_id: str, source_id: str, *, count: int
) -> list[str]:
    """Sources of events without an archived final document, after one, in the database's order."""
    return _without_session(connection, chain_id, tables.events, after=source_id, count=count)


def unfinished_sessions(
    connection: Connection, chain_id: str, session_id: str, *, count: int
) -> list[str]:
    """Sessions of transactions without an archived final document, after one, in order."""
    return _without_session(
        connection, chain_id, tables.transactions, after=session_id, count=count
    )


def _without_session(
    connection: Connection, chain_id: str, table: Table, *, after: str, count: int
) -> list[str]:
    final = tables.sessions
    if "source_id" in table.c:
        name, is_of = table.c.source_id, SESSION_KEY_PREFIX + final.c.session_id
    else:
        name, is_of = table.c.session_id, final.c.session_id
    known = and_(final.c.chain_id == chain_id, is_of == name)
    query = (
        select(name)
        .where(table.c.chain_id == chain_id, name > after, ~select(final).where(known).exists())
        .distinct()
        .order_by(name)
        .limit(count)
    )
    return list(connection.scalars(query))


def conflicts(connection: Connection, chain_id: str) -> list[tuple[str, str]]:
    """(stream, id) of rows that came with other content than was archived."""
    table = tables.set_aside
    query = select(table.c.source, table.c.row_id).where(
        table.c.chain_id == chain_id, table.c.cause == CONFLICT
    )
    return [
        (source, row_id) for source, row_id in connection.execute(query.order_by(table.c.number))
    ]


def untold_orders(connection: Connection, chain_id: str) -> list[tuple[str, int]]:
    """(order, how much it says had been told) of archived orders whose last event is not there."""
    orders, events = tables.orders, tables.events
    last = and_(
        events.c.chain_id == chain_id,
        events.c.source_id == ORDER_SOURCE + orders.c.order_id,
        events.c.seq == orders.c.version,
    )
    query = select(orders.c.order_id, orders.c.version).where(
        orders.c.chain_id == chain_id, orders.c.version > 0, ~select(events).where(last).exists()
    )
    return [(row.order_id, row.version) for row in connection.execute(query)]


def oddities(connection: Connection, chain_id: str) -> Oddities:
    """The figures an operator should see."""
    aside, gaps, rewinds = tables.set_aside, tables.gaps, tables.rewinds
    unsettled = and_(
        aside.c.cause == REWIND,
        aside.c.source == ChainStream.LEDGER.value,
        or_(aside.c.settled.is_(None), aside.c.settled == ""),
    )
    asked = select(
        _counted(aside.c.cause.in_((CONFLICT, REWIND))),
        _counted(unsettled),
        _counted(aside.c.cause == CONFLICT),
        _counted(and_(aside.c.cause == UNREADABLE, aside.c.settled.is_(None))),
    )
    every, open_, odd, unread = connection.execute(asked.where(aside.c.chain_id == chain_id)).one()
    holes = select(func.count(), _counted(gaps.c.lost))
    found, lost = connection.execute(holes.where(gaps.c.chain_id == chain_id)).one()
    went_back = select(func.count()).where(rewinds.c.chain_id == chain_id)
    return Oddities(
        rewinds=connection.scalar(went_back) or 0,
        set_aside=int(every),
        unsettled=int(open_),
        conflicts=int(odd),
        gaps=found,
        lost_gaps=int(lost),
        unreadable=int(unread),
    )


def _counted(where: ColumnElement[bool]) -> ColumnElement[int]:
    """How many rows it is true of."""
    return func.coalesce(func.sum(case((where, 1), else_=0)), 0)
