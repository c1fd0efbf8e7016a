"""Checks of money: every balance is the sum of its entries, and every sum is zero."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from actors.orders import ORDER_KEY_PREFIX
from controller.verify.books import Books, Row
from schemas.events import source_of


def balances_are_sums(books: Books) -> Iterator[Row]:
    """A balance is the sum of the ledger's entries on its account."""
    sums: Counter[str] = Counter()
    for transaction in books.transactions:
        for entry in transaction["entries"]:
            sums[entry["account"]] += entry["amount_minor"]
    balances = books.image.balances
    for account in sorted(sums.keys() | balances.keys()):
        if sums[account] != balances.get(account, 0):
            yield Row("balance", account, str(sums[account]), str(balances.get(account, 0)))


def currencies_sum_to_zero(books: Books) -> Iterator[Row]:
    """All accounts of a currency together hold nothing."""
    sums: Counter[str] = Counter()
    for account, amount_minor in books.image.balances.items():
        sums[account.partition(":")[0]] += amount_minor
    for currency, amount_minor in sorted(sums.items()):
        if amount_minor:
            yield Row("currency sum", currency, "0", str(amount_minor))


def transactions_are_balanced(books: Books) -> Iterator[Row]:
    """What a transaction takes it gives, in the same currency."""
    for transaction in books.transactions:
        sums: Counter[str] = Counter()
        for entry in transaction["entries"]:
            sums[entry["account"].partition(":")[0]] += entry["amount_minor"]
        for currency, amount_minor in sums.items():
            if amount_minor:
                yield Row("transaction sum", transaction["id"], f"0 {currency}", str(amount_minor))


def ids_are_unique(books: Books) -> Iterator[Row]:
    """A cause moves money once."""
    counts = Counter(transaction["id"] for transaction in books.transactions)
    for transaction_id, count in counts.items():
        if count > 1:
            yield Row("transaction id", transaction_id, "once", f"{count} times")


def events_have_no_gaps(books: Books) -> Iterator[Row]:
    """Events of a source count 1, 2, 3 ... up to what the source says it has told."""
    seqs: defaultdict[str, list[int]] = defaultdict(list)
    for entry in books.events:
        seqs[source_of(entry)].append(entry["event"]["seq"])
    for source, count in books.told.items():
        found = sorted(seqs.pop(source, []))
        if found != list(range(1, count + 1)):
            yield Row("event sequence", source, f"1..{count}", _ranges(found))
    for source, unsorted in seqs.items():
        found = sorted(unsorted)
        if not source.startswith(ORDER_KEY_PREFIX):
            yield Row("event of nothing", source, "a session, a PC or a club", "none")
        elif found != list(range(1, len(found) + 1)):
            # An order may have left the store; what was told of it must still have no gaps.
            yield Row("event sequence", source, f"1..{len(found)}", _ranges(found))


def _ranges(numbers: list[int]) -> str:
    """``1..4, 6`` for a reader."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    shown = (str(first) if first == last else f"{first}..{last}" for first, last in parts)
    return ", ".join(shown) or "none"
