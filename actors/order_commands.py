"""Orders: made, paid, given back. Each is one decision over the order, a wallet and a holder."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from actors.club_setup import zone_terms
from actors.command_context import CommandContext
from actors.order_events import told_of
from actors.order_rendering import order_view
from actors.orders import KnownOrder
from actors.refusal import Refusal, refused_by_billing
from actors.wallets import WalletKey
from billing_core.ledger import Means, Transaction, is_guest
from billing_core.order import OrderContext
from billing_core.rejection import Rejected
from billing_core.sale import Order, Paid, Tender, Tendered, left_on_card_minor, open_order, pay
from billing_core.sale_refund import (
    Refunded,
    RefundWish,
    change_given,
    paid_out,
    refund_purchase,
    refund_session,
)
from billing_core.tariff import Channel, Tariff
from billing_core.terms import Terms, ZoneTerms
from schemas.commands import (
    CommandReply,
    CreateOrder,
    OrderPayment,
    PayOrder,
    RefundOrder,
    ReplyStatus,
)

PRICE_HOLDS_MS: Final = 24 * 3_600_000
"""An order that is not paid within a day has lost its price."""
NO_SUCH_ORDER: Final = Refusal("order-not-found", "there is no such order", "order_id")
NOT_DUE: Final = Refusal("order-not-due", "the session's bill is known when it is over", "order_id")


def create_order(context: CommandContext, command: CreateOrder) -> CommandReply | Refusal:
    """Order tariffs for a player, and pay at once if payments come with it or nothing is due."""
    if context.drafting.player(command.player_id) is None:
        return Refusal("player-not-found", f"no player {command.player_id}", "player_id")
    zone = _zone(context, command.zone_id)
    if isinstance(zone, Refusal):
        return zone
    tariffs = _tariffs(context, command.tariff_ids)
    if isinstance(tariffs, Refusal):
        return tariffs
    terms = _terms(context, command.player_id, zone)
    order = open_order(
        tariffs, terms, _order_context(context, command.player_id), order_id=command.order_id
    )
    if isinstance(order, Rejected):
        return refused_by_billing(order)
    if order.due_minor and not command.payments:
        return _written(context, order, before=None, version=0)
    return _pay(context, KnownOrder(order, 0), command.payments, terms=terms)


def _zone(context: CommandContext, zone_id: str | None) -> ZoneTerms | Refusal:
    if zone_id is None:
        return ZoneTerms(zone_id="")
    zone = context.club.setup.zones.get(zone_id)
    if zone is None:
        return Refusal("zone-not-found", f"no zone {zone_id} in this club", "zone_id")
    return zone_terms(zone)


def _tariffs(context: CommandContext, tariff_ids: Sequence[str]) -> list[Tariff] | Refusal:
    setup, found = context.club.setup, []
    for tariff_id in tariff_ids:
        ref = setup.newest.get(tariff_id)
        if ref is None:
            return Refusal("tariff-not-found", f"no tariff {tariff_id}", "tariff_ids")
        found.append(setup.tariffs[ref])
    return found


def pay_order(context: CommandContext, command: PayOrder) -> CommandReply | Refusal:
    """Take a payment for an order that is due."""
    known = _due_order(context, command.order_id)
    if isinstance(known, Refusal):
        return known
    order = known.order
    if order.session_id is None and order.created_at_ms + PRICE_HOLDS_MS <= context.now.wall_ms:
        return Refusal("order-expired", "the order's price held for a day", "order_id")
    terms = _terms(context, order.holder_id, ZoneTerms(zone_id=""))
    return _pay(context, known, command.payments, terms=terms)


def _due_order(context: CommandContext, order_id: str) -> KnownOrder | Refusal:
    if context.drafting.session(order_id) is not None:
        return NOT_DUE
    known = context.drafting.order(order_id)
    if known is None or known.order.club_id != context.club.club_id:
        return NO_SUCH_ORDER
    if known.order.due_minor == 0:
        return Refusal("order-paid", "the order is paid", "order_id")
    return known


def _pay(
    context: CommandContext, known: KnownOrder, payments: Sequence[OrderPayment], *, terms: Terms
) -> CommandReply | Refusal:
    order = known.order
    tenders = [Tender(Tendered(one.means.value), one.amount_minor) for one in payments]
    asking = _order_context(context, order.holder_id)
    paid = pay(order, tenders, terms, context=asking)
    if isinstance(paid, Rejected):
        return refused_by_billing(paid)
    transaction = asking.transaction(paid.kind, *paid.amounts, session_id=order.session_id)
    moved = (transaction,) if transaction.entries else ()
    _take(context, paid, moved, terms=terms)
    before = known.order if known.version or order.session_id is not None else None
    return _written(context, paid.order, before=before, version=known.version)


def refund_order(context: CommandContext, command: RefundOrder) -> CommandReply | Refusal:
    """Give back what is left, to where the tariffs' refund policies send it."""
    known = context.drafting.order(command.order_id)
    if context.drafting.session(command.order_id) is not None:
        return NOT_DUE
    if known is None or known.order.club_id != context.club.club_id:
        return NO_SUCH_ORDER
    order = known.order
    terms = _terms(context, order.holder_id, ZoneTerms(zone_id=""))
    asking = _order_context(context, order.holder_id)
    if order.session_id is None:
        done = _refund_bought(order, command, terms=terms, asking=asking)
    else:
        done = _refund_bill(context, known, command, terms=terms, asking=asking)
    if isinstance(done, Refusal):
        return done
    if isinstance(done, Rejected):
        return refused_by_billing(done)
    _take(context, done, done.transactions, terms=terms)
    return _written(context, done.order, before=order, version=known.version)


