"""Lists as they travel over HTTP: a page, and where the next one begins."""

from typing import Literal

from controller.api import order_models
from controller.api.instants import Instant
from controller.api.models import Money, Wire

SessionLabel = Literal["Wait", "Active", "Ended", "Cancelled"]
OrderStatus = Literal["UNPAID", "PARTLY_PAID", "PAID", "PARTLY_REFUNDED", "REFUNDED"]
SessionSort = Literal[
    "startAt",
    "-startAt",
    "endAt",
    "-endAt",
    "playedSeconds",
    "-playedSeconds",
    "amount",
    "-amount",
    "status",
    "-status",
    "zoneId",
    "-zoneId",
    "pcId",
    "-pcId",
    "tariffId",
    "-tariffId",
]
OrderSort = Literal[
    "createdAt", "-createdAt", "amount", "-amount", "due", "-due", "status", "-status"
]


class ListedSession(Wire):
    """A session in a list.

    `status` is what the list calls it: Wait (planned, its PC is reserved), Active (running),
    Ended, Cancelled. `startAt` is when it began or will, `endAt` when it ended, `playedSeconds` how
    long it was or has been played, `amount` what it cost or has cost so far.
    """

    session_id: str
    club_id: str
    status: SessionLabel
    version: int
    player_id: str | None
    player_label: str | None
    phone: str | None
    one_time: bool
    guest_label: str | None
    start_at: Instant
    end_at: Instant | None
    planned_start_at: Instant
    actual_start_at: Instant | None
    coverage_until_at: Instant | None
    coverage_status: str | None
    played_seconds: int
    ended_reason: str | None
    zone_id: str
    zone_name: str
    pc_id: str
    pc_name: str
    tariff_id: str
    tariff_name: str
    order_id: str
    amount: Money
    bonus: Money
    cash: Money


class SessionPage(Wire):
    """Sessions in the order asked for; `nextCursor` null: there are no more."""

    sessions: list[ListedSession]
    next_cursor: str | None


class OrderPage(Wire):
    """Orders in the order asked for; `nextCursor` null: there are no more."""

    orders: list[order_models.Order]
    next_cursor: str | None
