"""What is wrong with a tariff by itself: values out of range, parts that contradict each other."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

from billing_core.tariff import PriceRule, RefundPolicy, Tariff, TariffType
from billing_core.window import MINUTES_PER_DAY, Schedule

LONGEST_STEP_SECONDS: Final = 24 * 3_600


class Severity(StrEnum):
    """An error makes the tariff unusable as it is; a warning is probably not what was meant."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One contradiction: which tariff, which field, what about it."""

    severity: Severity
    code: str
    tariff_id: str
    field: str
    message: str


_Problems = Iterator[tuple[str, str, str]]


def check_tariff(tariff: Tariff) -> list[Finding]:
    """Everything that can be said without knowing the club; errors first."""
    errors = [
        Finding(Severity.ERROR, code, tariff.id, field, message)
        for check in _ERRORS
        for code, field, message in check(tariff)
    ]
    warnings = [
        Finding(Severity.WARNING, code, tariff.id, field, message)
        for check in _WARNINGS
        for code, field, message in check(tariff)
    ]
    return errors + warnings


def _ranges(tariff: Tariff) -> _Problems:
    bounds = (
        ("version", tariff.version, 1, None),
        ("billing_step_seconds", tariff.billing_step_seconds, 1, LONGEST_STEP_SECONDS),
        ("minimum_minutes", tariff.minimum_minutes, 0, None),
        ("bonus_max_percent", tariff.bonus_max_percent, 0, 100),
        ("price_minor", tariff.price_minor, 0, None),
        ("block_minutes", tariff.block_minutes, 1, None),
        ("hours", tariff.hours, 1, None),
        ("sessions", tariff.sessions, 1, None),
        ("usage.completion_minutes", tariff.usage.completion_minutes, 0, None),
        ("expiration.days_after_purchase", tariff.expiration.days_after_purchase, 1, None),
        ("expiration.days_after_first_use", tariff.expiration.days_after_first_use, 1, None),
        ("expiration.after_hours", tariff.expiration.after_hours, 1, None),
        ("expiration.after_sessions", tariff.expiration.after_sessions, 1, None),
    )
    for field, value, least, most in bounds:
        if value is not None and value < least:
            yield "out-of-range", field, f"{value} is below {least}"
        elif value is not None and most is not None and value > most:
            yield "out-of-range", field, f"{value} is above {most}"


def _text(tariff: Tariff) -> _Problems:
    if not tariff.id:
        yield "empty", "id", "an empty id"
    if len(tariff.currency) != 3 or not tariff.currency.isupper():
        yield "not-a-currency", "currency", f"{tariff.currency!r} is not an ISO 4217 code"


def _rules(tariff: Tariff) -> _Problems:
    for index, rule in enumerate(tariff.prices):
        path = f"prices[{index}]"
        yield from _amounts(rule, path)
        yield from _tiers(tariff, rule, path)


def _amounts(rule: PriceRule, path: str) -> _Problems:
    amounts = (
        ("start_fee_minor", rule.start_fee_minor),
        ("min_price_minor", rule.min_price_minor),
        ("max_price_minor", rule.max_price_minor),
        ("block_price_minor", rule.block_price_minor),
    )
    for field, amount in amounts:
        if amount is not None and amount < 0:
            yield "out-of-range", f"{path}.{field}", f"{amount} is below 0"
    least, most = rule.min_price_minor, rule.max_price_minor
    if least is not None and most is not None and least > most:
        message = f"the minimum {least} is above the maximum {most}"
        yield "min-above-max", f"{path}.min_price_minor", message


def _tiers(tariff: Tariff, rule: PriceRule, path: str) -> _Problems:
    if tariff.type is TariffType.PER_MINUTE and not rule.tiers:
        yield "no-price", f"{path}.tiers", "a per-minute rule needs a price per hour"
    starts = [tier.from_minutes for tier in rule.tiers]
    if starts and starts[0] != 0:
        yield "tiers-not-from-0", f"{path}.tiers", "the first tier begins at minute 0"
    if any(later <= earlier for earlier, later in pairwise(starts)):
        yield "tiers-not-rising", f"{path}.tiers", "each tier begins later than the one before"
    for index, tier in enumerate(rule.tiers):
        if tier.price_per_hour_minor < 0:
            field = f"{path}.tiers[{index}].price_per_hour_minor"
            yield "out-of-range", field, f"{tier.price_per_hour_minor} is below 0"


