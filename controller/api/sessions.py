"""Sessions and receipts as the hosts left them in the store."""

from collections.abc import Mapping
from typing import Any

import orjson

from actors.rendering import receipt_view, session_view
from actors.store import ReadModels, StoredEntity
from billing_core.receipt import Receipt
from billing_core.stored import from_plain, session_from_dict
from schemas.views import ReceiptView, SessionView


async def find_session(
    store: ReadModels, chain_id: str, session_id: str, *, tariff_names: Mapping[str, str]
) -> SessionView | None:
    """The session, running or over; None if the chain has none by this id.

    ``tariff_names`` is keyed ``<id>:<version>``; a session that is over brings its own.
    """
    stored = await store.session(chain_id, session_id)
    if stored is None:
        return None
    closed = _closed(stored)
    if closed is None:
        state = session_from_dict(orjson.loads(stored.blob))
        return session_view(state, version=stored.version, tariff_names=tariff_names)
    state = session_from_dict(closed["state"])
    return session_view(state, version=stored.version, tariff_names=closed["tariff_names"])


async def find_receipt(store: ReadModels, chain_id: str, session_id: str) -> ReceiptView | None:
    """The session's receipt; None while there is none."""
    stored = await store.session(chain_id, session_id)
    closed = None if stored is None else _closed(stored)
    if closed is None or closed["state"]["status"] == "CANCELLED":
        return None
    return receipt_view(from_plain(Receipt, closed["receipt"]))


def _closed(stored: StoredEntity) -> dict[str, Any] | None:
    """The final document of a session that is over."""
    document: dict[str, Any] = orjson.loads(stored.blob)
    return document if "state" in document else None
