"""The books checked again and again while everybody plays, a bounded part at a time.

Sums are kept by the archive's database, and sessions are looked at piece by piece: all that the
store holds, and each time some more of those that only the archive holds, until it begins anew.
"""

from collections.abc import AsyncIterator
from typing import Final

from actors.store import Store
from controller.archive import Archive
from controller.verify.books import Row
from controller.verify.chain_check import SESSIONS_PER_PIECE, ChainCheck
from controller.verify.history import History
from controller.verify.report import Report, report_of

SWEPT_PER_CHECK: Final = 1_000
TAIL_MAX: Final = 50_000
"""Entries not archived yet that a check holds in memory; with more, the archive comes first."""


class BooksWatch:
    """One check a call; between calls it remembers how far it swept the archive.

    It leaves to the whole check what takes reading all of history: events of PCs and clubs, rows
    of nobody's, and the archive's rows held against the store's.
    """

    def __init__(self, store: Store, archive: Archive) -> None:
        self._store = store
        self._archive = archive
        self._swept: dict[str, str] = {}

    async def check(self) -> Report:
        """Every chain. Raises StoreError, ArchiveError and ArchiveBehindError."""
        report = Report()
        for chain_id in await self._store.chains():
            report += await self._check_chain(chain_id)
        return report

    async def _check_chain(self, chain_id: str) -> Report:
        history = History(self._store, self._archive, chain_id, tail_max=TAIL_MAX)
        check = ChainCheck(self._store, chain_id, history, archive=self._archive)
        found = []
        for rows in (
            check.balances(),
            check.shards(),
            check.closed(),
            self._swept_again(check, chain_id),
            check.orders(),
            check.claims(),
            check.unclaimed(),
            check.halls(),
            check.index(),
        ):
            found += [row async for row in rows]
        return report_of(check, found, chain_id)

    async def _swept_again(self, check: ChainCheck, chain_id: str) -> AsyncIterator[Row]:
        """Some archived sessions; those the store holds are looked at anyway."""
        left = SWEPT_PER_CHECK
        while left:
            after, count = self._swept.get(chain_id, ""), min(left, SESSIONS_PER_PIECE)
            found = await self._archive.sessions_after(chain_id, after, count=count)
            known = await self._store.indexed(chain_id, [stored.key for stored in found])
            async for row in check.finished([one for one in found if one.key not in known]):
                yield row
            self._swept[chain_id] = found[-1].key if len(found) == count else ""
            left = left - count if len(found) == count else 0
