"""Money outside a running session: buying, giving back, what expires, correcting.

Each returns transactions whose ids come from the command's idempotency key, so a repeat is
recognised, and the values they leave behind.
"""

from dataclasses import dataclass, replace

from billing_core.admission import check_sale
from billing_core.closing import given_back, returned_amounts
from billing_core.ledger import (
    Account,
    Means,
    Transaction,
    TransactionKind,
    command_id,
    deferred,
    desk,
    entries_of,
    receivable,
    revenue,
    wallet_bonus,
    wallet_cash,
)
from billing_core.money import amount_text, share_half_up
from billing_core.player_tariff import PlayerTariff, PlayerTariffStatus, bought, expires_at_ms
from billing_core.purchase import block_price_minor, bonus_of_purchase
from billing_core.rejection import Rejected, RejectionCode
from billing_core.session import SessionState
from billing_core.tariff import Channel, RefundPolicy, Tariff
from billing_core.terms import ClubTerms, Terms
from billing_core.wallet import Wallet


@dataclass(frozen=True, slots=True)
class OrderContext:
    """Who does it for whom, when, under which key."""

    idempotency_key: str
    at_ms: int
    holder_id: str
    channel: Channel = Channel.CRM

    def transaction(
        self,
        kind: TransactionKind,
        *amounts: tuple[Account, int],
        session_id: str | None = None,
    ) -> Transaction:
        """A transaction of this command."""
        return Transaction(
            command_id(self.idempotency_key),
            self.at_ms,
            kind,
            entries_of(*amounts),
            session_id,
        )


@dataclass(frozen=True, slots=True)
class Settled:
    """What a command did: its transactions, the wallet after, the player tariff after."""

    transactions: tuple[Transaction, ...]
    wallet: Wallet
    player_tariff: PlayerTariff | None = None


def buy(
    tariff: Tariff, terms: Terms, context: OrderContext, *, means: Means | None = None
) -> Settled | Rejected:
    """Buy a prepaid tariff in ``terms.zone`` from the wallet, or over the desk with ``means``.

    The player tariff's id is ``pt-<idempotency key>``.
    """
    if not tariff.is_prepaid:
        message = f"{tariff.name} is charged while it is played"
        return Rejected(RejectionCode.TARIFF_NOT_ON_SALE, message, "tariff")
    rejected = check_sale(tariff, terms, context.channel, at_ms=context.at_ms)
    if rejected is not None:
        return rejected
    price_minor = block_price_minor(tariff, terms, context.at_ms)
    bonus_minor: int | Rejected = 0
    if means is None:
        bonus_minor = bonus_of_purchase(tariff, terms.wallet, price_minor)
    if isinstance(bonus_minor, Rejected):
        return bonus_minor
    cash_minor = price_minor - bonus_minor
    club = terms.club
    pays = (
        wallet_cash(club.currency, context.holder_id)
        if means is None
        else desk(club.currency, club.club_id, means)
    )
    transaction = context.transaction(
        TransactionKind.PURCHASE,
        (wallet_bonus(club.currency, context.holder_id), -bonus_minor),
        (pays, -cash_minor),
        (deferred(club.currency, club.club_id), price_minor),
    )
    owned = bought(
        tariff,
        player_tariff_id=f"pt-{context.idempotency_key}",
        holder_id=context.holder_id,
        club_id=club.club_id,
        at_ms=context.at_ms,
        price_minor=price_minor,
        bonus_minor=bonus_minor,
        order_id=context.idempotency_key,
    )
    wallet = terms.wallet
    if means is None:
        wallet = wallet.changed(-cash_minor, -bonus_minor)
    return Settled((transaction,), wallet, owned)


def refund(
    owned: PlayerTariff,
    tariff: Tariff,
    terms: Terms,
    *,
    context: OrderContext,
    amount_minor: int | None = None,
) -> Settled | Rejected:
    """Give back what is left of a bought tariff, or ``amount_minor`` of it with its share of time.

    Unused time goes back as it was paid, whatever the policy. Once used, the tariff's policy
    decides: KEEP and FORFEIT give nothing back.
    """
    expiry_ms = expires_at_ms(owned, tariff, terms.club.timezone)
    if owned.session_id is None and expiry_ms is not None and expiry_ms <= context.at_ms:
        message = f"{tariff.name} has expired"
        return Rejected(RejectionCode.PLAYER_TARIFF_EXPIRED, message)
    rejected = _check_refund(owned, tariff, amount_minor)
    if rejected is not None:
        return rejected
    untouched = owned.earned_minor == 0 and owned.used_ms == 0 and owned.used_sessions == 0
    policy = RefundPolicy.CASH if untouched else tariff.refund
    back_minor = owned.deferred_minor if amount_minor is None else amount_minor
    amounts, cash_minor, bonus_minor = returned_amounts(
        owned, policy, back_minor, currency=terms.club.currency, holder_id=context.holder_id
    )
    transaction = context.transaction(TransactionKind.REFUND, *amounts)
    wallet = terms.wallet.changed(cash_minor, bonus_minor)
    return Settled((transaction,), wallet, _left_of(owned, back_minor))


