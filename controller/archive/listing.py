"""Pages of archived sessions and orders, on one open SQL connection.

A page is asked for by what sorts it and where the last one ended, so that rows which arrive
meanwhile shift nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sqlalchemy import ColumnElement, Connection, Select, and_, case, false, or_, select, tuple_

from actors.store import StoredEntity
from controller.archive import tables

SortValue: TypeAlias = str | int
IDS_MAX: Final = 5_000

_SESSIONS: Final = tables.sessions
_ORDERS: Final = tables.orders
_NEVER_WAS: Final = or_(
    _SESSIONS.c.status == "CANCELLED", _SESSIONS.c.end_at_ms < _SESSIONS.c.start_at_ms
)
_ENDED_AT: Final = case((_NEVER_WAS, _SESSIONS.c.start_at_ms), else_=_SESSIONS.c.end_at_ms)
"""What was taken back before it was to begin has ended where it was to begin."""
SESSION_SORTS: Final[Mapping[str, ColumnElement[Any]]] = {
    "startAt": _SESSIONS.c.start_at_ms,
    "endAt": _ENDED_AT,
    "playedSeconds": _SESSIONS.c.played_ms,
    "amount": _SESSIONS.c.total_minor,
    "status": case((_SESSIONS.c.status == "CANCELLED", "Cancelled"), else_="Ended"),
    "zoneId": _SESSIONS.c.zone_id,
    "pcId": _SESSIONS.c.pc_id,
    "tariffId": _SESSIONS.c.tariff_id,
}
ORDER_SORTS: Final[Mapping[str, ColumnElement[Any]]] = {
    "createdAt": _ORDERS.c.created_at_ms,
    "amount": _ORDERS.c.amount_minor,
    "due": _ORDERS.c.due_minor,
    "status": _ORDERS.c.status,
}


@dataclass(frozen=True, slots=True)
class PageAsk:
    """How a page is sorted, where it begins and how long it is.

    ``after`` is the sort value and the id of the last row of the page before; ``query`` stands for
    the list and its filters, and is in the page's cursor.
    """

    sort: str
    descending: bool
    after: tuple[SortValue, str] | None
    count: int
    query: str = ""


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Which sessions; None asks for any. Instants bound the effective start, ``[from, until)``.

    ``search`` is the beginning of a session's id; ``found_players``, at most IDS_MAX, matched it by
    name or phone. A session that is over has no coverage status, an open one no reason of its end.
    """

    club_ids: frozenset[str] | None = None
    statuses: frozenset[str] = frozenset()
    coverage_statuses: frozenset[str] | None = None
    ended_reasons: frozenset[str] | None = None
    zone_id: str | None = None
    pc_id: str | None = None
    player_id: str | None = None
    tariff_id: str | None = None
    from_ms: int | None = None
    until_ms: int | None = None
    search: str | None = None
    found_players: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders; None asks for any. Instants bound the creation, ``[from, until)``."""

    club_ids: frozenset[str] | None = None
    statuses: frozenset[str] | None = None
    player_id: str | None = None
    from_ms: int | None = None
    until_ms: int | None = None


def sessions_page(
    connection: Connection,
    chain_id: str,
    wanted: SessionFilter,
    *,
    ask: PageAsk,
    among: Sequence[str] = (),
) -> tuple[list[StoredEntity], set[str]]:
    """(closed sessions of the page, which of the sessions ``among`` are archived)."""
    table = _SESSIONS
    query = select(table.c.session_id, table.c.version, table.c.document).where(
        table.c.chain_id == chain_id, *_of_sessions(wanted)
    )
    query = _paged(connection, query, SESSION_SORTS[ask.sort], row_id=table.c.session_id, ask=ask)
    page = [
        StoredEntity(row.session_id, row.version, bytes(row.document))
        for row in connection.execute(query)
    ]
    held = select(table.c.session_id).where(
        table.c.chain_id == chain_id, table.c.session_id.in_(list(among)[:IDS_MAX])
    )
    return page, set(connection.scalars(held)) if among else set()


def orders_page(
    connection: Connection,
    chain_id: str,
    wanted: OrderFilter,
    *,
    ask: PageAsk,
    without: Collection[str] = (),
) -> list[bytes]:
    """Documents of the orders of a page, those ``without`` left out."""
    table = _ORDERS
    query = select(table.c.document).where(table.c.chain_id == chain_id, *_of_orders(wanted))
    if without:
        query = query.where(table.c.order_id.not_in(list(without)[:IDS_MAX]))
    query = _paged(connection, query, ORDER_SORTS[ask.sort], row_id=table.c.order_id, ask=ask)
    return [bytes(document) for document in connection.scalars(query)]


def _of_sessions(wanted: SessionFilter) -> list[ColumnElement[bool]]:
    table = _SESSIONS
    archived = {"Ended": "ENDED", "Cancelled": "CANCELLED"}
    statuses = [archived[one] for one in sorted(wanted.statuses) if one in archived]
    found: list[ColumnElement[bool]] = [table.c.status.in_(statuses)]
    for column, value in (
        (table.c.zone_id, wanted.zone_id),
        (table.c.pc_id, wanted.pc_id),
        (table.c.player_id, wanted.player_id),
        (table.c.tariff_id, wanted.tariff_id),
    ):
        if value is not None:
            found.append(column == value)
    for column, values in (
        (table.c.club_id, wanted.club_ids),
        (table.c.ended_reason, wanted.ended_reasons),
    ):
        if values is not None:
            found.append(column.in_(sorted(values)))
    if wanted.coverage_statuses is not None:
        found.append(false())
    if wanted.search is not None:
        begins = table.c.session_id.startswith(wanted.search, autoescape=True)
        found.append(or_(begins, table.c.player_id.in_(sorted(wanted.found_players))))
    return [*found, *_within(table.c.start_at_ms, wanted.from_ms, wanted.until_ms)]


def _of_orders(wanted: OrderFilter) -> list[ColumnElement[bool]]:
    table = _ORDERS
    found: list[ColumnElement[bool]] = []
    if wanted.player_id is not None:
        found.append(table.c.player_id == wanted.player_id)
    for column, values in ((table.c.club_id, wanted.club_ids), (table.c.status, wanted.statuses)):
        if values is not None:
            found.append(column.in_(sorted(values)))
    return [*found, *_within(table.c.created_at_ms, wanted.from_ms, wanted.until_ms)]


def _within(
    column: ColumnElement[int], from_ms: int | None, until_ms: int | None
) -> list[ColumnElement[bool]]:
    found = []
    if from_ms is not None:
        found.append(column >= from_ms)
    if until_ms is not None:
        found.append(column < until_ms)
    return found


def _paged(
    connection: Connection,
    query: Select[Any],
    value: ColumnElement[Any],
    *,
    row_id: ColumnElement[str],
    ask: PageAsk,
) -> Select[Any]:
    """The query in its order, from after the last page. Text sorts by code point everywhere,
    because rows from elsewhere are merged in."""
    if connection.dialect.name == "postgresql":
        row_id = row_id.collate("C")
        if isinstance(value.type.python_type(), str):
            value = value.collate("C")
    if ask.after is not None:
        place, last = tuple_(value, row_id), tuple_(*ask.after)
        query = query.where(and_(place < last if ask.descending else place > last))
    order = (value.desc(), row_id.desc()) if ask.descending else (value.asc(), row_id.asc())
    return query.order_by(*order).limit(ask.count)
