"""Commands over HTTP, named as the product names them. Each needs its own Idempotency-Key."""

from typing import Annotated, TypedDict

from fastapi import APIRouter, Header, Path, Response

from controller.api import models
from controller.api.auth import Principal
from controller.api.commands import Order, checked_key
from controller.api.dependencies import AsPrincipal, InRooms, Rooms
from controller.api.guard import GuardedRoute
from controller.api.openapi import API_PREFIX, COMMAND_PROBLEMS
from controller.api.problems import ProblemError
from controller.api.rendering import balance_of, ended_session_of, session_of
from schemas.commands import (
    CancelSession,
    CommandReply,
    CreateSession,
    EndSession,
    EntityId,
    ExtendSession,
    PaymentMeans,
    StartSession,
    SwitchSessionDevice,
    TopUpWallet,
)
from schemas.views import ReceiptView, SessionView, WalletView

SessionCommand = StartSession | ExtendSession | SwitchSessionDevice | EndSession | CancelSession
"""Commands that name a session, and travel to the club it belongs to."""

router = APIRouter(prefix=API_PREFIX, route_class=GuardedRoute, responses=COMMAND_PROBLEMS)

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="A key of your own for this request; a retry repeats it. Required.",
    ),
]
ClubId = Annotated[EntityId, Path(alias="clubId")]
SessionId = Annotated[EntityId, Path(alias="sessionId")]
PlayerId = Annotated[EntityId, Path(alias="playerId")]


@router.post(
    "/clubs/{clubId}/sessions",
    operation_id="createSession",
    tags=["sessions"],
    status_code=201,
)
async def create_session(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    club_id: ClubId,
    asked: models.CreateSessionRequest,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> models.Session:
    """Create a session on a PC for a player or a guest, and start it at once if asked to."""
    key = checked_key(idempotency_key)
    directory = await rooms.directory.chain(principal.chain_id)
    directory.club(club_id)
    command = CreateSession(
        session_id=rooms.given.draw_id(),
        pc_id=asked.pc_id,
        tariff_id=asked.tariff_id,
        player_id=asked.player_id,
        guest_label=asked.guest_label,
        planned_start_at_ms=asked.planned_start_at,
        start=asked.start,
        **_payment(asked.payment),
    )
    order = Order(club_id, key, "createSession", [club_id, asked.model_dump()], command)
    session = _session(await rooms.desk.execute(principal, order))
    response.headers["Location"] = f"{API_PREFIX}/sessions/{session.session_id}"
    return session_of(session)


@router.post("/sessions/{sessionId}/start", operation_id="startSession", tags=["sessions"])
async def start_session(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    session_id: SessionId,
    idempotency_key: IdempotencyKey = None,
) -> models.Session:
    """Press Start for a session that waits: the PC unlocks and time runs."""
    command = StartSession(session_id=session_id)
    reply = await _on_session(
        rooms, principal, idempotency_key, operation="startSession", command=command
    )
    return session_of(_session(reply))


@router.post("/sessions/{sessionId}/extend", operation_id="extendSession", tags=["sessions"])
async def extend_session(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    session_id: SessionId,
    asked: models.ExtendSessionRequest,
    idempotency_key: IdempotencyKey = None,
) -> models.Session:
    """Append a tariff after what is covered; the PC does not notice."""
    command = ExtendSession(
        session_id=session_id, tariff_id=asked.tariff_id, **_payment(asked.payment)
    )
    reply = await _on_session(
        rooms, principal, idempotency_key, operation="extendSession", command=command
    )
    return session_of(_session(reply))


@router.post(
    "/sessions/{sessionId}/switch-device", operation_id="switchSessionDevice", tags=["sessions"]
)
async def switch_session_device(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    session_id: SessionId,
    asked: models.SwitchSessionDeviceRequest,
    idempotency_key: IdempotencyKey = None,
) -> models.Session:
    """Move the player to another PC; time and tariff go on."""
    command = SwitchSessionDevice(session_id=session_id, pc_id=asked.pc_id)
    reply = await _on_session(
        rooms, principal, idempotency_key, operation="switchSessionDevice", command=command
    )
    return session_of(_session(reply))


@router.post("/sessions/{sessionId}/end", operation_id="endSession", tags=["sessions"])
async def end_session(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    session_id: SessionId,
    asked: models.EndSessionRequest | None = None,
    idempotency_key: IdempotencyKey = None,
) -> models.EndedSession:
    """End a session now: the PC locks and the receipt is written."""
    reason = "ManualByAdmin" if asked is None else asked.ended_reason
    command = EndSession(session_id=session_id, reason=reason)
    reply = await _on_session(
        rooms, principal, idempotency_key, operation="endSession", command=command
    )
    receipt = reply.result.get("receipt")
    return ended_session_of(
        _session(reply), None if receipt is None else ReceiptView.model_validate(receipt)
    )


@router.post("/sessions/{sessionId}/cancel", operation_id="cancelSession", tags=["sessions"])
async def cancel_session(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    session_id: SessionId,
    idempotency_key: IdempotencyKey = None,
) -> models.Session:
    """Take back a session that has not started; nothing is charged."""
    command = CancelSession(session_id=session_id)
    reply = await _on_session(
        rooms, principal, idempotency_key, operation="cancelSession", command=command
    )
    return session_of(_session(reply))


@router.post(
    "/clubs/{clubId}/players/{playerId}/wallet/top-ups",
    operation_id="topUpWallet",
    tags=["wallets"],
    status_code=201,
)
async def top_up_wallet(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    club_id: ClubId,
    player_id: PlayerId,
    asked: models.TopUpRequest,
    idempotency_key: IdempotencyKey = None,
) -> models.Wallet:
    """Take money over the desk of a club into a player's wallet, in the club's currency."""
    key = checked_key(idempotency_key)
    directory = await rooms.directory.chain(principal.chain_id)
    directory.club(club_id)
    command = TopUpWallet(
        player_id=player_id,
        amount_minor=asked.amount_minor,
        bonus_minor=asked.bonus_minor,
        means=PaymentMeans(asked.means),
    )
    asked_in_full = [club_id, player_id, asked.model_dump()]
    reply = await rooms.desk.execute(
        principal, Order(club_id, key, "topUpWallet", asked_in_full, command)
    )
    wallet = WalletView.model_validate(reply.result["wallet"])
    return models.Wallet(player_id=wallet.player_id, balances=[balance_of(wallet)])


async def _on_session(
    rooms: Rooms, principal: Principal, key: str | None, *, operation: str, command: SessionCommand
) -> CommandReply:
    """Hand in a command about a session, at the club the session belongs to."""
    checked = checked_key(key)
    club_id = await rooms.given.store.club_of_session(principal.chain_id, command.session_id)
    if club_id is None:
        raise ProblemError("session-not-found")
    order = Order(club_id, checked, operation, command.model_dump(mode="json"), command)
    return await rooms.desk.execute(principal, order)


class _Paid(TypedDict, total=False):
    paid_minor: int
    means: PaymentMeans


def _payment(payment: models.GuestPayment | None) -> _Paid:
    if payment is None:
        return {}
    return {"paid_minor": payment.amount_minor, "means": PaymentMeans(payment.means)}


def _session(reply: CommandReply) -> SessionView:
    return SessionView.model_validate(reply.result["session"])
