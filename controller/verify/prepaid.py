"""Prepaid time: what clubs owe of it is what bought tariffs still hold.

Sessions draw from bought tariffs without writing them down until a segment ends, so what a club
owes is the sum of its bought tariffs without what open segments have drawn since.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import orjson

from actors.bought import read_bought
from actors.store import ChainStream, Store, StoredEntity, place_of
from billing_core.player_tariff import PlayerTariff, bought
from billing_core.session import SessionState
from billing_core.stored import StoredValueError, tariff_from_dict
from controller.verify.books import Row

BOUGHT_KEY_PREFIX: Final = "bought:"
ATTEMPTS_MAX: Final = 5
"""So often it is read again while people buy and leave; what never stood still is left to the
next check."""


@dataclass(slots=True)
class Held:
    """What bought tariffs hold, by club; a club's mark changes with every document of its."""

    minor: Counter[str] = field(default_factory=Counter)
    marks: Counter[str] = field(default_factory=Counter)

    def is_as_in(self, other: "Held", club_id: str) -> bool:
        """Whether nothing of the club's changed between two readings."""
        return (self.minor[club_id], self.marks[club_id]) == (
            other.minor[club_id],
            other.marks[club_id],
        )


@dataclass(frozen=True, slots=True)
class Drawn:
    """What an open segment has drawn, as of a place in the ledger."""

    club_id: str
    amount_minor: int
    until: str


def drawn_by_open_segments(states: Iterable[SessionState], until: str) -> dict[str, Drawn]:
    """By session."""
    found = {}
    for state in states:
        segment = state.open_segment
        if segment is not None and segment.pack is not None:
            found[state.session_id] = Drawn(segment.pack.club_id, segment.amount_minor, until)
    return found


ReadDrawn: TypeAlias = Callable[[], Awaitable[Mapping[str, Drawn]]]


class Catalogued:
    """What the catalogue says of clubs and tariffs; whatever cannot be read is not known."""

    def __init__(self, catalogue: Mapping[str, bytes]) -> None:
        self._catalogue = catalogue
        self._lengths_ms: dict[str, int | None] = {}

    def clubs(self) -> list[str]:
        """Ids of all clubs."""
        prefix = "club:"
        return sorted(k.removeprefix(prefix) for k in self._catalogue if k.startswith(prefix))

    def account_of(self, club_id: str) -> str:
        """A club's account of prepaid time."""
        currency = orjson.loads(self._catalogue[f"club:{club_id}"])["currency"]
        return f"{currency}:deferred:{club_id}"

    def allows_parallel_sessions(self, club_id: str) -> bool:
        """Whether its players may play twice at once; a club nobody knows may do anything."""
        raw = self._catalogue.get(f"club:{club_id}")
        if raw is None:
            return True
        return bool(orjson.loads(raw).get("terms", {}).get("allows_parallel_sessions", False))

    def length_ms(self, pack: PlayerTariff) -> int | None:
        """The most time a purchase of its tariff holds; None when it is not known or counted."""
        name = f"tariff:{pack.tariff.id}:{pack.tariff.version}"
        if name not in self._lengths_ms:
            self._lengths_ms[name] = self._read_length_ms(name, pack)
        return self._lengths_ms[name]

    def _read_length_ms(self, name: str, pack: PlayerTariff) -> int | None:
        raw = self._catalogue.get(name)
        try:
            tariff = None if raw is None else tariff_from_dict(orjson.loads(raw))
        except (StoredValueError, ValueError, TypeError, KeyError):
            return None
        if tariff is None:
            return None
        fresh = bought(
            tariff,
            player_tariff_id=pack.player_tariff_id,
            holder_id=pack.holder_id,
            club_id=pack.club_id,
            at_ms=pack.bought_at_ms,
            price_minor=pack.price_minor,
        )
        return fresh.total_ms


