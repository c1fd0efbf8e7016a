"""What happens to an order's money, told once each and numbered per order."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from billing_core.sale import Order, OrderRefund, Payment, Tendered
from schemas.events import OrderEventKind

Payload: TypeAlias = dict[str, str | int | None]
Told: TypeAlias = tuple[OrderEventKind, Payload]


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One fact about an order. ``seq`` counts per order without gaps."""

    kind: OrderEventKind
    order_id: str
    session_id: str | None
    club_id: str
    seq: int
    at_ms: int
    payload: Payload

    @property
    def source(self) -> str:
        """What it happened to."""
        return f"order:{self.order_id}"


def told_of(before: Order | None, after: Order, *, at_ms: int) -> tuple[Order, list[OrderEvent]]:
    """The order as it is to be stored, and everything to tell of the step from ``before``.

    ``before`` None: it is made with this step, as an order of tariffs or as a bill that is due.
    """
    told = list(_facts(before, after))
    seq = after.event_seq
    same: Payload = {"player_id": after.player_id, "currency": after.currency}
    events = [
        OrderEvent(
            kind,
            after.order_id,
            after.session_id,
            after.club_id,
            seq + number,
            at_ms,
            same | payload,
        )
        for number, (kind, payload) in enumerate(told, start=1)
    ]
    return replace(after, event_seq=seq + len(events)), events


def _facts(before: Order | None, after: Order) -> Iterable[Told]:
    if before is None:
        yield OrderEventKind.ORDER_CREATED, {"amount_minor": after.amount_minor}
    payments = after.payments[0 if before is None else len(before.payments) :]
    if payments:
        yield OrderEventKind.ORDER_PAID, _payment(payments, after)
    for back in after.refunds[0 if before is None else len(before.refunds) :]:
        yield from _refund(back)


def _payment(payments: Iterable[Payment], after: Order) -> Payload:
    sums = {f"{means.value}_minor": 0 for means in Tendered}
    for payment in payments:
        sums[f"{payment.means.value}_minor"] += payment.amount_minor
    return {**sums, "due_minor": after.due_minor}


def _refund(back: OrderRefund) -> Iterable[Told]:
    moved: Payload = {
        "line": back.line,
        "cash_minor": back.cash_minor,
        "bonus_minor": back.bonus_minor,
    }
    yield OrderEventKind.ORDER_REFUNDED, moved
    if back.paid_out_by is not None:
        yield (
            OrderEventKind.REFUND_PAID_OUT,
            {"amount_minor": back.paid_out_minor, "means": back.paid_out_by.value},
        )
