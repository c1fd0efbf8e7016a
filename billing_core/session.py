"""A session: its state, its statuses and the only ways from one to another."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from billing_core.coverage import Coverage, CoverageStatus
from billing_core.hot_value import hot_value
from billing_core.outage import Outage
from billing_core.player_tariff import PlayerTariff
from billing_core.tariff import TariffRef
from billing_core.wallet import Wallet

STATE_VERSION: Final = 2
NOT_YET: Final = -1


class SessionStatus(StrEnum):
    """Where a session is in its life."""

    PENDING = "PENDING"
    """The planned start is in the future."""
    ACTIVE = "ACTIVE"
    """The planned start has come, nobody has pressed Start."""
    STARTED = "STARTED"
    ENDED = "ENDED"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        """Nothing more can happen to it."""
        return self is SessionStatus.ENDED or self is SessionStatus.CANCELLED


class SessionMode(StrEnum):
    """Who pays when."""

    PREPAID = "PREPAID"
    """From the wallet or from what was bought."""
    OPEN_ENDED = "OPEN_ENDED"
    """Post-pay: settled at the end."""


class EndedReason(StrEnum):
    """Why a session is over."""

    MANUAL_BY_ADMIN = "ManualByAdmin"
    MANUAL_BY_PLAYER = "ManualByPlayer"
    COVERAGE_EXHAUSTED = "CoverageExhausted"
    SCHEDULE_CLOSED = "ScheduleClosed"
    NO_SHOW = "NoShow"
    DEVICE_RETIRED = "DeviceRetired"


class SegmentCause(StrEnum):
    """Why a segment begins."""

    START = "start"
    PRICE = "price"
    """Another price rule came into force."""
    ZONE = "zone"
    """The player moved to a zone with another price."""
    EXTENSION = "extension"
    RENEWAL = "renewal"


class CommandKind(StrEnum):
    """What can be asked of a session."""

    CREATE = "create_session"
    START = "start_session"
    EXTEND = "extend_session"
    SWITCH_DEVICE = "switch_session_device"
    END = "end_session"
    CANCEL = "cancel_session"
    CONVERT_GUEST = "convert_guest"
    RECOMPUTE = "recompute"


class TimeTrigger(StrEnum):
    """What time alone does to a session."""

    PLANNED_START = "planned_start"
    NO_SHOW = "no_show"
    COVERAGE_END = "coverage_end"


COMMAND_TRANSITIONS: Final[Mapping[tuple[SessionStatus | None, CommandKind], SessionStatus]] = (
    MappingProxyType(
        {
            (None, CommandKind.CREATE): SessionStatus.PENDING,
            (SessionStatus.PENDING, CommandKind.START): SessionStatus.STARTED,
            (SessionStatus.ACTIVE, CommandKind.START): SessionStatus.STARTED,
            (SessionStatus.PENDING, CommandKind.CANCEL): SessionStatus.CANCELLED,
            (SessionStatus.ACTIVE, CommandKind.CANCEL): SessionStatus.CANCELLED,
            (SessionStatus.STARTED, CommandKind.END): SessionStatus.ENDED,
            (SessionStatus.PENDING, CommandKind.END): SessionStatus.ENDED,
            (SessionStatus.ACTIVE, CommandKind.END): SessionStatus.ENDED,
            (SessionStatus.STARTED, CommandKind.EXTEND): SessionStatus.STARTED,
            (SessionStatus.ACTIVE, CommandKind.EXTEND): SessionStatus.ACTIVE,
            (SessionStatus.PENDING, CommandKind.EXTEND): SessionStatus.PENDING,
            (SessionStatus.STARTED, CommandKind.SWITCH_DEVICE): SessionStatus.STARTED,
            (SessionStatus.ACTIVE, CommandKind.SWITCH_DEVICE): SessionStatus.ACTIVE,
            (SessionStatus.PENDING, CommandKind.SWITCH_DEVICE): SessionStatus.PENDING,
            (SessionStatus.STARTED, CommandKind.CONVERT_GUEST): SessionStatus.STARTED,
            (SessionStatus.ACTIVE, CommandKind.CONVERT_GUEST): SessionStatus.ACTIVE,
            (SessionStatus.PENDING, CommandKind.CONVERT_GUEST): SessionStatus.PENDING,
            (SessionStatus.STARTED, CommandKind.RECOMPUTE): SessionStatus.STARTED,
            (SessionStatus.ACTIVE, CommandKind.RECOMPUTE): SessionStatus.ACTIVE,
            (SessionStatus.PENDING, CommandKind.RECOMPUTE): SessionStatus.PENDING,
        }
    )
)
"""(status before, command) -> status after. A missing pair is refused."""

TIME_TRANSITIONS: Final[Mapping[tuple[SessionStatus, TimeTrigger], SessionStatus]] = (
    MappingProxyType(
        {
            (SessionStatus.PENDING, TimeTrigger.PLANNED_START): SessionStatus.ACTIVE,
            (SessionStatus.ACTIVE, TimeTrigger.NO_SHOW): SessionStatus.ENDED,
            (SessionStatus.STARTED, TimeTrigger.COVERAGE_END): SessionStatus.ENDED,
        }
    )
)
"""(status before, what time did) -> status after. A missing pair does nothing."""


@dataclass(frozen=True, slots=True)
class SessionDevice:
    """The PC a session was on, from and until (open while it is there)."""

    pc_id: str
    zone_id: str
    start_at_ms: int
    end_at_ms: int | None = None


@hot_value(frozen=True, slots=True)
class Segment:
    """One SessionPlayerTariff: a stretch of the session at one price.

    ``run_start_at_ms`` is when its tariff began in this session: billing steps and price tiers
    count from there, through changes of price and zone. ``paid_until_ms`` is the end of the last
    step begun. ``accrued_units`` is the exact price of the time up to there (before the rule's
    min and max), ``amount_minor`` what has been posted for the segment with the fee, and
    ``bonus_minor`` the bonus part of it. ``steps`` counts the steps posted.

    ``rate_per_hour_minor`` holds until ``rate_until_ms``: what the table says now, kept so that
    a tick need not ask it again. ``planned_end_at_ms`` is where the run stops being paid for.

    For prepaid time ``pack`` is the player tariff as it was when the segment began,
    ``accrued_units`` are milliseconds drawn from it and ``amount_minor`` is their value.
    """

    index: int
    tariff: TariffRef
    cause: SegmentCause
    zone_id: str
    start_at_ms: int
    run_start_at_ms: int
    paid_until_ms: int
    rule_index: int = 0
    rate_per_hour_minor: int = 0
    rate_until_ms: int | None = None
    pack: PlayerTariff | None = None
    planned_end_at_ms: int | None = None
    end_at_ms: int | None = None
    fee_minor: int = 0
    accrued_units: int = 0
    amount_minor: int = 0
    bonus_minor: int = 0
    steps: int = 0
    credited_units: int = 0
    """What came back for time the PC did not serve; ``accrued_units`` is without it."""

    @property
    def cash_minor(self) -> int:
        """The part not paid in bonus."""
        return self.amount_minor - self.bonus_minor

    def stepped(
        self, *, paid_until_ms: int, accrued_units: int, amount_minor: int, bonus_minor: int
    ) -> "Segment":
        """One step later. Spelled out because every tick of every session makes one."""
        return Segment(
            self.index,
            self.tariff,
            self.cause,
            self.zone_id,
            self.start_at_ms,
            self.run_start_at_ms,
            paid_until_ms,
            self.rule_index,
            self.rate_per_hour_minor,
            self.rate_until_ms,
            self.pack,
            self.planned_end_at_ms,
            self.end_at_ms,
            self.fee_minor,
            accrued_units,
            amount_minor,
            bonus_minor,
            self.steps + 1,
            self.credited_units,
        )

    @property
    def purchase_id(self) -> str | None:
        """The order that paid for what this segment draws from; None: the session's own money."""
        return None if self.pack is None else self.pack.order_id

    @property
    def player_tariff_id(self) -> str | None:
        """The bought tariff this segment draws from."""
        return None if self.pack is None else self.pack.player_tariff_id


