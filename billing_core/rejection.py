"""Every reason the billing core says no, as values with stable codes."""

from dataclasses import dataclass
from enum import StrEnum


class RejectionCode(StrEnum):
    """Stable codes: callers branch on them, translations hang on them, they never change."""

    SESSION_EXISTS = "session-exists"
    SESSION_NOT_FOUND = "session-not-found"
    SESSION_NOT_STARTED = "session-not-started"
    SESSION_ALREADY_STARTED = "session-already-started"
    SESSION_FINISHED = "session-finished"
    TARIFF_NOT_FOUND = "tariff-not-found"
    TARIFF_NOT_ACTIVE = "tariff-not-active"
    TARIFF_NOT_IN_ZONE = "tariff-not-in-zone"
    TARIFF_NOT_USABLE_NOW = "tariff-not-usable-now"
    TARIFF_HAS_NO_PRICE = "tariff-has-no-price"
    TARIFF_NOT_ON_SALE = "tariff-not-on-sale"
    TARIFF_NOT_IN_CHANNEL = "tariff-not-in-channel"
    TARIFF_NEEDS_PURCHASE = "tariff-needs-purchase"
    TARIFF_NOT_POST_PAY = "tariff-not-post-pay"
    TARIFF_OTHER_CURRENCY = "tariff-other-currency"
    PLAYER_TARIFF_NOT_FOUND = "player-tariff-not-found"
    PLAYER_TARIFF_EXPIRED = "player-tariff-expired"
    PLAYER_TARIFF_USED_UP = "player-tariff-used-up"
    PLAYER_TARIFF_IN_USE = "player-tariff-in-use"
    INSUFFICIENT_FUNDS = "insufficient-funds"
    CLUB_CLOSED = "club-closed"
    ZONE_CLOSED = "zone-closed"
    ZONE_LIMIT_REACHED = "zone-limit-reached"
    BOOKING_TOO_CLOSE = "booking-too-close"
    EXTENSION_NOT_NEEDED = "extension-not-needed"
    EXTENSION_LIMIT = "extension-limit"
    SAME_DEVICE = "same-device"
    PLANNED_TIME_INVALID = "planned-time-invalid"
    PLAYER_REQUIRED = "player-required"
    ALREADY_A_PLAYER = "already-a-player"
    AMOUNT_INVALID = "amount-invalid"
    NOTHING_TO_REFUND = "nothing-to-refund"
    REFUND_TOO_LARGE = "refund-too-large"
    OUTAGE_NOT_FOUND = "outage-not-found"
    OUTAGE_DECIDED = "outage-decided"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A command that changed nothing, and why. ``field`` names the command's field at fault."""

    code: RejectionCode
    message: str
    field: str | None = None
