"""The price table read at an instant, and exact sums over time.

A *run* is a stretch of a session under one tariff. Its billing steps form a grid that starts
with the run and goes on through changes of price and zone; price tiers count from there too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from billing_core.hot_value import hot_value
from billing_core.money import MS_PER_MINUTE, minor_from_units
from billing_core.tariff import PriceRule, Tariff
from billing_core.window import is_open, next_edge_ms, open_until_ms

_CACHED_QUESTIONS: Final = 8_192
UNPRICED_RULE: Final = PriceRule("prepaid")
"""Stands in where a prepaid tariff has no table of its own: usable by anybody, anywhere."""


@hot_value(frozen=True, slots=True)
class Run:
    """What pricing needs to know of a run; all else is the tariff's."""

    tariff: Tariff
    timezone: str
    zone_id: str
    groups: tuple[str, ...]
    start_at_ms: int
    fee_charged: bool = False

    def in_zone(self, zone_id: str) -> "Run":
        """The same run after a move."""
        return Run(
            self.tariff,
            self.timezone,
            zone_id,
            self.groups,
            self.start_at_ms,
            fee_charged=self.fee_charged,
        )


@dataclass(frozen=True, slots=True)
class Piece:
    """A rule and its price per hour, from the instant asked until ``until_ms`` (None: for good)."""

    rule_index: int
    rate_per_hour_minor: int
    until_ms: int | None


def rule_of(tariff: Tariff, rule_index: int | None) -> PriceRule:
    """The rule a segment runs under."""
    if rule_index is None or not tariff.prices:
        return UNPRICED_RULE
    return tariff.prices[rule_index]


def schedule_end_ms(tariff: Tariff, timezone: str, start_at_ms: int) -> int | None:
    """When the usage schedule closes for a run begun at ``start_at_ms``, completion aside.

    None when it never closes. A run begun outside the schedule has its end at once.
    """
    if tariff.usage.start.is_always:
        return None
    until_ms = open_until_ms(tariff.usage.start, timezone, start_at_ms)
    return start_at_ms if until_ms is None else until_ms


@lru_cache(maxsize=_CACHED_QUESTIONS)
def piece_at(run: Run, at_ms: int) -> Piece | None:
    """The first rule that matches at an instant; None when the tariff is not usable then.

    While a session finishes in the completion window, the prices of the schedule's last moment
    go on.
    """
    tariff = run.tariff
    if not tariff.prices:
        return Piece(0, 0, None) if tariff.is_prepaid else None
    closes_ms = schedule_end_ms(tariff, run.timezone, run.start_at_ms)
    completing = closes_ms is not None and at_ms >= closes_ms > run.start_at_ms
    asked_ms = closes_ms - 1 if completing and closes_ms is not None else at_ms
    edges: list[int] = []
    for index, rule in enumerate(tariff.prices):
        if not _is_for(rule, run):
            continue
        edge_ms = next_edge_ms(rule.when, run.timezone, asked_ms)
        if edge_ms is not None:
            edges.append(edge_ms)
        if is_open(rule.when, run.timezone, asked_ms):
            return _piece(
                run, index, at_ms, edge_ms=None if completing or not edges else min(edges)
            )
    return None


def _is_for(rule: PriceRule, run: Run) -> bool:
    if rule.zones and run.zone_id not in rule.zones:
        return False
    return not rule.groups or any(group in rule.groups for group in run.groups)


def _piece(run: Run, index: int, at_ms: int, *, edge_ms: int | None) -> Piece:
    rate_minor, until_ms = 0, edge_ms
    for tier in run.tariff.prices[index].tiers:
        tier_at_ms = run.start_at_ms + tier.from_minutes * MS_PER_MINUTE
        if tier_at_ms > at_ms:
            until_ms = tier_at_ms if until_ms is None else min(until_ms, tier_at_ms)
            break
        rate_minor = tier.price_per_hour_minor
    return Piece(index, rate_minor, until_ms)


def pieces(run: Run, from_ms: int, until_ms: int) -> Iterator[tuple[int, int, Piece]]:
    """(from, until, piece) over a stretch; it stops early where the tariff is not usable."""
    at_ms = from_ms
    while at_ms < until_ms:
        piece = piece_at(run, at_ms)
        if piece is None:
            return
        end_ms = until_ms if piece.until_ms is None else min(piece.until_ms, until_ms)
        yield at_ms, end_ms, piece
        at_ms = end_ms


def price_units(run: Run, from_ms: int, until_ms: int) -> int:
    """Exact price of a stretch in units, start fee, min and max aside."""
    return sum(
        piece.rate_per_hour_minor * (end_ms - start_ms)
        for start_ms, end_ms, piece in pieces(run, from_ms, until_ms)
    )


def usable_until_ms(run: Run, from_ms: int, until_ms: int) -> int:
    """How far into a stretch the price table goes on."""
    end_ms = from_ms
    for _, piece_end_ms, _ in pieces(run, from_ms, until_ms):
        end_ms = piece_end_ms
    return end_ms


def step_end_ms(run: Run, at_ms: int) -> int:
    """End of the billing step that contains ``at_ms``."""
    first_end_ms = run.start_at_ms + run.tariff.first_step_ms
    if at_ms < first_end_ms:
        return first_end_ms
    step_ms = run.tariff.step_ms
    return first_end_ms + ((at_ms - first_end_ms) // step_ms + 1) * step_ms


def step_start_ms(run: Run, at_ms: int) -> int:
    """The last step boundary at or before ``at_ms``."""
    first_end_ms = run.start_at_ms + run.tariff.first_step_ms
    if at_ms < first_end_ms:
        return run.start_at_ms
    return at_ms - (at_ms - first_end_ms) % run.tariff.step_ms


def price_minor(rule: PriceRule, accrued_units: int, fee_minor: int) -> int:
    """What a segment owes: its exact time price within the rule's bounds, rounded, plus the fee."""
    amount_minor = minor_from_units(accrued_units)
    if rule.min_price_minor is not None:
        amount_minor = max(amount_minor, rule.min_price_minor)
    if rule.max_price_minor is not None:
        amount_minor = min(amount_minor, rule.max_price_minor)
    return amount_minor + fee_minor