class PrepaidCheck:
    """One chain's. Raises StoreError."""

    def __init__(self, store: Store, chain_id: str, catalogue: Catalogued) -> None:
        self._store = store
        self._chain_id = chain_id
        self._catalogue = catalogue
        self.documents: list[Row] = []
        """What is wrong in a document by itself."""

    async def held(self) -> Held:
        """Everything bought, read page by page."""
        held, after = Held(), None
        self.documents = []
        while True:
            page = await self._store.documents_page(self._chain_id, BOUGHT_KEY_PREFIX, after)
            for stored in page.documents:
                self._add(held, stored)
            if (after := page.after) is None:
                return held

    def _add(self, held: Held, stored: StoredEntity) -> None:
        mark = hash((stored.key, stored.version, stored.blob))
        holder_id = stored.key.removeprefix(BOUGHT_KEY_PREFIX)
        try:
            packs = read_bought(stored.blob)
        except (StoredValueError, ValueError, TypeError, KeyError) as error:
            self.documents.append(Row("bought readable", holder_id, "bought tariffs", str(error)))
            return
        for club_id in {pack.club_id for pack in packs}:
            held.marks[club_id] += mark
        for pack in packs:
            held.minor[pack.club_id] += pack.deferred_minor
            self.documents += pack_is_possible(pack, self._catalogue.length_ms(pack), holder_id)

    async def rows(self, held: Held, drawn: Mapping[str, Drawn], again: ReadDrawn) -> list[Row]:
        """Clubs that owe something else than what is held.

        ``drawn`` was read after ``held``. What differs is said only if the club's bought tariffs
        did not change from before to after; if they did, all of it is read ``again``.
        """
        odd: list[Row] = []
        for _ in range(ATTEMPTS_MAX):
            wrong = await self._wrong(held, drawn)
            if not wrong:
                return self.documents
            after = await self.held()
            odd = [row for club_id, row in wrong.items() if held.is_as_in(after, club_id)]
            if len(odd) == len(wrong):
                break
            held, drawn = after, await again()
        return [*self.documents, *odd]

    async def _wrong(self, held: Held, drawn: Mapping[str, Drawn]) -> dict[str, Row]:
        accounts = {one: self._catalogue.account_of(one) for one in self._catalogue.clubs()}
        image = await self._store.balances_image(self._chain_id, list(accounts.values()))
        expected = Counter(held.minor)
        for one in drawn.values():
            expected[one.club_id] -= one.amount_minor
        clubs = {account: club_id for club_id, account in accounts.items()}
        async for account, amount_minor in self._drawn_since(drawn, image.ledger_until):
            if account in clubs:
                expected[clubs[account]] += amount_minor
        return {
            club_id: Row("prepaid time", account, str(expected[club_id]), str(found))
            for club_id, account in accounts.items()
            if (found := image.balances.get(account, 0)) != expected[club_id]
        }

    async def _drawn_since(
        self, drawn: Mapping[str, Drawn], until: str
    ) -> AsyncIterator[tuple[str, int]]:
        """What moved for open segments after they were read, by account."""
        after = min((one.until for one in drawn.values()), key=place_of, default=until)
        last = place_of(until)
        while place_of(after) < last:
            read = await self._store.stream(self._chain_id, ChainStream.LEDGER, after=after)
            if not read:
                return
            after = read[-1].entry_id
            for entry in read:
                transaction = orjson.loads(entry.payload)
                one = drawn.get(transaction.get("session_id") or "")
                if one and place_of(one.until) < place_of(entry.entry_id) <= last:
                    for side in transaction["entries"]:
                        yield side["account"], side["amount_minor"]


def pack_is_possible(pack: PlayerTariff, length_ms: int | None, holder_id: str) -> Iterator[Row]:
    """It holds no more than was paid for, and nothing of it was used or given back twice."""
    subject = f"{holder_id}/{pack.player_tariff_id}"
    parts = (pack.earned_minor, pack.returned_minor, pack.deferred_minor)
    if min(parts) < 0 or not 0 <= pack.bonus_minor <= pack.price_minor:
        found = f"{pack.earned_minor} used, {pack.returned_minor} given back"
        yield Row("bought money", subject, f"parts of {pack.price_minor}", found)
    if pack.total_ms is not None and not 0 <= pack.used_ms <= pack.total_ms:
        yield Row("bought time", subject, f"0..{pack.total_ms} ms used", f"{pack.used_ms} ms")
    if pack.total_ms is not None and length_ms is not None and pack.total_ms > length_ms:
        yield Row("bought time", subject, f"at most {length_ms} ms", f"{pack.total_ms} ms")
    if pack.total_sessions is not None and not 0 <= pack.used_sessions <= pack.total_sessions:
        expected = f"0..{pack.total_sessions} visits"
        yield Row("bought visits", subject, expected, str(pack.used_sessions))
    if pack.holder_id != holder_id:
        yield Row("bought holder", subject, holder_id, pack.holder_id)
