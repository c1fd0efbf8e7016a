"""Receipts over HTTP: what a session cost and why, and what was paid beside that."""

from typing import Literal

from controller.api.instants import Instant
from controller.api.models import HandedBack, Money, Session, Wire


class ReceiptLine(Wire):
    """Why a range of steps cost what it cost."""

    explanation: str
    rule: str
    tariff_version: int
    from_at: Instant
    until_at: Instant
    steps: int
    amount: Money


class ReceiptSegment(Wire):
    """One segment of a receipt; its lines sum to its amount."""

    index: int
    tariff_id: str
    tariff_version: int
    tariff_name: str
    zone_id: str
    actual_start_at: Instant
    actual_end_at: Instant
    amount: Money
    bonus: Money
    cash: Money
    lines: list[ReceiptLine]


class ReceiptOutage(Wire):
    """An outage of a PC: verdict, evidence, and what came back (or would, while PROPOSED)."""

    pc_id: str
    from_at: Instant
    until_at: Instant
    verdict: Literal["PLAYED", "PC_OFF", "FROZEN", "LINK_ONLY", "OUR_FAULT"]
    link: Literal["HEARD", "SILENT", "BLIND"]
    journal: str
    status: Literal["CHARGED", "CREDITED", "PROPOSED", "REJECTED"]
    credited_minutes: int
    amount: Money
    bonus: Money
    explanation: str
    decided_by: str | None


class ReceiptForfeit(Wire):
    """Prepaid time that was neither used nor given back; it is in no segment."""

    player_tariff_id: str
    tariff_id: str
    tariff_version: int
    tariff_name: str
    order_id: str | None
    """The purchase it is of; null: it was bought in this session, and is in its order."""
    amount: Money
    bonus: Money
    explanation: str


class Receipt(Wire):
    """The frozen bill of an ended session; its segments sum to the total. ``forfeits`` was paid
    beside that."""

    session_id: str
    club_id: str
    issued_at: Instant
    total: Money
    bonus: Money
    cash: Money
    segments: list[ReceiptSegment]
    outages: list[ReceiptOutage]
    forfeits: list[ReceiptForfeit]
    handed_back: HandedBack | None = None


class EndedSession(Session):
    """The session after its end, with its receipt."""

    receipt: Receipt | None
