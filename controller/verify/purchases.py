"""Orders in the store: paid in full for what their holders have, and told of without a gap."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

from actors.bought import read_bought
from actors.orders import ORDER_KEY_PREFIX, order_key
from actors.store import Store, StoredEntity
from billing_core.player_tariff import PlayerTariff
from billing_core.sale import Order
from billing_core.stored import StoredValueError
from controller.verify import money
from controller.verify.bills import ATTEMPTS_MAX, read_order
from controller.verify.books import Row
from controller.verify.history import History
from controller.verify.prepaid import BOUGHT_KEY_PREFIX
from schemas.events import ORDER_SOURCE


class OrdersCheck:
    """One chain's. Raises StoreError and ArchiveError."""

    def __init__(self, store: Store, chain_id: str, history: History) -> None:
        self._store = store
        self._chain_id = chain_id
        self._history = history

    async def rows(self) -> AsyncIterator[Row]:
        """Every order in the store, page by page."""
        after: str | None = None
        while True:
            page = await self._store.documents_page(self._chain_id, ORDER_KEY_PREFIX, after)
            orders = []
            for stored in page.documents:
                order = read_order(stored)
                if isinstance(order, Row):
                    yield order
                else:
                    orders.append(order)
            for row in (*await self._purchases(orders), *await self._untold(orders)):
                yield row
            if (after := page.after) is None:
                return

    async def _purchases(self, orders: Sequence[Order]) -> list[Row]:
        purchases = [order for order in orders if order.session_id is None]
        keys = {BOUGHT_KEY_PREFIX + order.holder_id for order in purchases}
        # Read after the orders: what has gone back of a bought tariff only grows.
        stored = await self._store.documents(self._chain_id, sorted(keys))
        packs = {pack.player_tariff_id: pack for one in stored.values() for pack in _packs(one)}
        return [row for order in purchases for row in purchase_is_what_is_held(order, packs)]

    async def _untold(self, orders: Sequence[Order]) -> list[Row]:
        told = {ORDER_SOURCE + order.order_id: order.event_seq for order in orders}
        rows = await self._gaps(told)
        # An order that changed since has told more than was read of it.
        return [row for suspect in rows for row in await self._still_untold(suspect.subject)]

    async def _gaps(self, told: Mapping[str, int]) -> list[Row]:
        until = (await self._store.shards_image(self._chain_id, ())).outbox_until
        numbers = await self._history.numbers_of(told.keys(), until)
        return list(money.events_have_no_gaps(told, numbers))

    async def _still_untold(self, source: str) -> list[Row]:
        key = order_key(source.removeprefix(ORDER_SOURCE))
        before = await self._store.documents(self._chain_id, [key])
        for _ in range(ATTEMPTS_MAX):
            order = read_order(before[key]) if key in before else None
            if not isinstance(order, Order):
                return []
            rows = await self._gaps({source: order.event_seq})
            after = await self._store.documents(self._chain_id, [key])
            if before == after:
                return rows
            before = after
        return []


def _packs(stored: StoredEntity) -> Sequence[PlayerTariff]:
    try:
        return read_bought(stored.blob)
    except (StoredValueError, ValueError, TypeError, KeyError):
        # The check of prepaid time has said so.
        return ()


def purchase_is_what_is_held(order: Order, packs: Mapping[str, PlayerTariff]) -> Iterator[Row]:
    """Paid in full or not at all; what it sold cost no less, and gave back no less than it says.

    A dearer zone adds to the price of what was bought, and the end of a session may give back.
    """
    if order.payments and order.paid_minor != order.amount_minor:
        yield Row("order paid", order.order_id, str(order.amount_minor), str(order.paid_minor))
    for line in order.lines:
        pack = packs.get(line.player_tariff_id or "")
        if pack is None:
            continue
        subject = f"{order.order_id}/{line.number}"
        if pack.order_id != order.order_id:
            yield Row("order line", subject, order.order_id, str(pack.order_id))
        if pack.price_minor < line.price_minor:
            yield Row("order price", subject, str(line.price_minor), str(pack.price_minor))
        back_minor = sum(
            one.cash_minor + one.bonus_minor for one in order.refunds if one.line == line.number
        )
        if back_minor > pack.returned_minor:
            yield Row("order given back", subject, str(back_minor), str(pack.returned_minor))
