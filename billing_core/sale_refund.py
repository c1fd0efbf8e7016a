"""Giving an order's money back, line by line, under each tariff's own refund policy."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from billing_core.ledger import Means, Transaction, TransactionKind, desk, wallet_cash
from billing_core.order import OrderContext, correct, refund
from billing_core.outage import OutageStatus
from billing_core.player_tariff import PlayerTariff
from billing_core.rejection import Rejected, RejectionCode
from billing_core.sale import Order, OrderLine, OrderRefund
from billing_core.session import SessionMode, SessionState
from billing_core.terms import Terms
from billing_core.wallet import Wallet


@dataclass(frozen=True, slots=True)
class Refunded:
    """What went back: the order, transactions, the wallet, what is left of what was bought."""

    order: Order
    transactions: tuple[Transaction, ...]
    wallet: Wallet
    player_tariffs: tuple[PlayerTariff, ...] = ()


@dataclass(frozen=True, slots=True)
class RefundWish:
    """All of it, one line of it, or an amount of one line."""

    line: int | None = None
    amount_minor: int | None = None


def refund_purchase(
    order: Order,
    owned: Mapping[str, PlayerTariff],
    terms: Terms,
    *,
    context: OrderContext,
    wish: RefundWish,
) -> Refunded | Rejected:
    """Give back what is left of the wished lines to the player's wallet.

    Without a line everything that can go back does; it is refused when nothing can.
    """
    lines = _wished(order, wish)
    if isinstance(lines, Rejected):
        return lines
    done = Refunded(order, (), terms.wallet)
    refusal: Rejected | None = None
    for line in lines:
        pack = owned.get(line.player_tariff_id or "")
        after = _refund_line(done, line, pack, terms=terms, context=context, wish=wish)
        if isinstance(after, Rejected):
            refusal = refusal or after
        else:
            done = after
    if done.order.refunds == order.refunds:
        assert refusal is not None, "every line was refused"
        return refusal
    return done


def _wished(order: Order, wish: RefundWish) -> tuple[OrderLine, ...] | Rejected:
    lines = tuple(line for line in order.lines if wish.line in (None, line.number))
    if not lines:
        return Rejected(RejectionCode.AMOUNT_INVALID, f"there is no line {wish.line}", "line")
    if wish.amount_minor is not None and len(lines) > 1:
        message = "an amount goes back of one line: name it"
        return Rejected(RejectionCode.AMOUNT_INVALID, message, "line")
    return lines


def _refund_line(
    done: Refunded,
    line: OrderLine,
    pack: PlayerTariff | None,
    *,
    terms: Terms,
    context: OrderContext,
    wish: RefundWish,
) -> Refunded | Rejected:
    tariff = terms.tariffs[line.tariff]
    if pack is None:
        message = f"nothing of {tariff.name} was bought"
        return Rejected(RejectionCode.NOTHING_TO_REFUND, message)
    settled = refund(
        pack,
        tariff,
        replace(terms, wallet=done.wallet),
        context=replace(context, idempotency_key=f"{context.idempotency_key}/{line.number}"),
        amount_minor=wish.amount_minor,
    )
    if isinstance(settled, Rejected):
        return settled
    assert settled.player_tariff is not None, "a refund leaves its player tariff"
    back = OrderRefund(
        line.number,
        settled.wallet.cash_minor - done.wallet.cash_minor,
        settled.wallet.bonus_minor - done.wallet.bonus_minor,
        context.at_ms,
    )
    return Refunded(
        replace(done.order, refunds=(*done.order.refunds, back)),
        (*done.transactions, *settled.transactions),
        settled.wallet,
        (*done.player_tariffs, settled.player_tariff),
    )


def paid_out(
    done: Refunded, before: Order, wallet: Wallet, *, context: OrderContext, means: Means
) -> Refunded | Rejected:
    """Hand over the desk what the refunds since ``before`` have put into the wallet as cash.

    ``wallet`` is the wallet as it was before them.
    """
    out_minor = done.wallet.cash_minor - wallet.cash_minor
    if out_minor <= 0:
        message = "nothing of it went back as cash"
        return Rejected(RejectionCode.NOTHING_TO_REFUND, message, "payout")
    if done.wallet.cash_minor < out_minor:
        message = f"the wallet holds {done.wallet.cash_minor}: the rest pays what it owes"
        return Rejected(RejectionCode.INSUFFICIENT_FUNDS, message, "payout")
    return _handed_over(done, before, ((means, out_minor),), context=context)


def change_given(
    done: Refunded,
    before: Order,
    wallet: Wallet,
    *,
    context: OrderContext,
    means: Means,
    card_minor: int,
) -> Refunded:
    """Hand a one-time guest what the refunds since ``before`` have put into the wallet, which
    nobody will ever spend: first of all to the card, of which ``card_minor`` can go back, the rest
    by ``means``. ``wallet`` is the wallet as it was before them."""
    out_minor = max(0, done.wallet.cash_minor - max(0, wallet.cash_minor))
    to_card_minor = out_minor if means is Means.CARD else min(out_minor, max(0, card_minor))
    parts = ((Means.CARD, to_card_minor), (Means.CASH, out_minor - to_card_minor))
    return _handed_over(done, before, tuple(one for one in parts if one[1]), context=context)


def _handed_over(
    done: Refunded, before: Order, parts: tuple[tuple[Means, int], ...], *, context: OrderContext
) -> Refunded:
    if not parts:
        return done
    order, count = done.order, len(before.refunds)
    out_minor = sum(part_minor for _, part_minor in parts)
    key = f"{context.idempotency_key}/paid-out"
    withdrawal = replace(context, idempotency_key=key).transaction(
        TransactionKind.WITHDRAWAL,
        (wallet_cash(order.currency, order.holder_id), -out_minor),
        *((desk(order.currency, order.club_id, means), minor) for means, minor in parts),
        session_id=order.session_id,
    )
    handed = [one for back in order.refunds[count:] for one in _paid_out_in(back, order, parts)]
    return replace(
        done,
        order=replace(order, refunds=(*order.refunds[:count], *handed)),
        transactions=(*done.transactions, withdrawal),
        wallet=done.wallet.changed(-out_minor, 0),
    )


def _paid_out_in(
    back: OrderRefund, order: Order, parts: tuple[tuple[Means, int], ...]
) -> Iterator[OrderRefund]:
    """A refund as it was handed over: one entry for each means. A session's bill is given back in
    one piece, of which a part may only have lowered it or paid what was owed."""
    if order.session_id is None:
        means = parts[0][0] if back.cash_minor else None
        yield replace(back, paid_out_minor=back.cash_minor, paid_out_by=means)
        return
    (means, out_minor), *others = parts
    others_minor = sum(minor for _, minor in others)
    own_minor = back.cash_minor - others_minor
    yield replace(back, cash_minor=own_minor, paid_out_minor=out_minor, paid_out_by=means)
    for other, minor in others:
        yield replace(
            back, cash_minor=minor, bonus_minor=0, paid_out_minor=minor, paid_out_by=other
        )


def with_outages(order: Order, before: SessionState, after: SessionState, *, at_ms: int) -> Order:
    """The bill of a session with the outages that were given back between two of its states.

    What of it the bill is lowered by and what goes to the wallet follows from what was due.
    """
    given = {one.number for one in before.outages if one.status is OutageStatus.CREDITED}
    back = tuple(
        OrderRefund(
            0, one.amount_minor - one.bonus_minor, one.bonus_minor, at_ms, outage=one.number
        )
        for one in after.outages
        if one.status is OutageStatus.CREDITED and one.number not in given and one.amount_minor
    )
    return replace(order, refunds=(*order.refunds, *back))


def refund_session(
    order: Order, state: SessionState, wallet: Wallet, *, context: OrderContext, wish: RefundWish
) -> Refunded | Rejected:
    """Give back an amount of a finished session's own bill: what is unpaid of it is lowered first,
    then what was paid goes to the wallet."""
    if wish.amount_minor is None:
        message = "say how much of the session's price goes back"
        return Rejected(RejectionCode.AMOUNT_INVALID, message, "amount_minor")
    most_minor = order.amount_minor - order.refunded_minor
    if wish.amount_minor > most_minor:
        message = f"at most {most_minor} can be given back"
        return Rejected(RejectionCode.REFUND_TOO_LARGE, message, "amount_minor")
    settled = correct(
        state,
        context,
        amount_minor=wish.amount_minor,
        corrected_minor=order.refunded_by_hand_minor,
        wallet=wallet,
        owed_minor=order.due_minor if state.mode is SessionMode.OPEN_ENDED else 0,
    )
    if isinstance(settled, Rejected):
        return settled
    bonus_minor = settled.wallet.bonus_minor - wallet.bonus_minor
    back = OrderRefund(0, wish.amount_minor - bonus_minor, bonus_minor, context.at_ms)
    after = replace(order, refunds=(*order.refunds, back))
    return Refunded(after, settled.transactions, settled.wallet)
