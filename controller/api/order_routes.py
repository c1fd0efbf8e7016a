"""Orders over HTTP: made, paid, given back, and what a player has bought."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Response

from actors.bought import read_bought
from actors.order_rendering import order_view, player_tariff_view
from actors.orders import KnownOrder
from actors.workspace import bought_key
from controller.api import order_models as models
from controller.api.command_calls import ClubId, IdempotencyKey, OrderId, PlayerId
from controller.api.commands import CommandRequest, checked_key
from controller.api.dependencies import AsPrincipal, InRooms, Rooms
from controller.api.guard import GuardedRoute
from controller.api.openapi import API_PREFIX, COMMAND_PROBLEMS, QUERY_PROBLEMS
from controller.api.paging import Id, InTurning
from controller.api.past_orders import bring_back, known_order
from controller.api.principal import Principal, assert_same_player
from controller.api.problems import ProblemError
from controller.api.rendering import edge_of
from controller.api.session_orders import shown_order
from controller.api.sessions import club_of
from controller.api.set_aside import read_or_quarantined
from controller.lists.held import Listing
from schemas.commands import (
    CommandReply,
    CreateOrder,
    OrderMeans,
    OrderPayment,
    PaymentMeans,
    PayOrder,
    RefundOrder,
)
from schemas.views import OrderView, PlayerTariffView

router = APIRouter(prefix=API_PREFIX, route_class=GuardedRoute, tags=["orders"])


@router.post(
    "/clubs/{clubId}/orders",
    operation_id="createOrder",
    status_code=201,
    responses=COMMAND_PROBLEMS,
)
async def create_order(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    club_id: ClubId,
    asked: models.CreateOrderRequest,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> models.Order:
    """Order prepaid tariffs for a player, and pay at once if payments come with the order."""
    key = checked_key(idempotency_key)
    assert_same_player(principal, asked.player_id)
    _check_means(principal, asked.payments)
    (await rooms.directory.chain(principal.chain_id)).club(club_id)
    command = CreateOrder(
        order_id=f"ord-{rooms.given.draw_id()}",
        player_id=asked.player_id,
        tariff_ids=tuple(asked.tariff_ids),
        zone_id=asked.zone_id,
        payments=_payments(asked.payments),
    )
    request = CommandRequest(club_id, key, "createOrder", [club_id, asked.model_dump()], command)
    order = _order(await rooms.desk.execute(principal, request))
    response.headers["Location"] = f"{API_PREFIX}/orders/{order.order_id}"
    return order


@router.get("/orders/{orderId}", operation_id="getOrder", responses=QUERY_PROBLEMS)
async def get_order(rooms: InRooms, principal: AsPrincipal, order_id: OrderId) -> models.Order:
    """An order. What a session costs beside what it draws from purchases is one too, its own bill,
    under the session's id; while the session runs, that is what it has come to so far."""
    order = await shown_order(rooms.given, principal, order_id)
    if order is None:
        raise ProblemError("order-not-found")
    directory = await rooms.directory.chain(principal.chain_id)
    return _rendered(order_view(order, directory.tariff_names))


@router.post("/orders/{orderId}/pay", operation_id="payOrder", responses=COMMAND_PROBLEMS)
async def pay_order(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    order_id: OrderId,
    asked: models.PayOrderRequest,
    idempotency_key: IdempotencyKey = None,
) -> models.Order:
    """Pay what is due, by any means together: desk, wallet, bonus."""
    _check_means(principal, asked.payments)
    command = PayOrder(order_id=order_id, payments=_payments(asked.payments))
    return await _on_order(rooms, principal, idempotency_key, operation="payOrder", command=command)


@router.post("/orders/{orderId}/refund", operation_id="refundOrder", responses=COMMAND_PROBLEMS)
async def refund_order(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    order_id: OrderId,
    asked: models.RefundOrderRequest | None = None,
    idempotency_key: IdempotencyKey = None,
) -> models.Order:
    """Give back what is left as each tariff's refund policy says, to the wallet or by hand."""
    wish = asked or models.RefundOrderRequest()
    command = RefundOrder(
        order_id=order_id,
        line=wish.line,
        amount_minor=wish.amount_minor,
        payout=None if wish.payout is None else PaymentMeans(wish.payout),
    )
    return await _on_order(
        rooms, principal, idempotency_key, operation="refundOrder", command=command
    )


