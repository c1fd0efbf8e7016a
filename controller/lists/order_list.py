"""Orders by when they were made or what they come to, page by page."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import orjson

from actors.store import ReadModels
from billing_core.sale import Order
from billing_core.stored import order_from_dict
from controller.archive.listing import OrderFilter, PageAsk, SortValue, orders_page
from controller.lists.cursors import cursor_after, merged
from controller.lists.sources import Archived, orders_told, told_since_archived


@dataclass(frozen=True, slots=True)
class ListedOrder:
    """An order as it was last changed."""

    order: Order

    @property
    def row_id(self) -> str:
        """The order's id."""
        return self.order.order_id

    def value(self, sort: str) -> SortValue:
        """See :class:`controller.lists.cursors.Listed`."""
        order = self.order
        values: dict[str, SortValue] = {
            "createdAt": order.created_at_ms,
            "amount": order.amount_minor,
            "due": order.due_minor,
            "status": order.status.value,
        }
        return values[sort]


class OrderList:
    """Pages of one chain's orders: purchases, and the bills of sessions that have one stored."""

    def __init__(self, store: ReadModels, archived: Archived | None) -> None:
        self._store = store
        self._archived = archived

    async def page(
        self, chain_id: str, wanted: OrderFilter, *, ask: PageAsk
    ) -> tuple[list[Order], str | None]:
        """(orders, cursor of the next page). Raises ArchiveBehindError, CursorError."""
        one_more = replace(ask, count=ask.count + 1)
        told = await told_since_archived(self._store, self._archived, chain_id)
        fresh = await orders_told(self._store, chain_id, told)
        documents = list(fresh.values())
        if self._archived is not None:
            documents += await self._archived.look(
                orders_page, chain_id, wanted, ask=one_more, without=list(fresh)
            )
        known = (order_from_dict(orjson.loads(one)) for one in documents)
        return page_in_hand(known, wanted, ask=ask)


def page_in_hand(
    orders: Iterable[Order], wanted: OrderFilter, *, ask: PageAsk
) -> tuple[list[Order], str | None]:
    """(orders, cursor of the next page) of orders that were read whole."""
    known = (ListedOrder(one) for one in orders if is_wanted(one, wanted))
    rows = merged(known, replace(ask, count=ask.count + 1))
    page = [one.order for one in rows[: ask.count]]
    return page, cursor_after(ask, rows[ask.count - 1]) if len(rows) > ask.count else None


def is_wanted(order: Order, wanted: OrderFilter) -> bool:
    """Whether an order passes the filter, as the archive's query has it."""
    if wanted.player_id is not None and order.player_id != wanted.player_id:
        return False
    if wanted.club_ids is not None and order.club_id not in wanted.club_ids:
        return False
    if wanted.statuses is not None and order.status.value not in wanted.statuses:
        return False
    made_ms = order.created_at_ms
    if wanted.from_ms is not None and made_ms < wanted.from_ms:
        return False
    return wanted.until_ms is None or made_ms < wanted.until_ms
