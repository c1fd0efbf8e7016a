"""Checks of what a session says beside its price: what it forfeited, what was handed back.

Sessions that began under stored version 1 did not write it down, and nothing tells them from
others once they were written anew. So less may be told than was posted, never more. The receipt
says what the session says.
"""

from collections import Counter
from collections.abc import Iterator

from billing_core.ledger import Means
from billing_core.session import HandedBack
from controller.verify.books import Books, Document, Row


def forfeits_were_posted(books: Books) -> Iterator[Row]:
    """What sessions say they forfeited became revenue, and the receipt has the same."""
    posted: Counter[str] = Counter()
    for transaction in books.transactions:
        if transaction["kind"] == "forfeit" and transaction["session_id"] is not None:
            posted[transaction["session_id"]] += _to(transaction, "revenue")
    for session_id, state in books.states.items():
        told_minor = state.forfeited_minor
        if told_minor > posted[session_id]:
            yield Row("forfeited", session_id, str(posted[session_id]), str(told_minor))
        receipt = _receipt(books, session_id)
        if receipt is not None:
            lines_minor = sum(one["amount_minor"] for one in receipt.get("forfeits", ()))
            if lines_minor != told_minor:
                yield Row("receipt forfeits", session_id, str(told_minor), str(lines_minor))


def _receipt(books: Books, session_id: str) -> Document | None:
    document = books.closed.get(session_id)
    return None if document is None else document["receipt"]


def change_was_posted(books: Books) -> Iterator[Row]:
    """What sessions say the desk handed back left it by the means they say."""
    posted: Counter[tuple[str, str]] = Counter()
    for transaction in books.transactions:
        if str(transaction["id"]).startswith("withdrawal/"):
            for means in Means:
                key = (transaction["session_id"], means.value)
                posted[key] += _to(transaction, "desk", means.value)
    for session_id, state in books.states.items():
        back = state.handed_back or HandedBack()
        receipt = _receipt(books, session_id)
        on_receipt = back if receipt is None else HandedBack(**(receipt.get("handed_back") or {}))
        if on_receipt != back:
            yield Row("receipt handed back", session_id, str(back), str(on_receipt))
        for means, minor in ((Means.CARD, back.card_minor), (Means.CASH, back.cash_minor)):
            if minor > posted[session_id, means.value]:
                expected = f"{posted[session_id, means.value]} {means}"
                yield Row("handed back", session_id, expected, f"{minor} {means}")


def _to(transaction: Document, kind: str, last: str | None = None) -> int:
    """What a transaction moved to accounts of a kind, ending in a name if one is given."""
    return sum(
        entry["amount_minor"]
        for entry in transaction["entries"]
        if entry["account"].split(":")[1] == kind
        and last in (None, entry["account"].rpartition(":")[2])
    )
