"""Lists over HTTP: sessions and orders of a club or of the whole chain, page by page."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Query

from actors.order_rendering import order_view
from actors.rendering import UNKNOWN_TARIFF
from billing_core.coverage import CoverageStatus
from billing_core.session import EndedReason
from controller.api import list_models as models
from controller.api import order_models
from controller.api.dependencies import AsPrincipal, InRooms, Rooms
from controller.api.directory import ChainDirectory
from controller.api.guard import GuardedRoute
from controller.api.instants import render_instant
from controller.api.models import Money
from controller.api.openapi import API_PREFIX, QUERY_PROBLEMS
from controller.api.paging import Id, Ids, InstantAsked, InTurning, at_ms, listed
from controller.api.principal import Principal
from controller.api.problems import ProblemError
from controller.api.rendering import edge_of
from controller.api.session_orders import orders_of
from controller.archive.listing import IDS_MAX, OrderFilter, SessionFilter
from controller.lists.cursors import NUL
from controller.lists.order_list import OrderList, page_in_hand
from controller.lists.session_list import ListedSession, SessionList
from schemas.catalogue import PlayerDocument

router = APIRouter(prefix=API_PREFIX, route_class=GuardedRoute, responses=QUERY_PROBLEMS)

PLAYERS_FOUND_MAX: Final = IDS_MAX
"""Players a search of sessions may match; one query of the archive takes no more."""
SHOWN: Final[tuple[models.SessionLabel, ...]] = ("Wait", "Active", "Ended")
"""Cancelled sessions are shown to who asks for them."""
CoverageStatuses = Annotated[list[CoverageStatus] | None, Query(max_length=len(CoverageStatus))]
EndedReasons = Annotated[list[EndedReason] | None, Query(max_length=len(EndedReason))]


@router.get("/sessions", operation_id="listSessions", tags=["sessions"])
async def list_sessions(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    club_id: Annotated[Ids, Query(alias="clubId")] = None,
    status: Annotated[list[models.SessionLabel] | None, Query(max_length=4)] = None,
    coverage_status: Annotated[CoverageStatuses, Query(alias="coverageStatus")] = None,
    ended_reason: Annotated[EndedReasons, Query(alias="endedReason")] = None,
    zone_id: Annotated[Id, Query(alias="zoneId")] = None,
    pc_id: Annotated[Id, Query(alias="pcId")] = None,
    player_id: Annotated[Id, Query(alias="playerId")] = None,
    tariff_id: Annotated[Id, Query(alias="tariffId")] = None,
    from_: Annotated[InstantAsked, Query(alias="from")] = None,
    to: InstantAsked = None,
    search: Annotated[str | None, Query(min_length=1, max_length=64)] = None,
    sort: models.SessionSort = "-startAt",
    turning: InTurning,
) -> models.SessionPage:
    """Sessions by period, status, coverage, reason of the end, zone, PC, player or tariff, newest
    start first unless told.

    `from` and `to` bound the start, `to` exclusive. `search` finds the beginning of a session's
    id, and players by name or phone; one that matches thousands of players is `search-too-broad`.
    Cancelled sessions are left out unless `status` asks for them. One that is over has no
    `coverageStatus`, one that is not has no `endedReason`.
    """
    if search is not None and NUL in search:
        raise ProblemError("invalid-request", "search: no NUL in it", field="search")
    directory = await rooms.directory.chain(principal.chain_id)
    clubs = _clubs(directory, principal, club_id)
    found = await _matching(rooms, principal.chain_id, search)
    wanted = SessionFilter(
        club_ids=clubs,
        statuses=frozenset(status or SHOWN),
        coverage_statuses=None if coverage_status is None else frozenset(coverage_status),
        ended_reasons=None if ended_reason is None else frozenset(ended_reason),
        zone_id=zone_id,
        pc_id=pc_id,
        player_id=principal.player_id or player_id,
        tariff_id=tariff_id,
        from_ms=at_ms("from", from_),
        until_ms=at_ms("to", to),
        search=search,
        found_players=frozenset(found),
    )
    _assert_own(principal, player_id)
    given = rooms.given
    listing = SessionList(given.store, given.archived, given.clock, running=rooms.running)
    ask = turning.asked(
        sort,
        clubs=club_id,
        statuses=status,
        coverage=coverage_status,
        ended=ended_reason,
        zone=zone_id,
        pc=pc_id,
        player=wanted.player_id,
        tariff=tariff_id,
        start=(wanted.from_ms, wanted.until_ms),
        search=search,
    )
    page, more = await listed(listing.page(principal.chain_id, clubs, wanted, ask=ask))
    ids = {one.state.player_id for one in page if one.state.player_id is not None}
    players = await rooms.players.known(principal.chain_id, sorted(ids))
    return models.SessionPage(
        sessions=[_session(directory, one, players) for one in page], next_cursor=more
    )


@router.get("/orders", operation_id="listOrders", tags=["orders"])
async def list_orders(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    club_id: Annotated[Ids, Query(alias="clubId")] = None,
    status: Annotated[list[models.OrderStatus] | None, Query(max_length=5)] = None,
    player_id: Annotated[Id, Query(alias="playerId")] = None,
    session_id: Annotated[Id, Query(alias="sessionId")] = None,
    from_: Annotated[InstantAsked, Query(alias="from")] = None,
    to: InstantAsked = None,
    sort: models.OrderSort = "-createdAt",
    turning: InTurning,
) -> models.OrderPage:
    """Orders by period, status, player or session, newest first unless told.

    With `sessionId` every order the session is paid through, its own bill and the purchases it
    drew on. Without, the bill of a session that was paid while it ran is listed with the
    sessions; one that was paid later, or given back in part, is here too.
    """
    directory = await rooms.directory.chain(principal.chain_id)
    _assert_own(principal, player_id)
    wanted = OrderFilter(
        club_ids=_clubs(directory, principal, club_id),
        statuses=None if status is None else frozenset(status),
        player_id=principal.player_id or player_id,
        from_ms=at_ms("from", from_),
        until_ms=at_ms("to", to),
    )
    ask = turning.asked(
        sort,
        clubs=club_id,
        statuses=status,
        player=wanted.player_id,
        session=session_id,
        made=(wanted.from_ms, wanted.until_ms),
    )
    if session_id is None:
        listing = OrderList(rooms.given.store, rooms.given.archived)
        orders, more = await listed(listing.page(principal.chain_id, wanted, ask=ask))
    else:
        of_session = await orders_of(rooms.given, principal, session_id)
        orders, more = page_in_hand(of_session, wanted, ask=ask)
    views = [order_view(order, directory.tariff_names) for order in orders]
    shown = [
        order_models.Order.model_validate(edge_of(view.model_dump(), view.currency))
        for view in views
    ]
    return models.OrderPage(orders=shown, next_cursor=more)


async def _matching(rooms: Rooms, chain_id: str, search: str | None) -> tuple[str, ...]:
    """Ids of the players a search finds. Raises ProblemError ``search-too-broad``."""
    found = () if search is None else await rooms.players.matching(chain_id, search)
    if len(found) > PLAYERS_FOUND_MAX:
        raise ProblemError("search-too-broad", field="search")
    return found


def _clubs(
    directory: ChainDirectory, principal: Principal, asked: Sequence[str] | None
) -> frozenset[str]:
    """The clubs to look in; one that is not theirs to see answers as if it were none."""
    seen = frozenset(club_id for club_id in directory.clubs if principal.sees_club(club_id))
    if asked is None:
        return seen
    if not seen.issuperset(asked):
        raise ProblemError("club-not-found", field="clubId")
    return frozenset(asked)


def _assert_own(principal: Principal, player_id: str | None) -> None:
    if player_id is not None and not principal.is_same_player(player_id):
        raise ProblemError("player-not-found", field="playerId")


def _session(
    directory: ChainDirectory, one: ListedSession, players: Mapping[str, PlayerDocument]
) -> models.ListedSession:
    state, currency = one.state, one.state.currency
    player = players.get(state.player_id or "")
    zone, pc = directory.every_zone.get(state.zone_id), directory.every_pc.get(state.pc_id)
    names = directory.tariff_names if one.tariff_names is None else one.tariff_names
    ref = f"{state.tariff.id}:{state.tariff.version}"
    coverage = one.coverage
    return models.ListedSession(
        session_id=state.session_id,
        club_id=state.club_id,
        status=one.label,
        version=one.version,
        player_id=state.player_id,
        player_label=None if player is None else player.label,
        phone=None if player is None else player.phone,
        one_time=state.player_id is None,
        guest_label=state.guest_label,
        start_at=render_instant(state.effective_start_at_ms),
        end_at=_rendered(one.end_at_ms),
        planned_start_at=render_instant(state.planned_start_at_ms),
        actual_start_at=_rendered(state.actual_start_at_ms),
        coverage_until_at=None if coverage is None else _rendered(coverage.until_ms),
        coverage_status=None if coverage is None else coverage.status.value,
        played_seconds=one.played_ms // 1_000,
        ended_reason=None if state.ended_reason is None else state.ended_reason.value,
        zone_id=state.zone_id,
        zone_name=state.zone_id if zone is None else zone.name,
        pc_id=state.pc_id,
        pc_name=state.pc_id if pc is None else pc.name,
        tariff_id=state.tariff.id,
        tariff_name=names.get(ref) or directory.tariff_names.get(ref, UNKNOWN_TARIFF),
        order_id=state.order_id or state.session_id,
        amount=Money(amount_minor=one.amount_minor, currency=currency),
        bonus=Money(amount_minor=one.bonus_minor, currency=currency),
        cash=Money(amount_minor=one.amount_minor - one.bonus_minor, currency=currency),
    )


def _rendered(at_ms: int | None) -> str | None:
    return None if at_ms is None else render_instant(at_ms)
