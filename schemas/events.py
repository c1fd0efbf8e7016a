"""What happened, as outsiders are told: one message per event, one schema per kind.

Inside, an event is an entry of a chain's outbox, written by the commit that made it true.
:func:`published` turns such an entry into the message that leaves: camel case, RFC 3339, money
in integer minor units. ``id`` is unique, ``sequence`` counts without gaps per ``source``, so a
receiver can drop what it has seen and find what it has missed.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import Field, SerializeAsAny, model_validator
from pydantic.alias_generators import to_camel

from schemas.event_fields import EventData, Instant, Minor, Positive
from schemas.instants import render_instant
from schemas.pc_events import (
    PcCommandDone,
    PcDegraded,
    PcHeld,
    PcJournal,
    PcNotResponding,
    PcRecovered,
    PcReleased,
    PcUsage,
    PcWhole,
    SeatExposed,
    SeatSecured,
)


class ClubEventKind(StrEnum):
    """What happens to PCs, to a club's link and at its desk; the kinds of sessions are the
    billing core's."""

    PC_NOT_RESPONDING = "pc_not_responding"
    PC_RECOVERED = "pc_recovered"
    SEAT_EXPOSED = "seat_exposed"
    SEAT_SECURED = "seat_secured"
    PC_USAGE = "pc_usage"
    PC_COMMAND_DONE = "pc_command_done"
    PC_DEGRADED = "pc_degraded"
    PC_WHOLE = "pc_whole"
    PC_HELD = "pc_held"
    PC_RELEASED = "pc_released"
    PC_JOURNAL = "pc_journal"
    CLUB_LINK_DOWN = "club_link_down"
    CLUB_LINK_RESTORED = "club_link_restored"
    WALLET_TOPPED_UP = "wallet_topped_up"


class OrderEventKind(StrEnum):
    """What happens to an order's money."""

    ORDER_CREATED = "order_created"
    ORDER_PAID = "order_paid"
    ORDER_REFUNDED = "order_refunded"
    REFUND_PAID_OUT = "refund_paid_out"


class LinkDownCause(StrEnum):
    """Why nothing is known of a whole club."""

    BROKER = "BROKER"
    """The host itself lost the broker."""
    CLUB = "CLUB"
    """Most of the club's PCs fell silent together."""


class _OfSession(EventData):
    session_id: str


class SessionCreated(_OfSession):
    """A session was created, to start at once or later."""

    pc_id: str
    zone_id: str
    tariff_id: str
    tariff_version: Positive
    player_id: str | None
    planned_start_at: Instant


class SessionDue(_OfSession):
    """The planned start has come and nobody has pressed Start."""


class SessionStarted(_OfSession):
    """Start was pressed: the PC unlocks and time runs."""

    pc_id: str
    zone_id: str


class SessionExtended(_OfSession):
    """A tariff was appended after what was covered. ``until`` null: nothing limits it."""

    tariff_id: str
    tariff_version: Positive
    until: Instant | None


class SessionRenewed(_OfSession):
    """The next tariff began where the last one ended, by itself."""

    segment: int
    tariff_id: str
    tariff_version: Positive
    player_tariff_id: str | None


class SegmentOpened(_OfSession):
    """A segment began: at the start, or because the price, the zone or the tariff changed."""

    segment: int
    cause: str
    rule: str
    zone_id: str
    price_per_hour_minor: Minor


class DeviceSwitched(_OfSession):
    """The player moved to another PC."""

    from_pc_id: str
    pc_id: str
    zone_id: str


class GuestConverted(_OfSession):
    """A guest's session belongs to a player from now on."""

    player_id: str


class LowBalance(_OfSession):
    """The wallet fell below the club's threshold."""

    balance_minor: Minor
    threshold_minor: Minor


class CoverageEnding(_OfSession):
    """Paid time ends soon; once per level until it grows again."""

    level: str
    until: Instant | None
    cause: str


class CoverageExpired(_OfSession):
    """Paid time is over and the seat is held until then."""

    until: Instant


class SessionEnded(_OfSession):
    """The session is over and its receipt is frozen."""

    reason: str
    amount_minor: Minor
    bonus_minor: Minor
    forfeited_minor: Minor = 0
    """What was paid for prepaid time that was neither used nor given back."""
    currency: str


class SessionCancelled(_OfSession):
    """The session was taken back before its start."""


class Refund(_OfSession):
    """What was left of a bought tariff was given back, or kept, by its policy."""

    player_tariff_id: str
    policy: str
    cash_minor: Minor
    bonus_minor: Minor


class GuestPaidBack(_OfSession):
    """What is left of a one-time guest's money is to be handed over the desk, the card first."""

    card_minor: Minor
    cash_minor: Minor
    currency: str


class SessionCredited(_OfSession):
    """Time in which the PC provably did not serve came back, by itself or by staff's decision.

    ``outage`` numbers the session's outages from 0; the receipt has the evidence.
    """

    outage: Annotated[int, Field(ge=0)]
    pc_id: str
    verdict: str
    from_at: Instant
    until_at: Instant
    minutes: Annotated[int, Field(ge=0)]
    amount_minor: Minor
    bonus_minor: Minor
    currency: str
    decided_by: str | None


class CreditProposed(SessionCredited):
    """Time in which the PC did not serve waits for staff to give it back."""


class CreditRejected(_OfSession):
    """Staff left the time of an outage charged."""

    outage: Annotated[int, Field(ge=0)]
    decided_by: str


class _OfOrder(EventData):
    order_id: str
    session_id: str | None = Field(description="Set for the bill of one session.")
    player_id: str | None
    currency: str


class OrderCreated(_OfOrder):
    """Tariffs were ordered at these prices, or a post-pay session is over and its bill is due."""

    amount_minor: Minor


