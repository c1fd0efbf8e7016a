"""Orders: lines of tariffs, what is due, what was paid with what, and what went back.

A purchase has a price per line and gives player tariffs once it is paid in full. What a session
costs beside what it drew from purchases is its own bill, an order under the session's id: its
price is known when the session is over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from billing_core.admission import check_sale
from billing_core.ledger import (
    Account,
    Means,
    TransactionKind,
    deferred,
    desk,
    receivable,
    wallet_bonus,
    wallet_cash,
)
from billing_core.order import OrderContext
from billing_core.player_tariff import PlayerTariff, bought
from billing_core.purchase import block_price_minor
from billing_core.rejection import Rejected, RejectionCode
from billing_core.session import SessionMode, SessionState
from billing_core.tariff import Tariff, TariffRef
from billing_core.terms import Terms
from billing_core.wallet import Wallet

ORDER_VERSION: Final = 1


class OrderStatus(StrEnum):
    """Where an order's money stands."""

    UNPAID = "UNPAID"
    PARTLY_PAID = "PARTLY_PAID"
    PAID = "PAID"
    PARTLY_REFUNDED = "PARTLY_REFUNDED"
    REFUNDED = "REFUNDED"


class Tendered(StrEnum):
    """What an order is paid with."""

    CASH = "cash"
    CARD = "card"
    BALANCE = "balance"
    BONUS = "bonus"


@dataclass(frozen=True, slots=True)
class Payment:
    """An amount of one means."""

    means: Tendered
    amount_minor: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class OrderRefund:
    """What went back of a line; for an unpaid bill, what it was lowered by.

    ``paid_out_minor`` is the part of the cash that left over the desk, ``paid_out_by`` its means.
    ``outage`` is the number of the session's outage it is for; None: staff gave it by hand.
    """

    line: int
    cash_minor: int
    bonus_minor: int
    at_ms: int
    paid_out_minor: int = 0
    paid_out_by: Means | None = None
    outage: int | None = None


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One tariff; ``player_tariff_id`` is what the player has once the order is paid."""

    number: int
    tariff: TariffRef
    price_minor: int
    player_tariff_id: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A financial document. ``session_id`` is set for the bill of one session.

    ``event_seq`` counts what has been told of it.
    """

    order_id: str
    club_id: str
    currency: str
    holder_id: str
    player_id: str | None
    created_at_ms: int
    lines: tuple[OrderLine, ...]
    session_id: str | None = None
    payments: tuple[Payment, ...] = ()
    refunds: tuple[OrderRefund, ...] = ()
    event_seq: int = 0
    v: int = ORDER_VERSION

    @property
    def amount_minor(self) -> int:
        """What the lines cost together."""
        return sum(line.price_minor for line in self.lines)

    @property
    def paid_minor(self) -> int:
        """What was paid, refunds aside."""
        return sum(payment.amount_minor for payment in self.payments)

    @property
    def refunded_minor(self) -> int:
        """What went back."""
        return sum(refund.cash_minor + refund.bonus_minor for refund in self.refunds)

    @property
    def refunded_by_hand_minor(self) -> int:
        """What staff gave back; the rest is in the session's own price already."""
        by_hand = (refund for refund in self.refunds if refund.outage is None)
        return sum(refund.cash_minor + refund.bonus_minor for refund in by_hand)

    @property
    def refunded_to_card_minor(self) -> int:
        """What of it was handed back to a card."""
        by_card = (one for one in self.refunds if one.paid_out_by is Means.CARD)
        return sum(one.paid_out_minor for one in by_card)

    @property
    def due_minor(self) -> int:
        """What is still to pay. Giving back what was paid makes nothing due again."""
        lowered_minor = self.refunded_minor if self.paid_minor < self.amount_minor else 0
        return max(0, self.amount_minor - self.paid_minor - lowered_minor)

    @property
    def status(self) -> OrderStatus:
        """Where its money stands."""
        if self.due_minor > 0:
            return OrderStatus.PARTLY_PAID if self.payments else OrderStatus.UNPAID
        if not self.refunds:
            return OrderStatus.PAID
        whole = self.refunded_minor >= self.amount_minor
        return OrderStatus.REFUNDED if whole else OrderStatus.PARTLY_REFUNDED


@dataclass(frozen=True, slots=True)
class Tender:
    """What the payer offers."""

    means: Tendered
    amount_minor: int


