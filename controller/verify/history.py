"""What happened in a chain up to an entry: from the archive, and from the store what it lacks."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from actors.store import ChainStream, Store, StreamEntry, place_of
from controller.archive import Archive, sums
from controller.archive.sums import Span
from controller.archive.writing import readable
from controller.verify.books import Document
from schemas.events import source_of

ENTRIES_PER_READ: Final = 1_000
BEGINNING: Final = "0-0"
Place = tuple[int, int]


class ArchiveBehindError(Exception):
    """Too much is not archived yet; check later."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What accounts must hold, by all entries up to ``until``."""

    sums: Mapping[str, int]
    until: str


class Tail:
    """Entries of a stream that the archive has not taken yet. Holds ``most`` at a time."""

    def __init__(
        self, store: Store, chain_id: str, stream: ChainStream, *, most: int | None
    ) -> None:
        self._store = store
        self._chain_id = chain_id
        self._stream = stream
        self._most = most
        self._places: list[Place] = []
        self._documents: list[Document] = []
        self._read_to = BEGINNING
        self.unread: set[str] = set()
        """Ids of entries that cannot be read, and are left out."""

    async def reach(self, cursor: str, until: str) -> None:
        """Hold what lies between the archive's cursor and ``until``, or more.

        Raises ArchiveBehindError when that is too much.
        """
        self._forget(cursor)
        after, last = max(cursor, self._read_to, key=place_of), place_of(until)
        while place_of(after) < last:
            read = await self._store.stream(
                self._chain_id, self._stream, after=after, count=ENTRIES_PER_READ
            )
            if not read:
                break
            self._take(read)
            after = self._read_to = read[-1].entry_id
            if self._most is not None and len(self._places) > self._most:
                raise ArchiveBehindError(
                    f"{self._chain_id}: more than {self._most} entries to archive"
                )

    def _forget(self, cursor: str) -> None:
        known = bisect_right(self._places, place_of(cursor))
        del self._places[:known]
        del self._documents[:known]

    def _take(self, read: Sequence[StreamEntry]) -> None:
        good, odd = readable(self._chain_id, self._stream, read)
        self._places += (place_of(entry.entry_id) for entry, _ in good)
        self._documents += (document for _, document in good)
        self.unread |= {one.row_id for one in odd}

    def between(self, cursor: str, until: str) -> Iterator[Document]:
        """Entries after ``cursor`` up to ``until``, of those that are held."""
        first = bisect_right(self._places, place_of(cursor))
        last = bisect_right(self._places, place_of(until))
        return (self._documents[number] for number in range(first, last))


class History:
    """One chain's. Without an archive the store must still hold all of it."""

    def __init__(
        self, store: Store, archive: Archive | None, chain_id: str, *, tail_max: int | None = None
    ) -> None:
        self._archive = archive
        self._chain_id = chain_id
        self.ledger = Tail(store, chain_id, ChainStream.LEDGER, most=tail_max)
        self.outbox = Tail(store, chain_id, ChainStream.OUTBOX, most=tail_max)

    async def accounts_after(self, account: str, *, count: int) -> list[str]:
        """Accounts the archive has entries of, in its order, after one."""
        if self._archive is None:
            return []
        return await self._archive.look(sums.accounts_after, self._chain_id, account, count=count)

    async def archived_totals(self, accounts: Sequence[str]) -> Expected:
        """What the archive says now. Whoever reads the store afterwards reads a later state."""
        if self._archive is None:
            return Expected({}, BEGINNING)
        found = await self._archive.look(sums.totals, self._chain_id, accounts)
        return Expected(found.sums, found.until)

    async def brought_up(self, before: Expected, accounts: Sequence[str], until: str) -> Expected:
        """The same accounts with everything up to a later entry."""
        await self.ledger.reach(before.until, until)
        found, asked = Counter(before.sums), frozenset(accounts)
        for transaction in self.ledger.between(before.until, until):
            for side in transaction["entries"]:
                if side["account"] in asked:
                    found[side["account"]] += side["amount_minor"]
        return Expected(found, until)

    async def transactions_of(self, ids: Collection[str], until: str) -> list[Document]:
        """Transactions of these sessions up to an entry."""
        cursor, archived = BEGINNING, list[StreamEntry]()
        if self._archive is not None:
            cursor, archived = await self._archive.look(
                sums.transactions_of, self._chain_id, sorted(ids), until=until
            )
        await self.ledger.reach(cursor, until)
        tail = self.ledger.between(cursor, until)
        return [
            *(orjson.loads(entry.payload) for entry in archived),
            *(transaction for transaction in tail if transaction.get("session_id") in ids),
        ]

    async def numbers_of(self, sources: Collection[str], until: str) -> dict[str, list[Span]]:
        """Runs of event numbers of these sources up to an entry; the last runs are of one each."""
        cursor, archived = BEGINNING, dict[str, Span]()
        if self._archive is not None:
            cursor, archived = await self._archive.look(
                sums.spans, self._chain_id, sorted(sources), until=until
            )
        await self.outbox.reach(cursor, until)
        found = {source: [span] for source, span in archived.items()}
        for entry in self.outbox.between(cursor, until):
            source, seq = source_of(entry), entry["event"]["seq"]
            if source in sources:
                found.setdefault(source, []).append(Span(1, seq, seq))
        return found

    async def events_of(self, sources: Collection[str], kind: str, until: str) -> list[Document]:
        """Events of a kind that these sources have told, up to an entry."""
        cursor, archived = BEGINNING, list[StreamEntry]()
        if self._archive is not None:
            cursor, archived = await self._archive.look(
                sums.events_of, self._chain_id, sorted(sources), kind=kind, until=until
            )
        await self.outbox.reach(cursor, until)
        found = [orjson.loads(entry.payload) for entry in archived]
        found += self.outbox.between(cursor, until)
        events = (one["event"] for one in found if source_of(one) in sources)
        return [event for event in events if event["kind"] == kind]
