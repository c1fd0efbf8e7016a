"""All checks over all chains, and what they found."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from actors.store import Store
from controller.verify import money, sessions
from controller.verify.books import ArchivedHistory, Books, Row, read_books

CHECKS: tuple[Callable[[Books], Iterator[Row]], ...] = (
    money.balances_are_sums,
    money.currencies_sum_to_zero,
    money.transactions_are_balanced,
    money.ids_are_unique,
    money.events_have_no_gaps,
    sessions.steps_are_complete,
    sessions.segments_are_what_was_posted,
    sessions.transactions_have_sessions,
    sessions.receipts_add_up,
    sessions.claims_are_of_started_sessions,
    sessions.pcs_are_held_by_the_living,
    sessions.sessions_are_indexed,
)


@dataclass(frozen=True, slots=True)
class Report:
    """``rows`` are what differs; the counts say how much was looked at."""

    rows: tuple[Row, ...] = ()
    chains: int = 0
    accounts: int = 0
    transactions: int = 0
    events: int = 0
    sessions: int = 0

    @property
    def ok(self) -> bool:
        """Everything agrees."""
        return not self.rows

    def __add__(self, other: "Report") -> "Report":
        return Report(
            (*self.rows, *other.rows),
            self.chains + other.chains,
            self.accounts + other.accounts,
            self.transactions + other.transactions,
            self.events + other.events,
            self.sessions + other.sessions,
        )


async def verify(store: Store, archive: ArchivedHistory | None) -> Report:
    """Check every chain. Without an archive the store must still hold its whole history."""
    report = Report()
    for chain_id in await store.chains():
        report += await verify_chain(store, chain_id, archive)
    return report


async def verify_chain(store: Store, chain_id: str, archive: ArchivedHistory | None) -> Report:
    """Check one chain; ``subject`` of each row begins with the chain's id."""
    books = await read_books(store, chain_id, archive)
    found = [*books.problems, *(row for check in CHECKS for row in check(books))]
    return Report(
        tuple(Row(r.check, f"{chain_id} {r.subject}", r.expected, r.found) for r in found),
        chains=1,
        accounts=len(books.image.balances),
        transactions=len(books.transactions),
        events=len(books.events),
        sessions=len(books.states),
    )
