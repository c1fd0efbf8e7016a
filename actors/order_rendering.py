"""Orders and bought tariffs as a CRM sees them."""

from collections.abc import Mapping

from actors.rendering import UNKNOWN_TARIFF
from billing_core.money import MS_PER_MINUTE
from billing_core.player_tariff import PlayerTariff
from billing_core.sale import Order, OrderLine
from schemas.views import (
    OrderLineView,
    OrderPaymentView,
    OrderRefundView,
    OrderView,
    PlayerTariffView,
)


def order_view(order: Order, tariff_names: Mapping[str, str]) -> OrderView:
    """An order. ``tariff_names`` is keyed ``<id>:<version>``."""
    return OrderView(
        order_id=order.order_id,
        club_id=order.club_id,
        player_id=order.player_id,
        session_id=order.session_id,
        status=order.status.value,
        currency=order.currency,
        created_at_ms=order.created_at_ms,
        amount_minor=order.amount_minor,
        due_minor=order.due_minor,
        paid_minor=order.paid_minor,
        refunded_minor=order.refunded_minor,
        lines=tuple(_line(line, tariff_names) for line in order.lines),
        payments=tuple(
            OrderPaymentView(
                means=payment.means.value,
                amount_minor=payment.amount_minor,
                paid_at_ms=payment.at_ms,
            )
            for payment in order.payments
        ),
        refunds=tuple(
            OrderRefundView(
                line=refund.line,
                cash_minor=refund.cash_minor,
                bonus_minor=refund.bonus_minor,
                refunded_at_ms=refund.at_ms,
                paid_out_minor=refund.paid_out_minor,
                paid_out_by=None if refund.paid_out_by is None else refund.paid_out_by.value,
                outage=refund.outage,
            )
            for refund in order.refunds
        ),
    )


def _line(line: OrderLine, tariff_names: Mapping[str, str]) -> OrderLineView:
    name = f"{line.tariff.id}:{line.tariff.version}"
    return OrderLineView(
        number=line.number,
        tariff_id=line.tariff.id,
        tariff_version=line.tariff.version,
        tariff_name=tariff_names.get(name, UNKNOWN_TARIFF),
        price_minor=line.price_minor,
        player_tariff_id=line.player_tariff_id,
    )


def player_tariff_view(
    owned: PlayerTariff, *, currency: str, tariff_names: Mapping[str, str]
) -> PlayerTariffView:
    """A bought tariff, its time in whole minutes."""
    name = f"{owned.tariff.id}:{owned.tariff.version}"
    return PlayerTariffView(
        player_tariff_id=owned.player_tariff_id,
        tariff_id=owned.tariff.id,
        tariff_version=owned.tariff.version,
        tariff_name=tariff_names.get(name, UNKNOWN_TARIFF),
        order_id=owned.order_id,
        club_id=owned.club_id,
        currency=currency,
        status=owned.status.value,
        bought_at_ms=owned.bought_at_ms,
        price_minor=owned.price_minor,
        left_minor=owned.deferred_minor,
        total_minutes=_minutes(owned.total_ms),
        remaining_minutes=_minutes(owned.remaining_ms),
        total_sessions=owned.total_sessions,
        remaining_sessions=owned.remaining_sessions,
        session_id=owned.session_id,
    )


def _minutes(duration_ms: int | None) -> int | None:
    return None if duration_ms is None else duration_ms // MS_PER_MINUTE
