"""What happened to a session, in order: plain values for the outbox."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

EventValue: TypeAlias = str | int | bool | None


class EventKind(StrEnum):
    """Names outsiders see; they never change."""

    SESSION_CREATED = "session_created"
    SESSION_DUE = "session_due"
    """The planned start has come and nobody has pressed Start."""
    SESSION_STARTED = "session_started"
    SESSION_EXTENDED = "session_extended"
    SESSION_RENEWED = "session_renewed"
    SEGMENT_OPENED = "segment_opened"
    """The price changed inside the session: another window or another zone."""
    DEVICE_SWITCHED = "device_switched"
    GUEST_CONVERTED = "guest_converted"
    LOW_BALANCE = "low_balance"
    COVERAGE_ENDING = "coverage_ending"
    COVERAGE_EXPIRED = "coverage_expired"
    """Paid time is over and the club's grace runs."""
    SESSION_ENDED = "session_ended"
    SESSION_CANCELLED = "session_cancelled"
    REFUND = "refund"
    GUEST_PAID_BACK = "guest_paid_back"
    """The desk owes a one-time guest what is left of what they paid."""
    SESSION_CREDITED = "session_credited"
    """Time in which the PC did not serve came back."""
    CREDIT_PROPOSED = "credit_proposed"
    CREDIT_REJECTED = "credit_rejected"


@dataclass(frozen=True, slots=True)
class Event:
    """One fact. ``seq`` counts per session without gaps; ``at_ms`` is when it happened."""

    kind: EventKind
    session_id: str
    club_id: str
    seq: int
    at_ms: int
    payload: Mapping[str, EventValue]