def open_order(
    tariffs: Sequence[Tariff], terms: Terms, context: OrderContext, *, order_id: str
) -> Order | Rejected:
    """An unpaid order of prepaid tariffs at today's prices in ``terms.zone``."""
    for tariff in tariffs:
        rejected = _check_line(tariff, terms, context)
        if rejected is not None:
            return rejected
    lines = tuple(
        OrderLine(
            number,
            tariff.ref,
            block_price_minor(tariff, terms, context.at_ms),
            f"{order_id}-{number}",
        )
        for number, tariff in enumerate(tariffs)
    )
    return Order(
        order_id=order_id,
        club_id=terms.club.club_id,
        currency=terms.club.currency,
        holder_id=context.holder_id,
        player_id=context.holder_id,
        created_at_ms=context.at_ms,
        lines=lines,
    )


def _check_line(tariff: Tariff, terms: Terms, context: OrderContext) -> Rejected | None:
    if not tariff.is_prepaid:
        message = f"{tariff.name} is charged while it is played"
        return Rejected(RejectionCode.TARIFF_NOT_ON_SALE, message, "tariff")
    if tariff.currency != terms.club.currency:
        message = f"{tariff.name} is priced in {tariff.currency}, the club in {terms.club.currency}"
        return Rejected(RejectionCode.TARIFF_OTHER_CURRENCY, message, "tariff")
    if not terms.zone.sells(tariff.id):
        message = f"{tariff.name} is not offered in zone {terms.zone.zone_id}"
        return Rejected(RejectionCode.TARIFF_NOT_IN_ZONE, message, "tariff")
    return check_sale(tariff, terms, context.channel, at_ms=context.at_ms)


def has_own_bill(state: SessionState) -> bool:
    """Whether a session that is over is an order too: it was made on no purchase, or cost something
    beside what it drew from purchases."""
    return state.order_id is None or state.own_minor > 0


def session_order(state: SessionState) -> Order:
    """The own bill of a session that is over: what it did not draw from purchases.

    What was paid while it ran is paid already, by a one-time guest over the desk and by a player
    from the wallet; a post-pay one is due in full.
    """
    at_ms = state.actual_end_at_ms or state.created_at_ms
    own = state.own_segments
    payments: tuple[Payment, ...] = ()
    if state.mode is not SessionMode.OPEN_ENDED:
        parts = _paid_while_it_ran(state)
        payments = tuple(Payment(means, minor, at_ms) for means, minor in parts if minor)
    return Order(
        order_id=state.session_id,
        club_id=state.club_id,
        currency=state.currency,
        holder_id=state.holder_id,
        player_id=state.player_id,
        created_at_ms=state.created_at_ms,
        lines=(OrderLine(0, own[0].tariff if own else state.tariff, state.own_minor),),
        session_id=state.session_id,
        payments=payments,
    )


def _paid_while_it_ran(state: SessionState) -> tuple[tuple[Tendered, int], ...]:
    total_minor, bonus_minor = state.own_minor, state.own_bonus_minor
    if state.player_id is not None:
        return (Tendered.BALANCE, total_minor - bonus_minor), (Tendered.BONUS, bonus_minor)
    card_minor = min(total_minor, max(0, state.guest_card_minor))
    if not state.status.is_final:
        # The card is the first to get back what is left, so cash is the first to have paid.
        card_minor = max(0, total_minor - _cash_of_guest_minor(state))
    return (Tendered.CASH, total_minor - card_minor), (Tendered.CARD, card_minor)


def _cash_of_guest_minor(state: SessionState) -> int:
    """What a guest who plays has paid in cash: all that was paid, less what came by card."""
    wallet, segment = state.known_wallet, state.open_segment
    held_minor = sum(one.pack.deferred_minor for one in state.extensions if one.pack is not None)
    if segment is not None and segment.pack is not None:
        held_minor += segment.pack.deferred_minor - segment.amount_minor
    left_minor = 0 if wallet is None else wallet.cash_minor
    return max(0, left_minor + held_minor + state.own_minor - state.guest_card_minor)


def left_on_card_minor(state: SessionState, bill: Order | None) -> int:
    """What of a one-time guest's money came by card and can still go back there. What was paid
    while the session ran is counted by the session, what was paid for its bill by the bill."""
    minor = state.guest_card_minor
    if bill is not None:
        minor -= bill.refunded_to_card_minor
    if bill is not None and state.mode is SessionMode.OPEN_ENDED:
        minor += sum(one.amount_minor for one in bill.payments if one.means is Tendered.CARD)
    return max(0, minor)


