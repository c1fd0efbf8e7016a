"""The books checked again and again while everybody plays, a bounded part at a time.

What :func:`controller.verify.report.verify` reads whole is added up by the archive's database
here, and sessions are looked at in batches: all that the store holds, and each time some more of
those that only the archive holds, until it begins anew.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol

import orjson

from actors.store import (
    SESSION_KEY_PREFIX,
    ChainImage,
    ChainStream,
    Store,
    StoredEntity,
    StreamEntry,
)
from controller.verify import money, sessions
from controller.verify.books import Books, Row, place_of, read_sessions, read_states
from controller.verify.report import Report

SESSIONS_PER_BATCH: Final = 200
SWEPT_PER_CHECK: Final = 1_000
TAIL_MAX: Final = 50_000
"""Entries not archived yet that a check holds in memory; with more, the archive comes first."""
ENTRIES_PER_READ: Final = 1_000
BATCH_CHECKS: Final = (
    money.transactions_are_balanced,
    money.ids_are_unique,
    sessions.steps_are_complete,
    sessions.segments_are_what_was_posted,
    sessions.receipts_add_up,
)

HELD_CHECKS: Final = (
    money.currencies_sum_to_zero,
    sessions.claims_are_of_started_sessions,
    sessions.pcs_are_held_by_the_living,
    sessions.sessions_are_indexed,
)
"""Checks of what the store holds now, whatever history says."""


class WatchedArchive(Protocol):
    """What a check asks of the archive, each answer as of one instant."""

    async def account_sums(self, chain_id: str) -> tuple[str, Mapping[str, int]]:
        """(the ledger's cursor, account -> sum of the entries archived up to it)."""

    async def transactions_of(self, chain_id: str, session_ids: Sequence[str]) -> list[StreamEntry]:
        """Archived transactions of these sessions."""

    async def sessions_after(
        self, chain_id: str, session_id: str, *, count: int
    ) -> list[StoredEntity]:
        """Archived sessions in the order of their ids, from after one on."""


class ArchiveBehindError(Exception):
    """Too much is not archived yet; check later."""


class BooksWatch:
    """One check a call; between calls it remembers how far it swept the archive."""

    def __init__(self, store: Store, archive: WatchedArchive) -> None:
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
        cursor, sums = await self._archive.account_sums(chain_id)
        image = await self._store.image(chain_id)
        tail = await self._tail(chain_id, cursor, image.ledger_until)
        rows = [*_balances(image, sums, tail), *_held(image)]
        looked_at = 0
        kept = [e for e in image.entities if e.key.startswith(SESSION_KEY_PREFIX)]
        for batch in _parts([*kept, *image.closed]):
            looked_at += len(batch)
            rows += await self._batch(chain_id, batch, image=image, tail=tail)
        for batch in _parts(await self._next_swept(chain_id, image)):
            looked_at += len(batch)
            rows += await self._batch(chain_id, batch, image=image, tail=tail)
        named = (Row(r.check, f"{chain_id} {r.subject}", r.expected, r.found) for r in rows)
        return Report(
            tuple(named),
            chains=1,
            accounts=len(image.balances),
            transactions=len(tail),
            sessions=looked_at,
        )

    async def _tail(self, chain_id: str, cursor: str, until: str) -> list[StreamEntry]:
        """What the image has and the archive had not when it was asked."""
        found: list[StreamEntry] = []
        after, last = cursor, place_of(until)
        while place_of(after) < last:
            read = await self._store.stream(
                chain_id, ChainStream.LEDGER, after=after, count=ENTRIES_PER_READ
            )
            if not read:
                break
            found += (entry for entry in read if place_of(entry.entry_id) <= last)
            after = read[-1].entry_id
            if len(found) > TAIL_MAX:
                raise ArchiveBehindError(f"{chain_id}: more than {TAIL_MAX} entries to archive")
        return found

    async def _next_swept(self, chain_id: str, image: ChainImage) -> list[StoredEntity]:
        """Some archived sessions; those the store holds were looked at already."""
        after = self._swept.get(chain_id, "")
        found = await self._archive.sessions_after(chain_id, after, count=SWEPT_PER_CHECK)
        self._swept[chain_id] = found[-1].key if len(found) == SWEPT_PER_CHECK else ""
        return [stored for stored in found if stored.key not in image.sessions]

    async def _batch(
        self,
        chain_id: str,
        batch: Sequence[StoredEntity],
        *,
        image: ChainImage,
        tail: Iterable[StreamEntry],
    ) -> list[Row]:
        books = Books(chain_id, image)
        read_states(books, batch)
        ids = [stored.key.removeprefix(SESSION_KEY_PREFIX) for stored in batch]
        merged = {e.entry_id: e for e in await self._archive.transactions_of(chain_id, ids)}
        merged |= {entry.entry_id: entry for entry in tail}
        books.transactions = _of_sessions(merged.values(), frozenset(ids), image.ledger_until)
        return [*books.problems, *(row for check in BATCH_CHECKS for row in check(books))]


def _held(image: ChainImage) -> list[Row]:
    books = Books("", image)
    read_sessions(books, ())
    return [row for check in HELD_CHECKS for row in check(books)]


def _of_sessions(
    entries: Iterable[StreamEntry], ids: Collection[str], until: str
) -> list[Mapping[str, object]]:
    last = place_of(until)
    decoded = (orjson.loads(e.payload) for e in entries if place_of(e.entry_id) <= last)
    return [transaction for transaction in decoded if transaction.get("session_id") in ids]


def _balances(
    image: ChainImage, archived: Mapping[str, int], tail: Iterable[StreamEntry]
) -> Iterator[Row]:
    sums = Counter(archived)
    for entry in tail:
        for side in orjson.loads(entry.payload)["entries"]:
            sums[side["account"]] += side["amount_minor"]
    for account in sorted(sums.keys() | image.balances.keys()):
        found = image.balances.get(account, 0)
        if sums[account] != found:
            yield Row("balance", account, str(sums[account]), str(found))


def _parts(stored: Sequence[StoredEntity]) -> Iterator[Sequence[StoredEntity]]:
    for first in range(0, len(stored), SESSIONS_PER_BATCH):
        yield stored[first : first + SESSIONS_PER_BATCH]