def _schedules(tariff: Tariff) -> _Problems:
    named = [("sales.when", tariff.sales.when), ("usage.start", tariff.usage.start)]
    named += [(f"prices[{index}].when", rule.when) for index, rule in enumerate(tariff.prices)]
    for path, schedule in named:
        yield from _windows(schedule, path)


def _windows(schedule: Schedule, path: str) -> _Problems:
    for index, window in enumerate(schedule.windows):
        field = f"{path}.windows[{index}]"
        minutes = (window.start_minute, window.end_minute)
        if not all(0 <= minute < MINUTES_PER_DAY for minute in minutes):
            yield "out-of-range", field, "times of day lie between 00:00 and 23:59"
        if not window.dates and not window.weekdays:
            yield "never-opens", field, "a window without any day"
        if any(not 0 <= day <= 6 for day in window.weekdays):
            yield "out-of-range", f"{field}.weekdays", "weekdays are 0 (Monday) to 6"


def _pool(tariff: Tariff) -> _Problems:
    if tariff.type is TariffType.PER_MINUTE and not tariff.prices:
        yield "no-price", "prices", "a per-minute tariff needs at least one price rule"
    if tariff.type is TariffType.FIXED and tariff.block_minutes is None:
        yield "no-pool", "block_minutes", "a fixed session needs its length"
    if tariff.type is TariffType.HOURS and tariff.hours is None:
        yield "no-pool", "hours", "an hourly tariff needs its hours"
    if tariff.type is TariffType.MULTIPASS and (tariff.hours is None) == (tariff.sessions is None):
        yield "no-pool", "hours", "a multipass holds either hours or sessions"
    if tariff.type is TariffType.SUBSCRIPTION and not tariff.expiration.limits_time:
        yield "never-expires", "expiration", "a subscription needs a date or a number of days"


def _usage(tariff: Tariff) -> _Problems:
    if tariff.usage.completion_minutes and tariff.usage.start.is_always:
        message = "a completion window without a schedule that closes"
        yield "completion-without-schedule", "usage.completion_minutes", message
    longest = tariff.block_minutes
    if longest is not None and tariff.minimum_minutes > longest:
        message = f"the minimum of {tariff.minimum_minutes} min is longer than the block"
        yield "minimum-above-block", "minimum_minutes", message


def _money(tariff: Tariff) -> _Problems:
    if tariff.is_prepaid and tariff.price_minor == 0:
        yield "free", "price_minor", "it costs nothing"
    for index, rule in enumerate(tariff.prices):
        if tariff.is_prepaid and (rule.start_fee_minor or rule.min_price_minor):
            field = f"prices[{index}]"
            yield "fee-on-prepaid", field, "fees and bounds do not apply to prepaid time"
        free = any(tier.price_per_hour_minor == 0 for tier in rule.tiers)
        if free and tariff.type is TariffType.PER_MINUTE:
            yield "free", f"prices[{index}].tiers", "time is free here: sessions will not run out"
    if tariff.type is TariffType.PER_MINUTE and tariff.refund is not RefundPolicy.KEEP:
        message = "nothing is ever unused: steps are charged as they begin"
        yield "refund-without-prepayment", "refund", message


def _expiry(tariff: Tariff) -> _Problems:
    if tariff.type is TariffType.PER_MINUTE and tariff.expiration.limits_time:
        yield "expiry-unused", "expiration", "nothing is bought, so nothing expires"
    after_hours = tariff.expiration.after_hours
    if after_hours is not None and tariff.hours is not None and after_hours > tariff.hours:
        message = f"only {tariff.hours} hours can be consumed"
        yield "expiry-unreachable", "expiration.after_hours", message
    after = tariff.expiration.after_sessions
    if after is not None and tariff.sessions is not None and after > tariff.sessions:
        message = f"only {tariff.sessions} sessions can be consumed"
        yield "expiry-unreachable", "expiration.after_sessions", message
    unlimited = tariff.type is TariffType.MULTIPASS and not tariff.expiration.limits_time
    if unlimited:
        yield "never-expires", "expiration", "a multipass without a deadline is owed for ever"


_ERRORS: Final[tuple[Callable[[Tariff], _Problems], ...]] = (
    _text,
    _ranges,
    _pool,
    _rules,
    _schedules,
)
_WARNINGS: Final[tuple[Callable[[Tariff], _Problems], ...]] = (_usage, _money, _expiry)
