"""All checks over all chains, and what they found."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from actors.store import Store
from controller.archive import Archive, sums
from controller.verify.books import Row
from controller.verify.chain_check import ChainCheck
from controller.verify.comparing import differences
from controller.verify.whole import WholeCheck


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


def report_of(check: ChainCheck, rows: Iterable[Row], chain_id: str) -> Report:
    """One chain's, with its id before each subject."""
    return Report(
        tuple(Row(r.check, f"{chain_id} {r.subject}", r.expected, r.found) for r in rows),
        chains=1,
        accounts=check.accounts,
        transactions=check.transactions,
        events=check.events,
        sessions=check.sessions,
    )


async def verify(store: Store, archive: Archive | None) -> Report:
    """Check every chain. Without an archive the store must still hold its whole history."""
    report = Report()
    for chain_id in await store.chains():
        report += await verify_chain(store, chain_id, archive)
    return report


async def verify_chain(store: Store, chain_id: str, archive: Archive | None) -> Report:
    """Check one chain; ``subject`` of each row begins with the chain's id."""
    check = WholeCheck(store, chain_id, archive=archive)
    found = [] if archive is None else await differences(store, archive, chain_id)
    for rows in (
        check.balances(),
        check.shards(),
        check.closed(),
        check.archived_sessions(),
        check.orders(),
        check.claims(),
        check.unclaimed(),
        check.halls(),
        check.index(),
        check.archive_alone(),
        check.not_archived(),
        check.orphans(),
    ):
        found += [row async for row in rows]
    report = report_of(check, found, chain_id)
    if archive is None:
        return report
    transactions, events = await archive.look(sums.rows_archived, chain_id)
    return replace(
        report,
        transactions=report.transactions + transactions,
        events=report.events + events,
    )
