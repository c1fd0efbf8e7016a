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
    """A session in a list."""

    session_id: str
    club_id: str
    status: SessionLabel
    """Wait (planned, its PC is reserved: PENDING or ACTIVE of the session itself), Active (running:
    STARTED), Ended or Cancelled."""
    version: int
    player_id: str | None
    player_label: str | None
    phone: str | None
    one_time: bool
    guest_label: str | None
    start_at: Instant
    """When it began, or was or is to."""
    end_at: Instant | None
    """When it ended, null before; never earlier than `startAt`. One that was cancelled, or ended
    before it was to begin, took no time: it ends at its `startAt`, whenever that was decided."""
    planned_start_at: Instant
    actual_start_at: Instant | None
    coverage_until_at: Instant | None
    coverage_status: str | None
    played_seconds: int
    """How long it was or has been played."""
    ended_reason: str | None
    zone_id: str
    zone_name: str
    pc_id: str
    pc_name: str
    tariff_id: str
    tariff_name: str
    order_id: str
    amount: Money
    """What it cost, or has cost so far."""
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