@dataclass(frozen=True, slots=True)
class Extension:
    """A tariff appended after what is covered, waiting for its turn.

    ``pack`` None: charged from the wallet, step by step, when it begins. A pack is held as it
    was when it was appended; nobody else can draw from it.
    """

    tariff: TariffRef
    pack: PlayerTariff | None = None


@dataclass(frozen=True, slots=True)
class Forfeit:
    """Prepaid time that was paid and neither used nor given back when this session let it go: its
    tariff forfeits it, or it has expired. ``bonus_minor`` is the part that was paid in bonus."""

    player_tariff_id: str
    tariff: TariffRef
    purchase_id: str | None
    """The order that paid for it; None: this session's own money."""
    amount_minor: int
    bonus_minor: int


@dataclass(frozen=True, slots=True)
class HandedBack:
    """What the desk owed a one-time guest at the end, and for outages after it, in the session's
    currency. What staff refund by hand is on the order."""

    card_minor: int = 0
    cash_minor: int = 0


def handed_back_between(before: "SessionState", after: "SessionState") -> HandedBack | None:
    """What was added to it from one state of a session to a later one; None: nothing."""
    first, last = before.handed_back or HandedBack(), after.handed_back or HandedBack()
    card_minor = last.card_minor - first.card_minor
    cash_minor = last.cash_minor - first.cash_minor
    return HandedBack(card_minor, cash_minor) if card_minor or cash_minor else None


