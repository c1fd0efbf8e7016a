"""How far money reaches under a price table: closed form inside a price, then on to the next.

Nothing here walks minute by minute; the work is one round per change of price.
"""

from dataclasses import dataclass

from billing_core.money import units_below
from billing_core.pricing import (
    Piece,
    Run,
    piece_at,
    price_minor,
    price_units,
    rule_of,
    step_end_ms,
    step_start_ms,
)
from billing_core.wallet import Wallet, bonus_part, most_affordable_minor


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands: its open segment's sums, and the wallet that pays (None: anybody).

    ``rule_index`` None before the first segment.
    """

    at_ms: int
    rule_index: int | None
    accrued_units: int
    amount_minor: int
    fee_minor: int
    wallet: Wallet | None
    fee_charged: bool


@dataclass(frozen=True, slots=True)
class Reach:
    """``until_ms`` is covered; ``unusable`` when the price table, not money, ends it there."""

    until_ms: int
    unusable: bool
    wallet: Wallet | None


class _Walk:
    """One forecast: segment by segment as billing itself would go, but in strides."""

    def __init__(self, run: Run, progress: Progress) -> None:
        self.run = run
        self.at_ms = progress.at_ms
        self.rule_index = progress.rule_index
        self.accrued_units = progress.accrued_units
        self.amount_minor = progress.amount_minor
        self.fee_minor = progress.fee_minor
        self.fee_charged = progress.fee_charged
        self.wallet = progress.wallet
        self.segment_from_ms = progress.at_ms
        self.entered_units = progress.accrued_units

    def enter(self, piece: Piece) -> None:
        """Begin the segment of another rule: what the last one costs leaves the wallet."""
        self.settle()
        rule = rule_of(self.run.tariff, piece.rule_index)
        self.rule_index = piece.rule_index
        self.accrued_units = 0
        self.entered_units = 0
        self.amount_minor = 0
        self.fee_minor = 0 if self.fee_charged else rule.start_fee_minor
        self.fee_charged = self.fee_charged or rule.start_fee_minor > 0
        self.segment_from_ms = self.at_ms

    def settle(self) -> None:
        """Take from the wallet what the segment owes up to here."""
        if self.wallet is None or self.rule_index is None or self.at_ms == self.segment_from_ms:
            return
        rule = rule_of(self.run.tariff, self.rule_index)
        total_minor = price_minor(rule, self.accrued_units, self.fee_minor)
        charge_minor = total_minor - self.amount_minor
        bonus_minor = bonus_part(
            charge_minor,
            before_minor=self.amount_minor,
            bonus_minor=self.wallet.bonus_minor,
            bonus_max_percent=self.run.tariff.bonus_max_percent,
        )
        self.wallet = self.wallet.changed(bonus_minor - charge_minor, -bonus_minor)
        self.amount_minor = total_minor
        self.segment_from_ms = self.at_ms

    def most_units(self) -> int | None:
        """How many units the segment may accrue; None without a bound, -1 for not one step."""
        if self.wallet is None:
            return None
        rule = rule_of(self.run.tariff, self.rule_index)
        budget_minor = most_affordable_minor(
            self.wallet,
            before_minor=self.amount_minor,
            bonus_max_percent=self.run.tariff.bonus_max_percent,
        )
        budget_minor -= self.fee_minor
        if rule.min_price_minor is not None and rule.min_price_minor > budget_minor:
            return -1
        if rule.max_price_minor is not None and rule.max_price_minor <= budget_minor:
            return None
        return units_below(budget_minor)

    def stride(self, rate_minor: int, end_ms: int) -> bool:
        """Go to ``end_ms`` if money reaches; else stop at the last step it pays in full."""
        most_units = self.most_units()
        cost_units = rate_minor * (end_ms - self.at_ms)
        if most_units is None or self.accrued_units + cost_units <= most_units:
            self.accrued_units += cost_units
            self.at_ms = end_ms
            return True
        short_units = most_units - self.accrued_units
        reach_ms = self.at_ms + max(0, short_units // rate_minor) if rate_minor else self.at_ms
        self.accrued_units += rate_minor * (reach_ms - self.at_ms)
        self.at_ms = reach_ms
        return False


def reach(run: Run, progress: Progress, limit_ms: int) -> Reach:
    """How far the run is covered from ``progress.at_ms``, at most to ``limit_ms``.

    ``progress.at_ms`` is the end of the last step begun, so it is covered already.
    """
    walk = _Walk(run, progress)
    while walk.at_ms < limit_ms:
        piece = piece_at(run, walk.at_ms)
        if piece is None:
            walk.settle()
            return Reach(walk.at_ms, unusable=True, wallet=walk.wallet)
        on_grid = walk.at_ms == progress.at_ms or step_start_ms(run, walk.at_ms) == walk.at_ms
        if piece.rule_index != walk.rule_index and (on_grid or walk.rule_index is None):
            walk.enter(piece)
        if not walk.stride(piece.rate_per_hour_minor, _stride_end_ms(walk, piece, limit_ms)):
            return _short(walk, run, progress)
    walk.settle()
    return Reach(limit_ms, unusable=False, wallet=walk.wallet)


def _stride_end_ms(walk: _Walk, piece: Piece, limit_ms: int) -> int:
    """A step that began under another rule belongs to that rule's segment to its end."""
    end_ms = limit_ms if piece.until_ms is None else min(piece.until_ms, limit_ms)
    if piece.rule_index != walk.rule_index:
        end_ms = min(end_ms, step_end_ms(walk.run, walk.at_ms))
    return end_ms


def _short(walk: _Walk, run: Run, progress: Progress) -> Reach:
    until_ms = max(progress.at_ms, step_start_ms(run, walk.at_ms))
    walk.accrued_units = walk.entered_units + price_units(run, walk.segment_from_ms, until_ms)
    walk.at_ms = until_ms
    walk.settle()
    return Reach(until_ms, unusable=False, wallet=walk.wallet)
