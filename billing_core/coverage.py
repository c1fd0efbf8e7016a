"""Coverage: until when a session is paid for, why it ends there, and how urgent that is."""

from dataclasses import dataclass
from enum import StrEnum


class CoverageCause(StrEnum):
    """What ends the paid time."""

    BALANCE = "BALANCE"
    PACKAGE = "PACKAGE"
    SCHEDULE = "SCHEDULE"
    BOOKING = "BOOKING"
    EXPIRY = "EXPIRY"
    CLUB_CLOSING = "CLUB_CLOSING"
    ZONE_LIMIT = "ZONE_LIMIT"
    OPEN_ENDED = "OPEN_ENDED"
    """Nothing ends it: post-pay, or a price of zero."""


class CoverageStatus(StrEnum):
    """How urgent it is, by remaining time."""

    COVERED = "COVERED"
    OPEN_ENDED = "OPEN_ENDED"
    ENDING_SOON = "ENDING_SOON"
    NEEDS_ATTENTION = "NEEDS_ATTENTION"
    EXPIRED = "EXPIRED"
    OUT_OF_SCHEDULE = "OUT_OF_SCHEDULE"


@dataclass(frozen=True, slots=True)
class Coverage:
    """``until_ms`` is the first instant not paid for; None when nothing ends it."""

    until_ms: int | None
    cause: CoverageCause
    status: CoverageStatus


def remaining_ms(coverage: Coverage | None, now_ms: int) -> int | None:
    """Paid time left at ``now_ms``, never negative; None when there is no end to it."""
    if coverage is None or coverage.until_ms is None:
        return None
    return max(0, coverage.until_ms - now_ms)
