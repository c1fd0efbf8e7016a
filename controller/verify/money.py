"""Checks of money: every balance is the sum of its entries, and every sum is zero."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from actors.wallets import WalletKey, wallet_key_of
from controller.archive.sums import Span
from controller.verify.books import Document, Row


def balances_are_sums(
    expected: Mapping[str, int], balances: Mapping[str, int], accounts: Iterable[str]
) -> Iterator[Row]:
    """A balance is the sum of the ledger's entries on its account."""
    for account in sorted(accounts):
        sum_minor, found = expected.get(account, 0), balances.get(account, 0)
        if sum_minor != found:
            yield Row("balance", account, str(sum_minor), str(found))


def wallets_below_nothing(balances: Mapping[str, int]) -> dict[str, WalletKey]:
    """Accounts of wallets that owe, and whose they are."""
    found = {account: wallet_key_of(account) for account in balances if balances[account] < 0}
    return {account: key for account, key in found.items() if key is not None}


def wallets_are_within_their_limits(
    balances: Mapping[str, int], floors: Mapping[str, int]
) -> Iterator[Row]:
    """A wallet owes no more than it ever might since it owed: what was charged within the limit of
    then stays right when the limit is lowered. ``floors`` are of those below nothing."""
    for account, floor_minor in sorted(floors.items()):
        if balances[account] < -floor_minor:
            allowed = f"{-floor_minor} or more"
            yield Row("wallet limit", account, allowed, str(balances[account]))


def currencies_sum_to_zero(rows: Iterable[Row]) -> Iterator[Row]:
    """Entries sum to zero, so what balances differ by must too: else money came from nowhere."""
    sums: Counter[str] = Counter()
    for row in rows:
        if row.check == "balance":
            sums[row.subject.partition(":")[0]] += int(row.found) - int(row.expected)
    for currency, amount_minor in sorted(sums.items()):
        if amount_minor:
            yield Row("currency sum", currency, "0", str(amount_minor))


def transactions_are_balanced(transactions: Iterable[Document]) -> Iterator[Row]:
    """What a transaction takes it gives, in the same currency."""
    for transaction in transactions:
        sums: Counter[str] = Counter()
        for entry in transaction["entries"]:
            sums[entry["account"].partition(":")[0]] += entry["amount_minor"]
        for currency, amount_minor in sums.items():
            if amount_minor:
                yield Row("transaction sum", transaction["id"], f"0 {currency}", str(amount_minor))


def ids_are_unique(transactions: Iterable[Document]) -> Iterator[Row]:
    """A cause moves money once."""
    counts = Counter(transaction["id"] for transaction in transactions)
    for transaction_id, count in counts.items():
        if count > 1:
            yield Row("transaction id", transaction_id, "once", f"{count} times")


def events_have_no_gaps(
    told: Mapping[str, int], numbers: Mapping[str, Sequence[Span]]
) -> Iterator[Row]:
    """Events of a source count 1, 2, 3 ... up to what the source says it has told."""
    for source, count in told.items():
        found = sorted(numbers.get(source, ()), key=lambda span: span.first)
        if not _counts_to(found, count):
            shown = ", ".join(map(_shown, found)) or "none"
            yield Row("event sequence", source, f"1..{count}", shown)


def _counts_to(found: Sequence[Span], count: int) -> bool:
    reached = 0
    for span in found:
        if span.first != reached + 1 or span.count != span.last - reached:
            return False
        reached = span.last
    return reached == count


def _shown(span: Span) -> str:
    """``1..4`` for a reader; with how many there are, when some are missing between."""
    if span.count == 1:
        return str(span.first)
    whole = span.count == span.last - span.first + 1
    return f"{span.first}..{span.last}" + ("" if whole else f" ({span.count} of them)")
