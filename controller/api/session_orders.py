"""The orders a session is paid through: its own bill, running or over, and purchases it drew on."""

from typing import Any

import orjson

from actors.store import StoredEntity
from billing_core.sale import Order, has_own_bill, session_order
from billing_core.session import SessionState
from billing_core.stored import session_from_dict
from controller.api.dependencies import ApiDependencies
from controller.api.past_orders import known_order
from controller.api.principal import Principal
from controller.api.sessions import stored_session


async def shown_order(given: ApiDependencies, principal: Principal, order_id: str) -> Order | None:
    """An order that is the principal's to see; of a session that runs, its bill so far."""
    known = await known_order(given, principal.chain_id, order_id)
    order = known.order if known is not None else await _bill_so_far(given, principal, order_id)
    seen = order is not None and principal.sees(order.club_id, order.player_id)
    return order if seen else None


async def orders_of(given: ApiDependencies, principal: Principal, session_id: str) -> list[Order]:
    """Every order of a session that is the principal's to see, its own bill first."""
    session = _state(await stored_session(given, principal, session_id))
    if session is None:
        return []
    purchases = (
        session.order_id,
        *(one.purchase_id for one in session.segments),
        *(one.pack.order_id for one in session.extensions if one.pack is not None),
        *(one.purchase_id for one in session.forfeits),
    )
    ids = dict.fromkeys((session_id, *(one for one in purchases if one is not None)))
    found = [await shown_order(given, principal, one) for one in ids]
    return [one for one in found if one is not None]


async def _bill_so_far(
    given: ApiDependencies, principal: Principal, session_id: str
) -> Order | None:
    session = _state(await stored_session(given, principal, session_id))
    return session_order(session) if session is not None and has_own_bill(session) else None


def _state(stored: StoredEntity | None) -> SessionState | None:
    if stored is None:
        return None
    document: dict[str, Any] = orjson.loads(stored.blob)
    return session_from_dict(document.get("state", document))
