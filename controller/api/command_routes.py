"""Commands over HTTP, named as the product names them. Each needs its own Idempotency-Key."""

from fastapi import APIRouter, Response

from controller.api import models, receipt_models
from controller.api.access import check_part
from controller.api.command_calls import (
    ClubId,
    IdempotencyKey,
    PlayerId,
    SessionHeaders,
    SessionId,
    on_session,
    payment_in,
    session_in,
)
from controller.api.commands import CommandRequest, checked_key
from controller.api.dependencies import AsPrincipal, InRooms
from controller.api.guard import GuardedRoute
from controller.api.openapi import API_PREFIX, COMMAND_PROBLEMS
from controller.api.principal import assert_same_player
from controller.api.rendering import balance_of, ended_session_of, session_of
from controller.api.sessions import club_of
from schemas.commands import (
    CancelSession,
    ConvertGuest,
    CreateSession,
    EndSession,
    ExtendSession,
    PaymentMeans,
    PaymentMode,
    StartSession,
    SwitchSessionDevice,
    TopUpWallet,
)
from schemas.views import ReceiptView, WalletView

router = APIRouter(prefix=API_PREFIX, route_class=GuardedRoute, responses=COMMAND_PROBLEMS)


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
    assert_same_player(principal, asked.player_id)
    if asked.payment is not None:
        check_part(principal, "createSession.payment", club_id)
    directory = await rooms.directory.chain(principal.chain_id)
    directory.club(club_id)
    command = CreateSession(
        session_id=rooms.given.draw_id(),
        pc_id=asked.pc_id,
        tariff_id=asked.tariff_id,
        player_tariff_id=asked.player_tariff_id,
        mode=PaymentMode(asked.mode),
        player_id=asked.player_id,
        guest_label=asked.guest_label,
        planned_start_at_ms=asked.planned_start_at,
        planned_end_at_ms=asked.planned_end_at,
        start=asked.start,
        **payment_in(asked.payment),
    )
    in_full = [club_id, asked.model_dump()]
    request = CommandRequest(club_id, key, "createSession", in_full, command)
    session = session_in(await rooms.desk.execute(principal, request))
    response.headers["Location"] = f"{API_PREFIX}/sessions/{session.session_id}"
    return session_of(session)


@router.post("/sessions/{sessionId}/start", operation_id="startSession", tags=["sessions"])
async def start_session(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    session_id: SessionId,
    headers: SessionHeaders,
) -> models.Session:
    """Press Start for a session that waits: the PC unlocks and time runs. In the app and at a kiosk
    the PC has to be online; at the desk it need not."""
    command = StartSession(session_id=session_id)
    reply = await on_session(rooms, principal, headers, operation="startSession", command=command)
    return session_of(session_in(reply))


@router.post("/sessions/{sessionId}/extend", operation_id="extendSession", tags=["sessions"])
async def extend_session(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    session_id: SessionId,
    asked: models.ExtendSessionRequest,
    headers: SessionHeaders,
) -> models.Session:
    """Append a tariff after what is covered; the PC does not notice."""
    if asked.payment is not None:
        club_id = await club_of(rooms.given, principal, session_id)
        check_part(principal, "extendSession.payment", club_id or "")
    command = ExtendSession(
        session_id=session_id,
        tariff_id=asked.tariff_id,
        player_tariff_id=asked.player_tariff_id,
        **payment_in(asked.payment),
    )
    reply = await on_session(rooms, principal, headers, operation="extendSession", command=command)
    return session_of(session_in(reply))


@router.post(
    "/sessions/{sessionId}/switch-device", operation_id="switchSessionDevice", tags=["sessions"]
)
async def switch_session_device(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    session_id: SessionId,
    asked: models.SwitchSessionDeviceRequest,
    headers: SessionHeaders,
) -> models.Session:
    """Move the player to another PC; time and tariff go on."""
    command = SwitchSessionDevice(session_id=session_id, pc_id=asked.pc_id)
    reply = await on_session(
        rooms, principal, headers, operation="switchSessionDevice", command=command
    )
    return session_of(session_in(reply))


@router.post("/sessions/{sessionId}/end", operation_id="endSession", tags=["sessions"])
async def end_session(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    session_id: SessionId,
    asked: models.EndSessionRequest | None = None,
    headers: SessionHeaders,
) -> receipt_models.EndedSession:
    """End a session now: the PC locks and the receipt is written."""
    reason = "ManualByAdmin" if asked is None else asked.ended_reason
    if principal.player_id is not None:
        reason = "ManualByPlayer"
    command = EndSession(session_id=session_id, reason=reason)
    reply = await on_session(rooms, principal, headers, operation="endSession", command=command)
    receipt = reply.result.get("receipt")
    return ended_session_of(
        session_in(reply), None if receipt is None else ReceiptView.model_validate(receipt)
    )


@router.post("/sessions/{sessionId}/cancel", operation_id="cancelSession", tags=["sessions"])
async def cancel_session(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    session_id: SessionId,
    headers: SessionHeaders,
) -> models.Session:
    """Take back a session that has not started; nothing is charged."""
    command = CancelSession(session_id=session_id)
    reply = await on_session(rooms, principal, headers, operation="cancelSession", command=command)
    return session_of(session_in(reply))


@router.post("/sessions/{sessionId}/convert-guest", operation_id="convertGuest", tags=["sessions"])
async def convert_guest(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    session_id: SessionId,
    asked: models.ConvertGuestRequest,
    headers: SessionHeaders,
) -> models.Session:
    """Give a guest's session, and what the guest has left, to a player who has registered."""
    assert_same_player(principal, None)
    command = ConvertGuest(session_id=session_id, player_id=asked.player_id)
    reply = await on_session(rooms, principal, headers, operation="convertGuest", command=command)
    return session_of(session_in(reply))


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
    if asked.bonus_minor:
        check_part(principal, "topUpWallet.bonusMinor", club_id)
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
        principal, CommandRequest(club_id, key, "topUpWallet", asked_in_full, command)
    )
    wallet = WalletView.model_validate(reply.result["wallet"])
    return models.Wallet(player_id=wallet.player_id, balances=[balance_of(wallet)])
