"""The checks that read all of history: what only `clubctl verify` has the time for."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Final

from actors.orders import order_key
from actors.store import SESSION_KEY_PREFIX, ChainStream, Store, session_key
from controller.archive import Archive, aside, gaps, order_rows, sums
from controller.verify import money
from controller.verify.books import Row
from controller.verify.chain_check import ChainCheck
from controller.verify.history import BEGINNING, History
from schemas.events import ORDER_SOURCE, source_of

NAMES_PER_PAGE: Final = 1_000


class WholeCheck(ChainCheck):
    """Everything of :class:`ChainCheck`, events of PCs and clubs, and what belongs to nothing."""

    def __init__(self, store: Store, chain_id: str, *, archive: Archive | None) -> None:
        super().__init__(store, chain_id, History(store, archive, chain_id), archive=archive)
        self._archive = archive

    def _is_counted(self, source: str) -> bool:
        return bool(source)

    async def archived_sessions(self) -> AsyncIterator[Row]:
        """Sessions that only the archive holds."""
        after = ""
        while self._archive is not None:
            found = await self._archive.sessions_after(self._chain_id, after, count=NAMES_PER_PAGE)
            if not found:
                return
            after = found[-1].key
            known = await self._store.indexed(self._chain_id, [stored.key for stored in found])
            async for row in self.finished([one for one in found if one.key not in known]):
                yield row

    async def archive_alone(self) -> AsyncIterator[Row]:
        """What the database finds by itself, and what the consumer could not put right."""
        if self._archive is None:
            return
        look, chain_id = self._archive.look, self._chain_id
        for account, sum_minor, kept_minor in await look(sums.wrong_totals, chain_id):
            yield Row("account total", account, str(sum_minor), str(kept_minor))
        for transaction_id, currency, sum_minor in await look(sums.unbalanced, chain_id):
            yield Row("transaction sum", transaction_id, f"0 {currency}", str(sum_minor))
        for stream, row_id in await look(sums.conflicts, chain_id):
            yield Row(f"{stream} archive", row_id, "once", "again with other content")
        for one in await look(aside.all_unreadable, chain_id):
            yield Row(f"{one.source} archive", one.row_id, "readable", "kept aside unread")
        for order_id, version in await look(sums.untold_orders, chain_id):
            yield Row("orders archive", order_id, f"{version} events", "fewer")
        for gap in await look(gaps.gaps, chain_id):
            if gap.lost:
                yield Row("archive gap", gap.source_id, f"{gap.first}..{gap.last}", "lost")

    async def not_archived(self) -> AsyncIterator[Row]:
        """Entries that only the store holds: each sums to zero and comes once."""
        until = await self._store.shards_image(self._chain_id, ())
        cursor = BEGINNING
        if self._archive is not None:
            cursor = await self._archive.cursor(self._chain_id, ChainStream.LEDGER)
        await self._history.ledger.reach(cursor, until.ledger_until)
        tail = list(self._history.ledger.between(cursor, until.ledger_until))
        alone = [transaction for transaction in tail if transaction.get("session_id") is None]
        self.transactions += len(tail)
        for entry_id in sorted(self._history.ledger.unread):
            yield Row("ledger entry", entry_id, "readable", "not")
        for row in (*money.transactions_are_balanced(alone), *money.ids_are_unique(alone)):
            yield row
        of = {one["session_id"]: one["id"] for one in tail if one.get("session_id") is not None}
        for session_id in await self._unknown(sorted(of)):
            yield Row("transaction of a session", of[session_id], session_id, "no such session")
        outbox, cursor = self._history.outbox, await self._outbox_cursor()
        await outbox.reach(cursor, until.outbox_until)
        events = list(outbox.between(cursor, until.outbox_until))
        self.events += len(events)
        for entry_id in sorted(outbox.unread):
            yield Row("outbox entry", entry_id, "readable", "not")
        sources = {source_of(event) for event in events}
        for row in await self._nobodys(sources):
            yield row
        others = {source for source in sources if not source.startswith(_WHO_TELLS)}
        numbers = await self._history.numbers_of(others, until.outbox_until)
        told = {source: max(span.last for span in spans) for source, spans in numbers.items()}
        for row in money.events_have_no_gaps(told, numbers):
            yield row

    async def _outbox_cursor(self) -> str:
        if self._archive is None:
            return BEGINNING
        return await self._archive.cursor(self._chain_id, ChainStream.OUTBOX)

    async def orphans(self) -> AsyncIterator[Row]:
        """Archived transactions and events of sessions, PCs and clubs that never were."""
        if self._archive is None:
            return
        look, after = self._archive.look, ""
        while ids := await look(
            sums.unfinished_sessions, self._chain_id, after, count=NAMES_PER_PAGE
        ):
            after = ids[-1]
            for session_id in await self._unknown(ids):
                yield Row("transaction of a session", session_id, "a session", "no such session")
        for source, span in await look(sums.broken_sources, self._chain_id):
            if not source.startswith(_WHO_TELLS):
                yield Row("event sequence", source, f"1..{span.last}", f"{span.count} events")
        after = ""
        while names := await look(
            sums.unfinished_sources, self._chain_id, after, count=NAMES_PER_PAGE
        ):
            after = names[-1]
            for row in await self._nobodys(set(names)):
                yield row

    async def _nobodys(self, sources: set[str]) -> list[Row]:
        ids = [s.removeprefix(SESSION_KEY_PREFIX) for s in sources if _is_session(s)]
        unknown = {session_key(one) for one in await self._unknown(ids)}
        unknown |= {s for s in sources if s.startswith(_SEEN) and s not in self.sources}
        orders = {s.removeprefix(ORDER_SOURCE) for s in sources if s.startswith(ORDER_SOURCE)}
        missing, untold = await self._orders_that_left(orders)
        unknown |= {ORDER_SOURCE + order_id for order_id in missing}
        nothing = "a session, an order, a PC or a club"
        return [
            *(Row("event of nothing", one, nothing, "none") for one in sorted(unknown)),
            *untold,
        ]

    async def _orders_that_left(self, ids: Collection[str]) -> tuple[set[str], list[Row]]:
        """Of these orders, (those that are nowhere, what the archive's have told with a gap)."""
        stored = await self._store.documents(self._chain_id, sorted(map(order_key, ids)))
        left = sorted(one for one in ids if order_key(one) not in stored)
        if self._archive is None or not left:
            return set(left), []
        # The archive is asked last: an order leaves the store when the archive has it.
        versions = await self._archive.look(order_rows.versions, self._chain_id, left)
        told = {ORDER_SOURCE + order_id: version for order_id, version in versions.items()}
        until = await self._store.shards_image(self._chain_id, ())
        numbers = await self._history.numbers_of(told.keys(), until.outbox_until)
        rows = list(money.events_have_no_gaps(told, numbers))
        return set(left) - versions.keys(), rows

    async def _unknown(self, ids: Sequence[str]) -> list[str]:
        """Sessions that are neither in the store nor in the archive; it may be closed just now,
        so the archive is asked last."""
        clubs: Mapping[str, str] = await self._store.indexed(self._chain_id, ids)
        absent = await self._store.absent_sessions(self._chain_id, clubs)
        missing = sorted((set(ids) - clubs.keys()) | absent)
        if self._archive is None:
            return missing
        archived = await self._archive.archived_among(self._chain_id, missing)
        return [session_id for session_id in missing if session_id not in archived]


_SEEN: Final = ("pc:", "club:")
_WHO_TELLS: Final = (SESSION_KEY_PREFIX, *_SEEN)
"""Sources that say themselves how much they told. Others may have left the store, and only count
without gaps."""


def _is_session(source: str) -> bool:
    return source.startswith(SESSION_KEY_PREFIX)
