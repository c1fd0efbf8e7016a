"""Orders and bought tariffs as they travel over HTTP."""

from typing import Annotated, Literal

from pydantic import Field, StrictInt

from controller.api.instants import Instant
from controller.api.models import Money, Page, PositiveMinor, Request, Wire
from schemas.commands import MAX_ORDER_LINES, EntityId


class Payment(Request):
    """An amount of one means; `balance` and `bonus` come from the player's wallet."""

    means: Literal["cash", "card", "balance", "bonus"]
    amount_minor: PositiveMinor


Payments = Annotated[list[Payment], Field(max_length=4)]


class CreateOrderRequest(Request):
    """The tariffs a player buys, one line for each; with payments the order is paid at once."""

    player_id: EntityId
    tariff_ids: Annotated[list[EntityId], Field(min_length=1, max_length=MAX_ORDER_LINES)]
    zone_id: EntityId | None = None
    """The zone whose prices hold, where a tariff has special ones."""
    payments: Payments = Field(default_factory=list)


class PayOrderRequest(Request):
    """A purchase is paid in full at once, the bill of a post-pay session in any parts."""

    payments: Annotated[list[Payment], Field(min_length=1, max_length=4)]


class RefundOrderRequest(Request):
    """Everything that can go back, one line, or an amount of a line. The body may be left out."""

    line: Annotated[StrictInt, Field(ge=0, lt=MAX_ORDER_LINES)] | None = None
    amount_minor: PositiveMinor | None = None
    payout: Literal["cash", "card"] | None = None
    """Hand what goes back as cash over the desk, instead of leaving it in the wallet. A one-time
    guest has no wallet: it is always handed over, to the card as far as the card has paid, the rest
    by this (in cash unless told)."""


class OrderLine(Wire):
    """One tariff of an order; `playerTariffId` is what the player has once it is paid."""

    number: int
    tariff_id: str
    tariff_version: int
    tariff_name: str
    price: Money
    player_tariff_id: str | None


class OrderPayment(Wire):
    """A payment of an order."""

    means: str
    amount: Money
    paid_at: Instant


class OrderRefund(Wire):
    """What went back of a line to the player's wallet, and what of it left over the desk. An
    unpaid bill is lowered by it instead. `outage`: for which outage of the session it was."""

    line: int
    cash: Money
    bonus: Money
    refunded_at: Instant
    paid_out: Money
    paid_out_by: Literal["cash", "card"] | None = None
    outage: int | None = None


class Order(Wire):
    """A financial document; `sessionId` is set when it is the bill of one session."""

    order_id: str
    club_id: str
    player_id: str | None
    session_id: str | None
    status: Literal["UNPAID", "PARTLY_PAID", "PAID", "PARTLY_REFUNDED", "REFUNDED"]
    created_at: Instant
    amount: Money
    due: Money
    paid: Money
    refunded: Money
    lines: list[OrderLine]
    payments: list[OrderPayment]
    refunds: list[OrderRefund]


PlayerTariffStatus = Literal["OPEN", "USED_UP", "EXPIRED", "REFUNDED"]


class PlayerTariff(Wire):
    """A bought tariff, and what is left of it."""

    player_tariff_id: str
    tariff_id: str
    tariff_version: int
    tariff_name: str
    order_id: str | None
    club_id: str
    status: PlayerTariffStatus
    bought_at: Instant
    price: Money
    left: Money
    total_minutes: int | None
    remaining_minutes: int | None
    total_sessions: int | None
    remaining_sessions: int | None
    session_id: str | None
    """The session that draws from it now."""


class PlayerTariffList(Page):
    """What a player has bought, in the order asked for."""

    player_tariffs: list[PlayerTariff]
