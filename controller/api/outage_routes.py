"""Outages that wait for staff, over HTTP: listed, given back, left charged."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path, Query

from actors.outage_commands import outage_view
from billing_core.outage import OutageStatus
from billing_core.session import SessionState
from controller.api import outage_models as models
from controller.api.command_calls import ClubId, IdempotencyKey, SessionId
from controller.api.commands import CommandRequest, checked_key
from controller.api.dependencies import AsPrincipal, InRooms, Rooms
from controller.api.guard import GuardedRoute
from controller.api.openapi import API_PREFIX, COMMAND_PROBLEMS, QUERY_PROBLEMS
from controller.api.paging import Id, InTurning
from controller.api.past_orders import bring_back, known_order
from controller.api.principal import Principal
from controller.api.rendering import edge_of
from controller.lists.held import Listing
from controller.readable import readable, session_of
from schemas.commands import ResolveOutage
from schemas.views import OutageView

router = APIRouter(
    prefix=f"{API_PREFIX}/clubs/{{clubId}}/outages", route_class=GuardedRoute, tags=["outages"]
)

OutageNumber = Annotated[int, Path(alias="number", ge=0, le=1_000)]


OUTAGES: Final[Listing[OutageView]] = Listing(
    row_id=lambda one: f"{one.session_id}:{one.number:04}",
    sorts={"fromAt": lambda one: one.from_at_ms},
)


@router.get("", operation_id="listOutages", responses=QUERY_PROBLEMS)
async def list_outages(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    turning: InTurning,
    club_id: ClubId,
    pc_id: Annotated[Id, Query(alias="pcId")] = None,
    player_id: Annotated[Id, Query(alias="playerId")] = None,
    session_id: Annotated[Id, Query(alias="sessionId")] = None,
    sort: Literal["fromAt", "-fromAt"] = "fromAt",
) -> models.OutageList:
    """Time in which a PC did not serve its session and that waits for staff to give it back, by PC,
    player or session, oldest first unless told."""
    ask = turning.asked(sort, pc=pc_id, player=player_id, session=session_id)
    (await rooms.directory.chain(principal.chain_id)).club(club_id)
    views = (
        outage_view(state, outage)
        for state in await _states(rooms, principal.chain_id, club_id)
        for outage in state.outages
        if outage.status is OutageStatus.PROPOSED
        and session_id in (None, state.session_id)
        and player_id in (None, state.player_id)
    )
    page, more = OUTAGES.page((one for one in views if pc_id in (None, one.pc_id)), ask)
    labels = await _labels(rooms, principal, page)
    return models.OutageList(outages=[_rendered(view, labels) for view in page], next_cursor=more)


@router.post(
    "/{sessionId}/{number}/approve", operation_id="approveOutage", responses=COMMAND_PROBLEMS
)
async def approve_outage(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    club_id: ClubId,
    session_id: SessionId,
    number: OutageNumber,
    idempotency_key: IdempotencyKey = None,
) -> models.Outage:
    """Give the time of an outage back, as evidence and tariff say; a one-time guest is paid at
    the desk."""
    command = ResolveOutage(session_id=session_id, number=number, approve=True)
    return await _resolve(
        rooms, principal, idempotency_key, club_id=club_id, operation="approveOutage", asked=command
    )


@router.post(
    "/{sessionId}/{number}/reject", operation_id="rejectOutage", responses=COMMAND_PROBLEMS
)
async def reject_outage(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    club_id: ClubId,
    session_id: SessionId,
    number: OutageNumber,
    idempotency_key: IdempotencyKey = None,
) -> models.Outage:
    """Leave the time of an outage charged."""
    command = ResolveOutage(session_id=session_id, number=number, approve=False)
    return await _resolve(
        rooms, principal, idempotency_key, club_id=club_id, operation="rejectOutage", asked=command
    )


async def _resolve(
    rooms: Rooms,
    principal: Principal,
    idempotency_key: str | None,
    *,
    club_id: str,
    operation: str,
    asked: ResolveOutage,
) -> models.Outage:
    key = checked_key(idempotency_key)
    (await rooms.directory.chain(principal.chain_id)).club(club_id)
    known = await known_order(rooms.given, principal.chain_id, asked.session_id)
    if known is not None and known.order.club_id == club_id:
        await bring_back(rooms.given, principal.chain_id, known)
    in_full = [club_id, asked.model_dump(mode="json")]
    request = CommandRequest(club_id, key, operation, in_full, asked)
    reply = await rooms.desk.execute(principal, request)
    view = OutageView.model_validate(reply.result["outage"])
    return _rendered(view, await _labels(rooms, principal, [view]))


async def _states(rooms: Rooms, chain_id: str, club_id: str) -> Iterable[SessionState]:
    store = rooms.given.store
    running = await store.sessions_of_club(chain_id, club_id)
    ended = await store.ended_beside(chain_id, club_id)
    states = (state for _, state in readable([*running, *ended], session_of))
    return (state for state in states if state.club_id == club_id)


async def _labels(
    rooms: Rooms, principal: Principal, views: Iterable[OutageView]
) -> Mapping[str, str]:
    players = {view.player_id for view in views if view.player_id is not None}
    return await rooms.players.labels(principal.chain_id, players)


def _rendered(view: OutageView, labels: Mapping[str, str]) -> models.Outage:
    label = view.guest_label if view.player_id is None else labels.get(view.player_id)
    fields = {**edge_of(view.model_dump(), view.currency), "player_label": label}
    return models.Outage.model_validate(fields)