def _refund_bought(
    order: Order, command: RefundOrder, *, terms: Terms, asking: OrderContext
) -> Refunded | Rejected | Refusal:
    if order.due_minor:
        return Refusal("order-not-paid", "nothing was paid for this order", "order_id")
    owned = {pack.player_tariff_id: pack for pack in terms.player_tariffs}
    wish = RefundWish(command.line, command.amount_minor)
    done = refund_purchase(order, owned, terms, context=asking, wish=wish)
    if command.payout is None or isinstance(done, Rejected):
        return done
    means = Means(command.payout.value)
    return paid_out(done, order, terms.wallet, context=asking, means=means)


def _refund_bill(
    context: CommandContext,
    known: KnownOrder,
    command: RefundOrder,
    *,
    terms: Terms,
    asking: OrderContext,
) -> Refunded | Rejected | Refusal:
    order = known.order
    if known.session is None or order.session_id is None:
        return NO_SUCH_ORDER
    ended = context.drafting.ended(order.session_id)
    state = known.session if ended is None else ended.state
    wish = RefundWish(command.line, command.amount_minor)
    done = refund_session(order, state, terms.wallet, context=asking, wish=wish)
    if isinstance(done, Rejected):
        return done
    if is_guest(order.holder_id):
        means = Means.CASH if command.payout is None else Means(command.payout.value)
        card_minor = left_on_card_minor(state, order)
        return change_given(
            done, order, terms.wallet, context=asking, means=means, card_minor=card_minor
        )
    if command.payout is None:
        return done
    means = Means(command.payout.value)
    return paid_out(done, order, terms.wallet, context=asking, means=means)


def _remember(context: CommandContext, order: Order) -> None:
    """Whoever judges the session's outages later must not give the same money back again."""
    ended = None if order.session_id is None else context.drafting.ended(order.session_id)
    if ended is not None:
        refunded_minor = order.refunded_by_hand_minor
        context.drafting.put_ended(replace(ended, refunded_minor=refunded_minor, bill=order))


def _take(
    context: CommandContext,
    change: Paid | Refunded,
    transactions: Sequence[Transaction],
    *,
    terms: Terms,
) -> None:
    drafting, order = context.drafting, change.order
    drafting.transactions += transactions
    if change.wallet != terms.wallet:
        drafting.put_wallet(WalletKey(order.currency, order.holder_id), change.wallet)
    if change.player_tariffs:
        drafting.put_bought(order.holder_id, change.player_tariffs)


def _written(
    context: CommandContext, after: Order, *, before: Order | None, version: int
) -> CommandReply:
    order, events = told_of(before, after, at_ms=context.now.wall_ms)
    context.drafting.put_order(order, version)
    context.drafting.order_events += events
    _remember(context, order)
    names = context.club.setup.names_of(line.tariff for line in order.lines)
    view = order_view(order, names)
    return CommandReply(status=ReplyStatus.OK, result={"order": view.model_dump(mode="json")})


def _terms(context: CommandContext, holder_id: str, zone: ZoneTerms) -> Terms:
    drafting, setup = context.drafting, context.club.setup
    player = None if is_guest(holder_id) else drafting.player(holder_id)
    return Terms(
        club=setup.terms,
        tariffs=setup.tariffs,
        zone=zone,
        wallet=drafting.wallet(WalletKey(setup.terms.currency, holder_id)),
        groups=() if player is None else player.groups,
        player_tariffs=drafting.bought(holder_id),
    )


def _order_context(context: CommandContext, holder_id: str) -> OrderContext:
    return OrderContext(
        idempotency_key=context.name,
        at_ms=context.now.wall_ms,
        holder_id=holder_id,
        channel=Channel(context.cause.envelope.channel.value),
    )
