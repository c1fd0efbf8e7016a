"""A player's balances in one currency, and how a charge is shared between them."""

from billing_core.hot_value import hot_value


@hot_value(frozen=True, slots=True)
class Wallet:
    """Cash and bonus in minor units. Cash may go down to ``-credit_limit_minor``."""

    cash_minor: int = 0
    bonus_minor: int = 0
    credit_limit_minor: int = 0

    @property
    def total_minor(self) -> int:
        """What the player sees as the balance."""
        return self.cash_minor + self.bonus_minor

    @property
    def spendable_cash_minor(self) -> int:
        """Cash down to the credit limit; negative when the limit was lowered below the debt."""
        return self.cash_minor + self.credit_limit_minor

    def changed(self, cash_minor: int, bonus_minor: int) -> "Wallet":
        """The wallet after adding both amounts (negative to take)."""
        return Wallet(
            self.cash_minor + cash_minor, self.bonus_minor + bonus_minor, self.credit_limit_minor
        )


def bonus_part(
    charge_minor: int, *, before_minor: int, bonus_minor: int, bonus_max_percent: int
) -> int:
    """How much of a charge is taken from bonus.

    The share counts from what was charged before under the same segment, so that rounding does
    not drift: over a segment bonus never pays more than ``bonus_max_percent`` of it, and no
    charge catches up for earlier ones that found the bonus empty.
    """
    after_minor = before_minor + charge_minor
    share = after_minor * bonus_max_percent // 100 - before_minor * bonus_max_percent // 100
    return min(bonus_minor, share)


def most_affordable_minor(wallet: Wallet, *, before_minor: int, bonus_max_percent: int) -> int:
    """The highest running total a segment may reach with this wallet.

    ``before_minor`` is what the segment has been charged so far. A wallet that is below its limit
    already has no cash to spend; what bonus pays alone it can afford.
    """
    cash_minor = max(0, wallet.spendable_cash_minor)
    with_all_bonus = before_minor + cash_minor + wallet.bonus_minor
    if bonus_max_percent >= 100:
        return with_all_bonus
    cash_total = cash_minor + before_minor - before_minor * bonus_max_percent // 100
    by_share = cash_total * 100 // (100 - bonus_max_percent)
    return min(with_all_bonus, by_share)