BOUGHT: Final[Listing[PlayerTariffView]] = Listing(
    row_id=lambda one: one.player_tariff_id, sorts={"boughtAt": lambda one: one.bought_at_ms}
)


@router.get(
    "/players/{playerId}/tariffs", operation_id="listPlayerTariffs", responses=QUERY_PROBLEMS
)
async def list_player_tariffs(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    turning: InTurning,
    player_id: PlayerId,
    club_id: Annotated[Id, Query(alias="clubId")] = None,
    tariff_id: Annotated[Id, Query(alias="tariffId")] = None,
    status: models.PlayerTariffStatus | None = None,
    sort: Literal["boughtAt", "-boughtAt"] = "-boughtAt",
) -> models.PlayerTariffList:
    """What a player has bought and what is left of it, by club, tariff or status, newest first
    unless told."""
    ask = turning.asked(sort, club=club_id, tariff=tariff_id, status=status)
    if not await rooms.players.exists(principal.chain_id, player_id):
        raise ProblemError("player-not-found")
    key = bought_key(player_id)
    found = await rooms.given.store.documents(principal.chain_id, [key])
    stored = read_or_quarantined(found[key], read_bought) if key in found else ()
    directory = await rooms.directory.chain(principal.chain_id)
    views = (
        player_tariff_view(
            one,
            currency=directory.clubs[one.club_id].currency,
            tariff_names=directory.tariff_names,
        )
        for one in stored
        if one.club_id in directory.clubs and principal.sees_club(one.club_id)
    )
    wanted = (
        view
        for view in views
        if club_id in (None, view.club_id)
        and tariff_id in (None, view.tariff_id)
        and status in (None, view.status)
    )
    page, more = BOUGHT.page(wanted, ask)
    shown = [
        models.PlayerTariff.model_validate(edge_of(view.model_dump(), view.currency))
        for view in page
    ]
    return models.PlayerTariffList(player_tariffs=shown, next_cursor=more)


async def _on_order(
    rooms: Rooms,
    principal: Principal,
    key: str | None,
    *,
    operation: str,
    command: PayOrder | RefundOrder,
) -> models.Order:
    """Hand in a command about an order, at the club it was made in."""
    checked = checked_key(key)
    known = await _known(rooms, principal, command.order_id)
    await bring_back(rooms.given, principal.chain_id, known)
    asked = command.model_dump(mode="json")
    request = CommandRequest(known.order.club_id, checked, operation, asked, command)
    return _order(await rooms.desk.execute(principal, request))


async def _known(rooms: Rooms, principal: Principal, order_id: str) -> KnownOrder:
    found = await known_order(rooms.given, principal.chain_id, order_id)
    if found is None or not principal.sees(found.order.club_id, found.order.player_id):
        running = found is None and await club_of(rooms.given, principal, order_id) is not None
        raise ProblemError("order-not-due" if running else "order-not-found")
    return found


def _check_means(principal: Principal, payments: Sequence[models.Payment]) -> None:
    """Nobody but staff says that money came over the desk."""
    at_desk = any(one.means in {"cash", "card"} for one in payments)
    if at_desk and principal.player_id is not None:
        raise ProblemError("forbidden", "A player pays from the wallet.", field="payments")


def _payments(asked: Sequence[models.Payment]) -> tuple[OrderPayment, ...]:
    return tuple(
        OrderPayment(means=OrderMeans(one.means), amount_minor=one.amount_minor) for one in asked
    )


def _order(reply: CommandReply) -> models.Order:
    return _rendered(OrderView.model_validate(reply.result["order"]))


def _rendered(view: OrderView) -> models.Order:
    return models.Order.model_validate(edge_of(view.model_dump(), view.currency))
