"""Orders that have left the store: shown from the archive, and brought back to be acted on."""

from dataclasses import replace
from typing import Any, Final

import orjson

from actors.orders import KnownOrder, order_key, read_orders
from actors.store import CatalogueEdit, EntityWrite, Scope, StoredEntity
from billing_core.sale import has_own_bill, session_order
from billing_core.session import SessionState
from billing_core.stored import order_from_dict, session_from_dict
from controller.api.dependencies import ApiDependencies
from controller.archive import order_rows

_NEW: Final = 0


async def known_order(given: ApiDependencies, chain_id: str, order_id: str) -> KnownOrder | None:
    """An order wherever it is; with the finished session whose bill it is."""
    found = (await read_orders(given.store, chain_id, [order_id])).get(order_id)
    whole = found is not None and (found.order.session_id is None or found.session is not None)
    if whole or given.archived is None:
        return found
    session = _state(await given.archived.session(chain_id, order_id))
    if found is not None:
        return replace(found, session=session)
    document = await given.archived.look(order_rows.order, chain_id, order_id)
    if document is not None:
        return KnownOrder(order_from_dict(orjson.loads(document)), _NEW, session)
    if session is not None and has_own_bill(session):
        return KnownOrder(session_order(session), _NEW, session)
    return None


async def bring_back(given: ApiDependencies, chain_id: str, known: KnownOrder) -> None:
    """Put into the store what a host needs to act on the order, if it has left it.

    A session's bill comes before its final document, from which hosts would make it anew.
    """
    if given.archived is None:
        return
    store, order_id = given.store, known.order.order_id
    document = await given.archived.look(order_rows.order, chain_id, order_id)
    if document is not None and not await store.documents(chain_id, [order_key(order_id)]):
        # Refused if it is there by now, which is as good.
        write = EntityWrite(order_key(order_id), _NEW, document, Scope.CHAIN)
        await store.edit(chain_id, CatalogueEdit(documents=(write,)))
    if known.session is not None and await store.session(chain_id, order_id) is None:
        closed = await given.archived.session(chain_id, order_id)
        if closed is not None:
            await store.bring_back(chain_id, known.order.club_id, closed)


def _state(stored: StoredEntity | None) -> SessionState | None:
    if stored is None:
        return None
    document: dict[str, Any] = orjson.loads(stored.blob)
    return session_from_dict(document["state"])