@hot_value(frozen=True, slots=True)
class SessionState:
    """Everything durable about a session. Instants are UTC ms.

    ``due_at_ms`` is the next instant at which ``advance`` has something to do; None = never.
    ``warned`` is the worst coverage status the player was warned of since coverage last grew.
    ``known_wallet`` is the wallet the coverage was computed with.
    """

    session_id: str
    club_id: str
    currency: str
    player_id: str | None
    guest_label: str | None
    status: SessionStatus
    mode: SessionMode
    tariff: TariffRef
    player_tariff_id: str | None
    pc_id: str
    zone_id: str
    created_at_ms: int
    planned_start_at_ms: int
    planned_end_at_ms: int | None = None
    actual_start_at_ms: int | None = None
    actual_end_at_ms: int | None = None
    ended_reason: EndedReason | None = None
    groups: tuple[str, ...] = ()
    segments: tuple[Segment, ...] = ()
    device_links: tuple[SessionDevice, ...] = ()
    extensions: tuple[Extension, ...] = ()
    coverage: Coverage | None = None
    warned: CoverageStatus = CoverageStatus.COVERED
    low_balance_warned: bool = False
    known_wallet: Wallet | None = None
    due_at_ms: int | None = None
    event_seq: int = 0
    order_id: str | None = None
    """The purchase it was made on, for good; None for a session that is an order of its own."""
    outages: tuple[Outage, ...] = ()
    guest_card_minor: int = 0
    """What a one-time guest has paid by card and not got back: that much returns to the card."""
    forfeits: tuple[Forfeit, ...] = ()
    handed_back: HandedBack | None = None
    """None: nothing was."""
    v: int = STATE_VERSION

    @property
    def holder_id(self) -> str:
        """Whose wallet pays: the player's, or one of the guest's own."""
        return self.player_id or f"guest-{self.session_id}"

    @property
    def open_segment(self) -> Segment | None:
        """The segment that runs now."""
        if self.segments and self.segments[-1].end_at_ms is None:
            return self.segments[-1]
        return None

    @property
    def tariffs(self) -> tuple[TariffRef, ...]:
        """Every tariff version it was made with, has run under or will."""
        run = (segment.tariff for segment in self.segments)
        added = (extension.tariff for extension in self.extensions)
        return tuple(dict.fromkeys((self.tariff, *run, *added)))

    @property
    def amount_minor(self) -> int:
        """What the session costs so far."""
        return sum(segment.amount_minor for segment in self.segments)

    @property
    def bonus_minor(self) -> int:
        """The bonus part of it."""
        return sum(segment.bonus_minor for segment in self.segments)

    @property
    def own_segments(self) -> tuple[Segment, ...]:
        """What no purchase has paid for: the session's own bill."""
        return tuple(segment for segment in self.segments if segment.purchase_id is None)

    @property
    def own_forfeits(self) -> tuple[Forfeit, ...]:
        """What it forfeited of time that was bought on the way."""
        return tuple(one for one in self.forfeits if one.purchase_id is None)

    @property
    def own_minor(self) -> int:
        """The session's own bill: what it used beside purchases, and what that forfeited."""
        used_minor = sum(segment.amount_minor for segment in self.own_segments)
        return used_minor + sum(one.amount_minor for one in self.own_forfeits)

    @property
    def own_bonus_minor(self) -> int:
        """The part of it that was paid in bonus."""
        used_minor = sum(segment.bonus_minor for segment in self.own_segments)
        return used_minor + sum(one.bonus_minor for one in self.own_forfeits)

    @property
    def forfeited_minor(self) -> int:
        """What it forfeited in all."""
        return sum(one.amount_minor for one in self.forfeits)

    @property
    def effective_start_at_ms(self) -> int:
        """When it began, or will."""
        if self.actual_start_at_ms is None:
            return self.planned_start_at_ms
        return self.actual_start_at_ms

    @property
    def effective_end_at_ms(self) -> int | None:
        """When it ended, or is covered until as far as known; never before it began.

        A session that was cancelled took no time: it ends where it was to begin.
        """
        if self.status is SessionStatus.CANCELLED:
            return self.effective_start_at_ms
        if self.actual_end_at_ms is not None:
            return max(self.actual_end_at_ms, self.effective_start_at_ms)
        if self.coverage is not None:
            return self.coverage.until_ms
        return self.planned_end_at_ms