def _check_refund(owned: PlayerTariff, tariff: Tariff, amount_minor: int | None) -> Rejected | None:
    if owned.session_id is not None:
        message = f"{tariff.name} is being played"
        return Rejected(RejectionCode.PLAYER_TARIFF_IN_USE, message)
    if amount_minor is not None and amount_minor <= 0:
        return Rejected(RejectionCode.AMOUNT_INVALID, "a refund is above zero", "amount_minor")
    if nothing := _why_nothing(owned, tariff):
        return Rejected(RejectionCode.NOTHING_TO_REFUND, nothing)
    if amount_minor is not None and amount_minor > owned.deferred_minor:
        left = amount_text(owned.deferred_minor, tariff.currency)
        message = f"only {left} is left of {tariff.name}"
        return Rejected(RejectionCode.REFUND_TOO_LARGE, message, "amount_minor")
    return None


def _why_nothing(owned: PlayerTariff, tariff: Tariff) -> str | None:
    if owned.status is PlayerTariffStatus.REFUNDED:
        return f"{tariff.name} has gone back already"
    if owned.deferred_minor == 0 or owned.status is not PlayerTariffStatus.OPEN:
        return f"nothing of {tariff.name} is left"
    used = owned.earned_minor > 0 or owned.used_ms > 0 or owned.used_sessions > 0
    if used and tariff.refund in {RefundPolicy.KEEP, RefundPolicy.FORFEIT}:
        return f"nothing of {tariff.name} goes back under {tariff.refund.value}"
    return None


def _left_of(owned: PlayerTariff, amount_minor: int) -> PlayerTariff:
    if amount_minor == owned.deferred_minor:
        return given_back(owned, forfeited=False)
    total_ms = owned.total_ms
    if total_ms is not None:
        left_ms = total_ms - owned.used_ms
        total_ms -= share_half_up(left_ms, amount_minor, owned.deferred_minor)
    return replace(owned, returned_minor=owned.returned_minor + amount_minor, total_ms=total_ms)


def lapse(
    owned: PlayerTariff, tariff: Tariff, club: ClubTerms, *, context: OrderContext
) -> Settled | None:
    """Close a bought tariff that has expired unplayed: what is deferred becomes revenue.

    None while it is valid, in play, or closed already.
    """
    expiry_ms = expires_at_ms(owned, tariff, club.timezone)
    in_play = owned.session_id is not None or owned.status is not PlayerTariffStatus.OPEN
    if in_play or expiry_ms is None or context.at_ms < expiry_ms:
        return None
    left_minor = owned.deferred_minor
    transaction = context.transaction(
        TransactionKind.FORFEIT,
        (deferred(club.currency, owned.club_id), -left_minor),
        (revenue(club.currency, owned.club_id), left_minor),
    )
    after = given_back(owned, forfeited=True, status=PlayerTariffStatus.EXPIRED)
    return Settled((transaction,), Wallet(), after)


def correct(
    state: SessionState,
    context: OrderContext,
    *,
    amount_minor: int,
    corrected_minor: int,
    wallet: Wallet,
    owed_minor: int = 0,
) -> Settled | Rejected:
    """Give ``amount_minor`` of a session's own bill back by a new entry; nothing is ever edited.

    ``corrected_minor`` is what earlier corrections of the session gave back. Of a post-pay bill
    ``owed_minor`` is still to pay and is lowered first; the rest was paid, and each part of that
    goes back in the proportion it was paid.
    """
    if amount_minor <= 0:
        message = "a correction gives back more than zero"
        return Rejected(RejectionCode.AMOUNT_INVALID, message, "amount_minor")
    total_minor, paid_bonus_minor = state.own_minor, state.own_bonus_minor
    if corrected_minor + amount_minor > total_minor:
        cost = amount_text(total_minor, state.currency)
        before = amount_text(corrected_minor, state.currency)
        message = f"the session cost {cost}, {before} went back before"
        return Rejected(RejectionCode.REFUND_TOO_LARGE, message, "amount_minor")
    before_minor = share_half_up(corrected_minor, paid_bonus_minor, total_minor)
    after_minor = share_half_up(corrected_minor + amount_minor, paid_bonus_minor, total_minor)
    bonus_minor = after_minor - before_minor
    lowered_minor = min(amount_minor, owed_minor)
    cash_minor = amount_minor - lowered_minor - bonus_minor
    transaction = context.transaction(
        TransactionKind.CORRECTION,
        (revenue(state.currency, state.club_id), -amount_minor),
        (receivable(state.currency, state.session_id), lowered_minor),
        (wallet_cash(state.currency, context.holder_id), cash_minor),
        (wallet_bonus(state.currency, context.holder_id), bonus_minor),
        session_id=state.session_id,
    )
    return Settled((transaction,), wallet.changed(cash_minor, bonus_minor))