class OrderPaid(_OfOrder):
    """A payment was taken. ``dueMinor`` is what is still to pay."""

    cash_minor: Minor
    card_minor: Minor
    balance_minor: Minor
    bonus_minor: Minor
    due_minor: Minor


class OrderRefunded(_OfOrder):
    """Something went back to the player's wallet, or an unpaid bill was lowered by it."""

    line: Annotated[int, Field(ge=0)]
    cash_minor: Minor
    bonus_minor: Minor


class RefundPaidOut(_OfOrder):
    """What had gone back as cash left the wallet over the desk."""

    amount_minor: Minor
    means: str


class ClubLinkDown(EventData):
    """Nothing is known of the club's PCs: one incident, whatever their number."""

    cause: LinkDownCause
    pcs: int


class ClubLinkRestored(EventData):
    """The club is heard again; each of its PCs has a fresh grace to show itself."""

    cause: LinkDownCause
    down_since: Instant


class WalletToppedUp(EventData):
    """Money was taken at the club's desk for a player's wallet, perhaps with bonus on top.

    ``balanceMinor`` and ``balanceBonusMinor`` are what the wallet holds from then on.
    """

    player_id: str
    currency: str
    means: str
    amount_minor: Minor
    bonus_minor: Minor
    balance_minor: Minor
    balance_bonus_minor: Minor


EVENT_DATA: Final[Mapping[str, type[EventData]]] = {
    "session_created": SessionCreated,
    "session_due": SessionDue,
    "session_started": SessionStarted,
    "session_extended": SessionExtended,
    "session_renewed": SessionRenewed,
    "segment_opened": SegmentOpened,
    "device_switched": DeviceSwitched,
    "guest_converted": GuestConverted,
    "low_balance": LowBalance,
    "coverage_ending": CoverageEnding,
    "coverage_expired": CoverageExpired,
    "session_ended": SessionEnded,
    "guest_paid_back": GuestPaidBack,
    "session_cancelled": SessionCancelled,
    "refund": Refund,
    "session_credited": SessionCredited,
    "credit_proposed": CreditProposed,
    "credit_rejected": CreditRejected,
    ClubEventKind.PC_NOT_RESPONDING.value: PcNotResponding,
    ClubEventKind.PC_RECOVERED.value: PcRecovered,
    ClubEventKind.SEAT_EXPOSED.value: SeatExposed,
    ClubEventKind.SEAT_SECURED.value: SeatSecured,
    ClubEventKind.PC_USAGE.value: PcUsage,
    ClubEventKind.PC_COMMAND_DONE.value: PcCommandDone,
    ClubEventKind.PC_DEGRADED.value: PcDegraded,
    ClubEventKind.PC_WHOLE.value: PcWhole,
    ClubEventKind.PC_HELD.value: PcHeld,
    ClubEventKind.PC_RELEASED.value: PcReleased,
    OrderEventKind.ORDER_CREATED.value: OrderCreated,
    OrderEventKind.ORDER_PAID.value: OrderPaid,
    OrderEventKind.ORDER_REFUNDED.value: OrderRefunded,
    OrderEventKind.REFUND_PAID_OUT.value: RefundPaidOut,
    ClubEventKind.PC_JOURNAL.value: PcJournal,
    ClubEventKind.CLUB_LINK_DOWN.value: ClubLinkDown,
    ClubEventKind.CLUB_LINK_RESTORED.value: ClubLinkRestored,
    ClubEventKind.WALLET_TOPPED_UP.value: WalletToppedUp,
}
"""Every kind there is, and what its ``data`` holds."""


class EventMessage(EventData):
    """One event as it leaves. ``data`` is what :data:`EVENT_DATA` has for its ``type``."""

    id: str
    type: str
    timestamp: Instant
    source: Annotated[str, Field(pattern=r"^(session|pc|club|order):.+$")]
    sequence: Positive
    chain_id: str
    club_id: str
    data: SerializeAsAny[EventData]

    @model_validator(mode="before")
    @classmethod
    def _data_of_its_type(cls, values: Any) -> Any:  # noqa: ANN401 - whatever was received
        if not isinstance(values, Mapping):
            return values
        model = EVENT_DATA.get(str(values.get("type")))
        if model is None:
            raise ValueError(f"no event is of type {values.get('type')!r}")
        return {**values, "data": model.model_validate(values.get("data"))}


ORDER_SOURCE: Final = "order:"
SESSION_SOURCE: Final = "session:"


def source_of(entry: Mapping[str, Any]) -> str:
    """What an outbox entry happened to: ``session:``, ``order:``, ``pc:`` or ``club:<id>``.

    Entries from before sources had names are of sessions.
    """
    source = entry.get("source")
    return f"{SESSION_SOURCE}{entry['event']['session_id']}" if source is None else str(source)


def published(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The message of an outbox entry, in the JSON form of :class:`EventMessage`.

    It is made by rule and not by model, so that a field a newer host writes is not held back.
    """
    event = entry["event"]
    of = {name: event[name] for name in ("pc_id", "session_id", "order_id") if name in event}
    return {
        "id": entry["id"],
        "type": event["kind"],
        "timestamp": render_instant(event["at_ms"]),
        "source": source_of(entry),
        "sequence": event["seq"],
        "chainId": entry["chain_id"],
        "clubId": entry["club_id"],
        "data": dict(_outside(name, value) for name, value in (of | event["payload"]).items()),
    }


_INSTANT_ENDINGS: Final = ("_at_ms", "_since_ms", "until_ms")


def _outside(name: str, value: object) -> tuple[str, object]:
    if not name.endswith(_INSTANT_ENDINGS):
        return to_camel(name), value
    rendered = render_instant(value) if isinstance(value, int) else value
    return to_camel(name.removesuffix("_ms")), rendered