@dataclass(frozen=True, slots=True)
class Paid:
    """A payment taken: the order, where the money came from, the wallet, what was bought."""

    order: Order
    kind: TransactionKind
    amounts: tuple[tuple[Account, int], ...]
    wallet: Wallet
    player_tariffs: tuple[PlayerTariff, ...] = ()


def pay(
    order: Order, tenders: Sequence[Tender], terms: Terms, *, context: OrderContext
) -> Paid | Rejected:
    """Take a payment: a purchase at once and in full, a session's bill in any parts."""
    rejected = _check_tenders(order, tenders, terms)
    if rejected is not None:
        return rejected
    given = {
        means: sum(tender.amount_minor for tender in tenders if tender.means is means)
        for means in Tendered
    }
    payments = tuple(
        Payment(means, minor, context.at_ms) for means, minor in given.items() if minor
    )
    after = replace(order, payments=order.payments + payments)
    wallet = terms.wallet.changed(-given[Tendered.BALANCE], -given[Tendered.BONUS])
    sources = _sources(order, given)
    total_minor = sum(given.values())
    if order.session_id is not None:
        target = (receivable(order.currency, order.session_id), total_minor)
        return Paid(after, TransactionKind.PAYMENT, (*sources, target), wallet)
    target = (deferred(order.currency, order.club_id), total_minor)
    packs = _packs(order, given[Tendered.BONUS], terms, at_ms=context.at_ms)
    return Paid(after, TransactionKind.PURCHASE, (*sources, target), wallet, packs)


def _check_tenders(order: Order, tenders: Sequence[Tender], terms: Terms) -> Rejected | None:
    total_minor = sum(tender.amount_minor for tender in tenders)
    due_minor = order.due_minor
    in_full = order.session_id is None
    if total_minor > due_minor or (in_full and total_minor < due_minor):
        return Rejected(
            RejectionCode.AMOUNT_INVALID, f"{due_minor} is due, not {total_minor}", "payments"
        )
    wallet = terms.wallet
    balance_minor = _given(tenders, Tendered.BALANCE)
    bonus_minor = _given(tenders, Tendered.BONUS)
    if balance_minor and balance_minor > wallet.spendable_cash_minor:
        message = f"the wallet can pay {max(0, wallet.spendable_cash_minor)}"
        return Rejected(RejectionCode.INSUFFICIENT_FUNDS, message, "payments")
    if bonus_minor > wallet.bonus_minor:
        message = f"the wallet holds {wallet.bonus_minor} of bonus"
        return Rejected(RejectionCode.INSUFFICIENT_FUNDS, message, "payments")
    most_minor = sum(_most_bonus_minor(line, order, terms) for line in order.lines)
    if bonus_minor > most_minor:
        message = f"at most {most_minor} of this order can be paid in bonus"
        return Rejected(RejectionCode.AMOUNT_INVALID, message, "payments")
    return None


def _given(tenders: Sequence[Tender], means: Tendered) -> int:
    return sum(tender.amount_minor for tender in tenders if tender.means is means)


def _most_bonus_minor(line: OrderLine, order: Order, terms: Terms) -> int:
    """A post-pay bill takes no bonus: which part of it bonus may pay is not known any more."""
    if order.session_id is not None:
        return 0
    return line.price_minor * terms.tariffs[line.tariff].bonus_max_percent // 100


def _sources(order: Order, given: dict[Tendered, int]) -> tuple[tuple[Account, int], ...]:
    currency = order.currency
    return (
        (desk(currency, order.club_id, Means.CASH), -given[Tendered.CASH]),
        (desk(currency, order.club_id, Means.CARD), -given[Tendered.CARD]),
        (wallet_cash(currency, order.holder_id), -given[Tendered.BALANCE]),
        (wallet_bonus(currency, order.holder_id), -given[Tendered.BONUS]),
    )


def _packs(order: Order, bonus_minor: int, terms: Terms, *, at_ms: int) -> tuple[PlayerTariff, ...]:
    """What was bought; bonus pays for the first lines that take it."""
    packs = []
    for line in order.lines:
        part_minor = min(bonus_minor, _most_bonus_minor(line, order, terms))
        bonus_minor -= part_minor
        assert line.player_tariff_id is not None, "a line of a purchase gives a player tariff"
        packs.append(
            bought(
                terms.tariffs[line.tariff],
                player_tariff_id=line.player_tariff_id,
                holder_id=order.holder_id,
                club_id=order.club_id,
                at_ms=at_ms,
                price_minor=line.price_minor,
                bonus_minor=part_minor,
                order_id=order.order_id,
            )
        )
    return tuple(packs)
