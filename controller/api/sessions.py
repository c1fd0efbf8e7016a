"""Sessions and receipts as the hosts left them in the store."""

from collections.abc import Mapping
from typing import Any

import orjson

from actors.rendering import receipt_view, session_view
from actors.store import StoredEntity
from billing_core.receipt import Receipt
from billing_core.stored import from_plain, session_from_dict
from controller.api.dependencies import ApiDependencies
from controller.api.principal import Principal
from schemas.views import ReceiptView, SessionView


async def stored_session(
    given: ApiDependencies, principal: Principal, session_id: str
) -> StoredEntity | None:
    """The session's document: from the store, or from the archive once it moved there.

    None for one that is not the principal's to see, as if there were none.
    """
    stored = await given.store.session(principal.chain_id, session_id)
    if stored is None and given.archived is not None:
        stored = await given.archived.session(principal.chain_id, session_id)
    return stored if stored is not None and _is_seen(principal, stored) else None


async def club_of(given: ApiDependencies, principal: Principal, session_id: str) -> str | None:
    """The club of a session that is the principal's to act on; None if there is none."""
    club_id = await given.store.club_of_session(principal.chain_id, session_id)
    if club_id is None or not principal.sees_club(club_id):
        return None
    if principal.player_id is None:
        return club_id
    stored = await given.store.session(principal.chain_id, session_id)
    return club_id if stored is not None and _is_seen(principal, stored) else None


def _is_seen(principal: Principal, stored: StoredEntity) -> bool:
    document: dict[str, Any] = orjson.loads(stored.blob)
    state = document.get("state", document)
    return principal.sees(state["club_id"], state["player_id"])


def shown_session(
    stored: StoredEntity | None, tariff_names: Mapping[str, str]
) -> SessionView | None:
    """The session, running or over.

    ``tariff_names`` is keyed ``<id>:<version>``; a session that is over brings its own.
    """
    if stored is None:
        return None
    closed = _closed(stored)
    if closed is None:
        state = session_from_dict(orjson.loads(stored.blob))
        return session_view(state, version=stored.version, tariff_names=tariff_names)
    state = session_from_dict(closed["state"])
    return session_view(state, version=stored.version, tariff_names=closed["tariff_names"])


def shown_receipt(stored: StoredEntity | None) -> ReceiptView | None:
    """The session's receipt; None while there is none."""
    closed = None if stored is None else _closed(stored)
    if closed is None or closed["state"]["status"] == "CANCELLED":
        return None
    return receipt_view(from_plain(Receipt, closed["receipt"]))


def _closed(stored: StoredEntity) -> dict[str, Any] | None:
    """The final document of a session that is over."""
    document: dict[str, Any] = orjson.loads(stored.blob)
    return document if "state" in document else None
