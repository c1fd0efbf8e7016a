"""A tariff: one version of a price rule with its four policies. Immutable; edits make versions."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from billing_core.money import MS_PER_HOUR, MS_PER_MINUTE, MS_PER_SECOND
from billing_core.window import ALWAYS, Schedule


class TariffType(StrEnum):
    """How time is paid for."""

    PER_MINUTE = "PER_MINUTE"
    """From the wallet, step by step."""
    FIXED = "FIXED"
    """A flat fee for a block, paid when the session starts."""
    HOURS = "HOURS"
    """A number of hours, bought before."""
    MULTIPASS = "MULTIPASS"
    """A pool of hours or of sessions, bought before, that expires."""
    SUBSCRIPTION = "SUBSCRIPTION"
    """Unlimited within a schedule, bought before, that expires."""


class TariffStatus(StrEnum):
    """Whether a tariff may be begun; what runs under it goes on."""

    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    ARCHIVED = "ARCHIVED"


class Channel(StrEnum):
    """Where a tariff is sold and who speaks."""

    CRM = "crm"
    KIOSK = "kiosk"
    APP = "app"


class RefundPolicy(StrEnum):
    """What becomes of unused prepaid time when a session ends early."""

    KEEP = "KEEP"
    """It stays on the account and can be played later."""
    FORFEIT = "FORFEIT"
    BONUS = "BONUS"
    """Pro rata to the bonus balance."""
    CASH = "CASH"
    """Pro rata to where it came from: the cash part to cash, the bonus part to bonus."""


PREPAID: Final = frozenset(
    {TariffType.FIXED, TariffType.HOURS, TariffType.MULTIPASS, TariffType.SUBSCRIPTION}
)
BOUGHT_FIRST: Final = PREPAID - {TariffType.FIXED}
"""Types that exist as a player tariff before a session can use them."""


@dataclass(frozen=True, slots=True, order=True)
class TariffRef:
    """One version of a tariff."""

    id: str
    version: int


@dataclass(frozen=True, slots=True)
class Tier:
    """A price per hour that holds from so many minutes after the tariff began in the session."""

    from_minutes: int
    price_per_hour_minor: int


@dataclass(frozen=True, slots=True)
class PriceRule:
    """One row of the price table; the first row that matches zone, group and time wins.

    Empty ``zones`` and ``groups`` mean any. ``tiers`` rise by ``from_minutes`` and begin at 0;
    prepaid types need none. The start fee is charged once per session. ``min_price_minor`` and
    ``max_price_minor`` bound what one segment under this rule costs, start fee aside.
    ``block_price_minor`` replaces the tariff's price for prepaid types bought or moved here.
    """

    name: str
    zones: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    when: Schedule = ALWAYS
    tiers: tuple[Tier, ...] = ()
    start_fee_minor: int = 0
    min_price_minor: int | None = None
    max_price_minor: int | None = None
    block_price_minor: int | None = None


@dataclass(frozen=True, slots=True)
class ExpirationRules:
    """When bought time stops being valid; the first rule to fire wins, no rules = never.

    Days are 24 real hours. ``last_day`` is the last local day it is valid on. ``after_hours``
    and ``after_sessions`` count what was consumed.
    """

    days_after_purchase: int | None = None
    days_after_first_use: int | None = None
    after_hours: int | None = None
    after_sessions: int | None = None
    last_day: date | None = None

    @property
    def limits_time(self) -> bool:
        """Whether any rule ends it by the calendar."""
        by_calendar = (self.days_after_purchase, self.days_after_first_use, self.last_day)
        return any(rule is not None for rule in by_calendar)


@dataclass(frozen=True, slots=True)
class SalesPolicy:
    """When and where a tariff may be bought. No channels means all of them."""

    when: Schedule = ALWAYS
    channels: tuple[Channel, ...] = ()


@dataclass(frozen=True, slots=True)
class UsagePolicy:
    """When a session may start on it, and how long after closing a running one may finish."""

    start: Schedule = ALWAYS
    completion_minutes: int = 0


@dataclass(frozen=True, slots=True)
class Tariff:
    """One version. ``price_minor`` is what a prepaid type costs; ``block_minutes`` what FIXED
    covers, ``hours`` what HOURS (or a MULTIPASS of hours) holds, ``sessions`` a MULTIPASS of
    sessions. ``priority``: higher goes first in renewals. ``groups``: player groups for whom
    this tariff is picked by itself.
    """

    id: str
    version: int
    name: str
    currency: str
    type: TariffType
    status: TariffStatus = TariffStatus.ACTIVE
    prices: tuple[PriceRule, ...] = ()
    price_minor: int = 0
    block_minutes: int | None = None
    hours: int | None = None
    sessions: int | None = None
    expiration: ExpirationRules = ExpirationRules()
    sales: SalesPolicy = SalesPolicy()
    usage: UsagePolicy = UsagePolicy()
    refund: RefundPolicy = RefundPolicy.KEEP
    minimum_minutes: int = 0
    billing_step_seconds: int = 60
    bonus_max_percent: int = 100
    priority: int = 0
    groups: tuple[str, ...] = ()

    def __hash__(self) -> int:
        return hash((self.id, self.version))

    @property
    def ref(self) -> TariffRef:
        """This version's name."""
        return TariffRef(self.id, self.version)

    @property
    def is_prepaid(self) -> bool:
        """Whether time is paid for before it is used."""
        return self.type in PREPAID

    @property
    def step_ms(self) -> int:
        """Length of a billing step."""
        return self.billing_step_seconds * MS_PER_SECOND

    @property
    def first_step_ms(self) -> int:
        """The first step of a run: the minimum, in whole steps, at least one."""
        steps = -(-self.minimum_minutes * MS_PER_MINUTE // self.step_ms)
        return max(1, steps) * self.step_ms

    @property
    def pool_ms(self) -> int | None:
        """Time a bought one holds; None when it is not counted in time."""
        if self.type is TariffType.FIXED and self.block_minutes is not None:
            return self.block_minutes * MS_PER_MINUTE
        if self.hours is not None and self.type in {TariffType.HOURS, TariffType.MULTIPASS}:
            return self.hours * MS_PER_HOUR
        return None
