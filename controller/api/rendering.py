"""From read models to what travels over HTTP: names, instants and money of the edge.

A field ``<x>_at_ms`` becomes ``<x>_at``, ``coverage_until_ms`` becomes ``coverage_until_at``, and
``<x>_minor`` becomes ``<x>`` with the currency beside it.
"""

from collections.abc import Mapping
from typing import Any

from controller.api import models, receipt_models
from controller.api.instants import render_instant
from controller.api.principal import Principal
from schemas.views import HallTile, ReceiptView, SessionView, WalletView

_MONEY = {
    "amount_minor",
    "bonus_minor",
    "card_minor",
    "cash_minor",
    "due_minor",
    "forfeited_minor",
    "left_minor",
    "paid_minor",
    "paid_out_minor",
    "price_minor",
    "refunded_minor",
    "total_minor",
}
_ABOUT_THE_SESSION = (
    "session_id",
    "session_status",
    "player_id",
    "player_label",
    "tariff_id",
    "tariff_name",
    "started_at_ms",
    "planned_start_at_ms",
    "coverage_until_ms",
    "coverage_cause",
    "coverage_status",
)
_DROPPED = {"v", "currency"}


def tile_of(view: HallTile) -> models.Tile:
    """A tile of the hall."""
    return models.Tile.model_validate(edge_of(view.model_dump(), ""))


def seen_by(principal: Principal, tile: HallTile) -> HallTile:
    """The tile without who plays there and for how long, unless that is the caller's business."""
    if principal.player_id is None or tile.player_id == principal.player_id:
        return tile
    return tile.model_copy(update=dict.fromkeys(_ABOUT_THE_SESSION))


def session_of(view: SessionView) -> models.Session:
    """A session."""
    return models.Session.model_validate(edge_of(view.model_dump(), view.currency))


def receipt_of(view: ReceiptView) -> receipt_models.Receipt:
    """A receipt."""
    return receipt_models.Receipt.model_validate(edge_of(view.model_dump(), view.currency))


def ended_session_of(view: SessionView, receipt: ReceiptView | None) -> receipt_models.EndedSession:
    """A session after its end, with its receipt where one was written."""
    fields = edge_of(view.model_dump(), view.currency)
    fields["receipt"] = None if receipt is None else receipt_of(receipt)
    return receipt_models.EndedSession.model_validate(fields)


def balance_of(view: WalletView) -> models.Balance:
    """A wallet's balance in its currency."""
    return models.Balance(
        cash=models.Money(amount_minor=view.cash_minor, currency=view.currency),
        bonus=models.Money(amount_minor=view.bonus_minor, currency=view.currency),
        credit_limit=models.Money(amount_minor=view.credit_limit_minor, currency=view.currency),
    )


def edge_of(fields: Mapping[str, Any], currency: str) -> dict[str, Any]:
    """A view's fields under the names of the edge, money with its currency beside it."""
    rendered: dict[str, Any] = {}
    for name, value in fields.items():
        if name in _DROPPED:
            continue
        if name in _MONEY:
            rendered[name.removesuffix("_minor")] = {"amount_minor": value, "currency": currency}
        elif name.endswith("_ms"):
            stem = name.removesuffix("_ms").removesuffix("_at")
            rendered[f"{stem}_at"] = None if value is None else render_instant(value)
        elif isinstance(value, Mapping):
            rendered[name] = edge_of(value, currency)
        elif isinstance(value, (list, tuple)):
            rendered[name] = [edge_of(each, currency) for each in value]
        else:
            rendered[name] = value
    return rendered
