"""Orders: what a bill says was paid, lowered and is due is what the ledger says of its session,
and a purchase was paid in full for what its holder has.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import orjson

from actors.orders import ORDER_KEY_PREFIX, order_key
from actors.store import Store, StoredEntity
from actors.unreadable import UNREADABLE_ERRORS
from billing_core.sale import Order
from billing_core.session import SessionMode, SessionState
from billing_core.stored import order_from_dict
from controller.archive import Archive, order_rows
from controller.verify.books import Document, Row
from controller.verify.history import History

ATTEMPTS_MAX: Final = 5


class BillsCheck:
    """Bills of finished sessions of one chain. Raises StoreError and ArchiveError."""

    def __init__(
        self, store: Store, chain_id: str, history: History, *, archive: Archive | None
    ) -> None:
        self._store = store
        self._chain_id = chain_id
        self._history = history
        self._archive = archive

    async def rows(
        self, states: Mapping[str, SessionState], transactions: Sequence[Document]
    ) -> list[Row]:
        """What is odd about the bills of these sessions.

        Orders were read after the transactions, so what differs is read again, until an order
        was the same before and after.
        """
        known = await self._orders(states)
        odd = _by_session(states, known, transactions)
        rows: list[Row] = []
        for session_id in odd:
            rows += await self._again(states[session_id])
        return rows

    async def _again(self, state: SessionState) -> list[Row]:
        alone = {state.session_id: state}
        before = await self._orders(alone)
        for _ in range(ATTEMPTS_MAX):
            until = (await self._store.shards_image(self._chain_id, ())).ledger_until
            transactions = await self._history.transactions_of(alone.keys(), until)
            after = await self._orders(alone)
            if before == after:
                return _by_session(alone, after, transactions).get(state.session_id, [])
            before = after
        return []

    async def _orders(self, states: Mapping[str, SessionState]) -> dict[str, StoredEntity]:
        """Bills by session: of the store, or of the archive for sessions that have left the store.

        A bill leaves after its session. One that only the archive has, of a session the store
        still holds, is of a past that the store has lost.
        """
        names = {order_key(one): one for one in states}
        stored = await self._store.documents(self._chain_id, sorted(names))
        found = {names[key]: entity for key, entity in stored.items()}
        clubs = {one: state.club_id for one, state in states.items() if one not in found}
        if self._archive is not None and clubs:
            left = sorted(await self._store.absent_sessions(self._chain_id, clubs))
            archived = await self._archive.look(order_rows.orders, self._chain_id, left)
            found |= {one: StoredEntity(order_key(one), 0, blob) for one, blob in archived.items()}
        return found


def _by_session(
    states: Mapping[str, SessionState],
    orders: Mapping[str, StoredEntity],
    transactions: Iterable[Document],
) -> dict[str, list[Row]]:
    posted: dict[str, list[Document]] = {session_id: [] for session_id in states}
    for transaction in transactions:
        if transaction["session_id"] in posted:
            posted[transaction["session_id"]].append(transaction)
    found = {}
    for session_id, state in states.items():
        rows = list(bill_is_what_was_posted(state, orders.get(session_id), posted[session_id]))
        if rows:
            found[session_id] = rows
    return found


def bill_is_what_was_posted(
    state: SessionState, stored: StoredEntity | None, posted: Sequence[Document]
) -> Iterator[Row]:
    """What a finished session's bill says against the session's transactions."""
    order = None if stored is None else read_order(stored)
    session_id = state.session_id
    if isinstance(order, Row):
        yield order
        return
    moved = _moved(posted, f"{state.currency}:receivable:{session_id}")
    paid_minor, corrected_minor, due_minor = 0, 0, 0
    if order is not None:
        corrected_minor = order.refunded_by_hand_minor
    if order is not None and state.mode is SessionMode.OPEN_ENDED:
        # Every other session was paid as it ran.
        paid_minor, due_minor = order.paid_minor, order.due_minor
    for check, expected, found in (
        ("bill paid", paid_minor, moved["payment"]),
        ("bill given back", corrected_minor, moved["correction"]),
        ("bill due", due_minor, -moved["due"]),
    ):
        if expected != found:
            yield Row(check, session_id, str(expected), str(found))


def _moved(posted: Iterable[Document], receivable: str) -> Counter[str]:
    """What was paid of a bill, what was given back by hand, and what the receivable holds."""
    moved: Counter[str] = Counter()
    for transaction in posted:
        for side in transaction["entries"]:
            account, amount_minor = side["account"], side["amount_minor"]
            if account == receivable:
                moved["due"] += amount_minor
                if transaction["kind"] == "payment":
                    moved["payment"] += amount_minor
            elif transaction["kind"] == "correction" and account.split(":")[1] == "revenue":
                moved["correction"] -= amount_minor
    return moved


def read_order(stored: StoredEntity) -> Order | Row:
    """The order, or that it cannot be read."""
    try:
        return order_from_dict(orjson.loads(stored.blob))
    except UNREADABLE_ERRORS as error:
        name = stored.key.removeprefix(ORDER_KEY_PREFIX)
        return Row("order readable", name, "an order", str(error))
