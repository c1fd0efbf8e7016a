"""Orders as stored: chain documents, and the bill of a session that has none yet."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import orjson

from actors.store import StoredEntity
from billing_core.sale import Order, has_own_bill, session_order
from billing_core.session import SessionState
from billing_core.stored import order_from_dict, session_from_dict

ORDER_KEY_PREFIX: Final = "order:"


def order_key(order_id: str) -> str:
    """The key of an order among the chain's documents."""
    return ORDER_KEY_PREFIX + order_id


@dataclass(frozen=True, slots=True)
class KnownOrder:
    """An order as just read. Version 0: not stored, it follows from its session.

    ``session`` is the finished session whose bill it is, as long as the store keeps that.
    """

    order: Order
    version: int
    session: SessionState | None = None

    def corrected(self, session: SessionState) -> "KnownOrder":
        """The same once its session has been corrected."""
        order = self.order if self.version else session_order(session)
        return replace(self, order=order, session=session)


class OrderShelf(Protocol):
    """The part of the store that keeps orders and finished sessions."""

    async def documents(self, chain_id: str, keys: Sequence[str]) -> dict[str, StoredEntity]:
        """Chain documents that exist, by key."""

    async def session(self, chain_id: str, session_id: str) -> StoredEntity | None:
        """A session's stored document, running or closed."""


async def read_orders(
    store: OrderShelf, chain_id: str, order_ids: Iterable[str]
) -> dict[str, KnownOrder]:
    """The orders that exist, as the store has them now."""
    wanted = sorted(set(order_ids))
    documents = await store.documents(chain_id, [order_key(one) for one in wanted])
    found = {}
    for order_id in wanted:
        document = documents.get(order_key(order_id))
        session = _finished(await store.session(chain_id, order_id))
        if document is not None:
            order = order_from_dict(orjson.loads(document.blob))
            found[order_id] = KnownOrder(order, document.version, session)
        elif session is not None and has_own_bill(session):
            found[order_id] = KnownOrder(session_order(session), 0, session)
    return found


def _finished(stored: StoredEntity | None) -> SessionState | None:
    if stored is None:
        return None
    document: dict[str, Any] = orjson.loads(stored.blob)
    return session_from_dict(document["state"]) if "state" in document else None
