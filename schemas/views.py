"""What queries answer with: tiles of the hall, sessions, receipts, wallets.

Hosts write these in the commit that changes them. Instants are UTC milliseconds here; the API
edge renders RFC 3339 and camel case. Money is integer minor units with its currency beside it.
"""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict


class LinkState(StrEnum):
    """How well the controller hears a PC; never hides its use."""

    ONLINE = "ONLINE"
    SUSPECT = "SUSPECT"
    NOT_RESPONDING = "NOT_RESPONDING"
    LINK_UNKNOWN = "LINK_UNKNOWN"
    OFF = "OFF"
    UNPROVISIONED = "UNPROVISIONED"


class UseState(StrEnum):
    """What a PC is used for; never hides its link."""

    FREE = "FREE"
    WAIT = "WAIT"
    """Reserved by a session that has not started."""
    RUNNING = "RUNNING"
    WARNING = "WARNING"
    """Running, and coverage ends soon."""
    WAITING = "WAITING"
    """Paid time is over and the seat is still held (grace)."""
    HOLD = "HOLD"
    """Taken out of use by staff, with a reason."""


class _View(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PcCommandView(_View):
    """The last one-shot order about a PC. ``outcome`` None: no answer yet; ``carrier_pc_id`` empty:
    the controller carried it out itself."""

    command_id: str
    command: str
    sent_at_ms: int
    carrier_pc_id: str
    outcome: str | None = None


class HallTile(_View):
    """One PC as an operator sees it. The page counts remaining time from ``coverage_until_ms``.

    ``exposure_until_ms``: a PC that does not answer could stay unlocked until then.
    """

    v: Literal[1] = 1
    pc_id: str
    pc_name: str
    zone_id: str
    zone_name: str
    link: LinkState
    use: UseState
    locked: bool | None = None
    """What the PC itself reported last; None before its first report."""
    in_sync: bool = False
    """The PC has applied the newest desired document."""
    last_seen_at_ms: int | None = None
    session_id: str | None = None
    session_status: str | None = None
    player_id: str | None = None
    player_label: str | None = None
    tariff_id: str | None = None
    tariff_name: str | None = None
    started_at_ms: int | None = None
    planned_start_at_ms: int | None = None
    coverage_until_ms: int | None = None
    coverage_cause: str | None = None
    coverage_status: str | None = None
    exposure_until_ms: int | None = None
    hold_reason: str | None = None
    hold_until_ms: int | None = None
    degraded: str | None = None
    """Why a PC that answers is not whole: stable codes, separated by commas."""
    last_command: PcCommandView | None = None
    retired: bool = False
    """It is out of service for good: no hall shows it."""


class SegmentView(_View):
    """One SessionPlayerTariff: a stretch of the session under one tariff version in one zone.

    What waits for its turn has no actual start: the tariff of a booking, tariffs added by an
    extension. A planned instant is None while it is not known.
    """

    index: int
    player_tariff_id: str | None
    tariff_id: str
    tariff_version: int
    tariff_name: str
    zone_id: str
    planned_start_at_ms: int | None
    planned_end_at_ms: int | None
    actual_start_at_ms: int | None
    actual_end_at_ms: int | None
    amount_minor: int
    bonus_minor: int
    cash_minor: int
    order_id: str | None = None
    """The order its money is in: the purchase it drew from, or the session's own bill."""


class DeviceLinkView(_View):
    """One SessionDevice: the PC a session was on, from and until."""

    pc_id: str
    zone_id: str
    actual_start_at_ms: int
    actual_end_at_ms: int | None


class HandedBackView(_View):
    """What the desk hands a one-time guest back of what they paid, by card and in cash."""

    card_minor: int
    cash_minor: int


class SessionView(_View):
    """A session as a CRM sees it; ``version`` rises with every change."""

    v: Literal[1] = 1
    session_id: str
    club_id: str
    version: int
    status: Literal["PENDING", "ACTIVE", "STARTED", "ENDED", "CANCELLED"]
    mode: str
    player_id: str | None
    guest_label: str | None
    order_id: str | None = None
    """The order it is part of: a purchase, or the session's own bill under the session's id."""
    pc_id: str
    zone_id: str
    planned_start_at_ms: int
    actual_start_at_ms: int | None
    actual_end_at_ms: int | None
    effective_start_at_ms: int
    effective_end_at_ms: int | None
    ended_reason: str | None
    coverage_until_ms: int | None
    coverage_cause: str | None
    coverage_status: str | None
    currency: str
    amount_minor: int
    bonus_minor: int
    cash_minor: int
    forfeited_minor: int = 0
    """Paid for prepaid time that was neither used nor given back; not in ``amount_minor``."""
    handed_back: HandedBackView | None = None
    segments: tuple[SegmentView, ...]
    devices: tuple[DeviceLinkView, ...]


class ReceiptLineView(_View):
    """Why a range of steps cost what it cost."""

    explanation: str
    rule: str
    tariff_version: int
    from_at_ms: int
    until_at_ms: int
    steps: int
    amount_minor: int


class ReceiptSegmentView(_View):
    """One segment on a receipt; its lines sum to its amount."""

    index: int
    tariff_id: str
    tariff_version: int
    tariff_name: str
    zone_id: str
    actual_start_at_ms: int
    actual_end_at_ms: int
    amount_minor: int
    bonus_minor: int
    cash_minor: int
    lines: tuple[ReceiptLineView, ...]


class ReceiptOutageView(_View):
    """When the PC did not answer, what that time was judged to be and on what evidence.

    ``amount_minor`` came back and is in the segments already; while ``status`` is PROPOSED it is
    what would.
    """

    pc_id: str
    from_at_ms: int
    until_at_ms: int
    verdict: str
    link: str
    journal: str
    status: str
    credited_minutes: int
    amount_minor: int
    bonus_minor: int
    explanation: str
    decided_by: str | None = None


class OutageView(ReceiptOutageView):
    """An outage of a session, for staff. ``handed_back``: by the decision this answers."""

    v: Literal[1] = 1
    session_id: str
    number: int
    player_id: str | None
    guest_label: str | None = None
    currency: str
    handed_back: HandedBackView | None = None


class ReceiptForfeitView(_View):
    """Prepaid time that was neither used nor given back; it is in no segment."""

    player_tariff_id: str
    tariff_id: str
    tariff_version: int
    tariff_name: str
    order_id: str | None
    amount_minor: int
    bonus_minor: int
    explanation: str


class ReceiptView(_View):
    """The frozen bill of an ended session; segments sum to the total. ``forfeits`` was paid beside
    it."""

    v: Literal[1] = 1
    session_id: str
    club_id: str
    currency: str
    issued_at_ms: int
    total_minor: int
    bonus_minor: int
    cash_minor: int
    segments: tuple[ReceiptSegmentView, ...]
    outages: tuple[ReceiptOutageView, ...] = ()
    forfeits: tuple[ReceiptForfeitView, ...] = ()
    handed_back: HandedBackView | None = None


class WalletView(_View):
    """A player's balances in one currency; cash may go down to the credit limit below nothing."""

    v: Literal[1] = 1
    player_id: str
    currency: str
    cash_minor: int
    bonus_minor: int
    credit_limit_minor: int = 0

    def told(self) -> dict[str, object]:
        """Its JSON form, in words the release before knows as long as there is no credit."""
        usual = frozenset() if self.credit_limit_minor else {"credit_limit_minor"}
        return self.model_dump(mode="json", exclude=set(usual))


class OrderLineView(_View):
    """One tariff of an order; ``player_tariff_id`` is what the player has once it is paid."""

    number: int
    tariff_id: str
    tariff_version: int
    tariff_name: str
    price_minor: int
    player_tariff_id: str | None


class OrderPaymentView(_View):
    """A payment of an order."""

    means: str
    amount_minor: int
    paid_at_ms: int


class OrderRefundView(_View):
    """What went back of a line."""

    line: int
    cash_minor: int
    bonus_minor: int
    refunded_at_ms: int
    paid_out_minor: int = 0
    paid_out_by: str | None = None
    outage: int | None = None


class OrderView(_View):
    """An order; ``session_id`` is set when it is the bill of one session."""

    v: Literal[1] = 1
    order_id: str
    club_id: str
    player_id: str | None
    session_id: str | None
    status: str
    currency: str
    created_at_ms: int
    amount_minor: int
    due_minor: int
    paid_minor: int
    refunded_minor: int
    lines: tuple[OrderLineView, ...]
    payments: tuple[OrderPaymentView, ...]
    refunds: tuple[OrderRefundView, ...]


class PlayerTariffView(_View):
    """A bought tariff and what is left of it."""

    v: Literal[1] = 1
    player_tariff_id: str
    tariff_id: str
    tariff_version: int
    tariff_name: str
    order_id: str | None
    club_id: str
    currency: str
    status: str
    bought_at_ms: int
    price_minor: int
    left_minor: int
    total_minutes: int | None
    remaining_minutes: int | None
    total_sessions: int | None
    remaining_sessions: int | None
    session_id: str | None


class AuditEntryView(_View):
    """Who asked for what from where, and what came of it; ``asked`` is the command as JSON."""

    v: Literal[1] = 1
    at_ms: int
    club_id: str
    principal: str
    channel: str
    origin: str
    operation: str
    idempotency_key: str
    asked: str
    result: str
    code: str | None
