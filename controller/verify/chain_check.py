"""One chain checked piece by piece, so that its size never has to fit into memory.

Each piece is read from the store at one instant, together with the last entries of its streams
then, and held against history up to just these entries.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, TypeVar

import orjson

from actors.store import SESSION_KEY_PREFIX, SHARD_COUNT, Store, StoredEntity, session_key
from actors.unreadable import UNREADABLE_ERRORS
from actors.wallets import WalletKey
from actors.workspace import player_key
from billing_core.events import EventKind
from billing_core.ledger import wallet_cash
from billing_core.session import SessionState, SessionStatus
from billing_core.stored import session_from_dict
from controller.archive import Archive
from controller.readable import readable
from controller.verify import desk, money, sessions
from controller.verify.bills import BillsCheck
from controller.verify.books import Books, Row, books_of, pieces_of
from controller.verify.history import History
from controller.verify.prepaid import Catalogued, Drawn, PrepaidCheck, drawn_by_open_segments
from controller.verify.purchases import OrdersCheck
from schemas.catalogue import PlayerDocument

ACCOUNTS_PER_PIECE: Final = 5_000
SHARDS_PER_PIECE: Final = 8
SESSIONS_PER_PIECE: Final = 100
STEPS_PER_PIECE: Final = 1_000
"""Their transactions are some 2 MB in memory, for sessions of minutes and of weeks alike."""
_T = TypeVar("_T")


class Player(NamedTuple):
    """Who plays, and where."""

    player_id: str | None
    club_id: str


class ChainCheck:
    """Checks of one chain as it is now. Counts what it looked at as it goes.

    All methods raise StoreError, ArchiveError and ArchiveBehindError.
    """

    def __init__(
        self, store: Store, chain_id: str, history: History, *, archive: Archive | None
    ) -> None:
        self._bills = BillsCheck(store, chain_id, history, archive=archive)
        self._store = store
        self._chain_id = chain_id
        self._history = history
        self.accounts = 0
        self.sessions = 0
        self.transactions = 0
        self.events = 0
        self._playing: dict[str, Player] = {}
        self._drawn: dict[str, Drawn] = {}
        self.sources: set[str] = set()
        """PCs and clubs that were seen."""

    async def balances(self) -> AsyncIterator[Row]:
        """Every account, of the archive and of the store, is the sum of its entries."""
        odd: list[Row] = []
        async for accounts in self._accounts():
            before = await self._history.archived_totals(accounts)
            image = await self._store.balances_image(self._chain_id, accounts)
            expected = await self._history.brought_up(before, accounts, image.ledger_until)
            odd += money.balances_are_sums(expected.sums, image.balances, accounts)
            floors = await self._floors(money.wallets_below_nothing(image.balances))
            odd += money.wallets_are_within_their_limits(image.balances, floors)
            self.accounts += len(image.balances)
        for row in (*odd, *money.currencies_sum_to_zero(odd)):
            yield row

    async def _floors(self, wallets: Mapping[str, WalletKey]) -> Mapping[str, int]:
        """How far below nothing wallets may stand, by account: cash that far, bonus never."""
        keys = sorted({player_key(one.holder_id) for one in wallets.values()})
        documents = await self._store.documents(self._chain_id, keys)
        floors: dict[str, int] = {}
        for account, (currency, holder_id) in wallets.items():
            stored = documents.get(player_key(holder_id))
            known = next((one for _, one in readable([stored] if stored else [], _player_of)), None)
            is_cash = account == wallet_cash(currency, holder_id)
            floors[account] = known.credit(currency).floor_minor if known and is_cash else 0
        return floors

    async def _accounts(self) -> AsyncIterator[Sequence[str]]:
        last = ""
        while some := await self._history.accounts_after(last, count=ACCOUNTS_PER_PIECE):
            yield some
            last = some[-1]
        after: str | None = None
        while True:
            page = await self._store.accounts_page(self._chain_id, after)
            known = await self._history.archived_totals(list(page.fields))
            yield [account for account in page.fields if account not in known.sums]
            if (after := page.after) is None:
                return

    async def shards(self) -> AsyncIterator[Row]:
        """What runs: every PC, every open session and its money, and the prepaid time."""
        catalogue = Catalogued(await self._store.catalogue(self._chain_id))
        prepaid = PrepaidCheck(self._store, self._chain_id, catalogue)
        held = await prepaid.held()
        for numbers in _parts(range(SHARD_COUNT), SHARDS_PER_PIECE):
            image = await self._store.shards_image(self._chain_id, numbers)
            if not image.entities:
                continue
            books = books_of(image.entities)
            self.sources |= books.told.keys() - set(map(session_key, books.versions))
            self._note(books, image.ledger_until)
            for row in sessions.pcs_are_held_by_the_living(books):
                yield row
            async for row in self._looked_up(books):
                yield row
            until = image.ledger_until, image.outbox_until
            async for row in self._pieces(image.entities, until):
                yield row
        for row in await prepaid.rows(held, self._drawn, self._drawn_now):
            yield row

    def _note(self, books: Books, until: str) -> None:
        for session_id, state in books.states.items():
            if state.status is SessionStatus.STARTED:
                self._playing[session_id] = Player(state.player_id, state.club_id)
        self._drawn |= drawn_by_open_segments(books.states.values(), until)

    async def _drawn_now(self) -> Mapping[str, Drawn]:
        drawn: dict[str, Drawn] = {}
        for numbers in _parts(range(SHARD_COUNT), SHARDS_PER_PIECE):
            image = await self._store.shards_image(self._chain_id, numbers)
            states = books_of(image.entities).states.values()
            drawn |= drawn_by_open_segments(states, image.ledger_until)
        return drawn

    async def _looked_up(self, books: Books) -> AsyncIterator[Row]:
        """Every open session can be found by its id, in one place."""
        for ids in _parts(sorted(books.versions), SESSIONS_PER_PIECE):
            indexed = await self._store.indexed(self._chain_id, ids)
            for session_id in ids:
                if session_id not in indexed:
                    yield Row("session index", session_id, "indexed", "missing")
            for closed in await self._store.closed_among(self._chain_id, ids):
                # One that was closed since is of a later version.
                if closed.version <= books.versions[closed.key]:
                    yield Row("session", closed.key, "open or closed", "both")

    async def closed(self) -> AsyncIterator[Row]:
        """Every closed session the store still holds."""
        for ids in _parts(await self._store.closed_ids(self._chain_id), SESSIONS_PER_PIECE):
            found = await self._store.closed_among(self._chain_id, ids)
            rows = [row async for row in self.finished(found)]
            if rows and found != (again := await self._store.closed_among(self._chain_id, ids)):
                # A correction came between a document and its entries; it is in both by now.
                rows = [row async for row in self.finished(again)]
            for row in rows:
                yield row

    async def finished(self, found: Sequence[StoredEntity]) -> AsyncIterator[Row]:
        """Final documents: they say what was posted for them until now."""
        now = await self._store.shards_image(self._chain_id, ())
        async for row in self._pieces(found, (now.ledger_until, now.outbox_until)):
            yield row

    async def _pieces(
        self, stored: Iterable[StoredEntity], until: tuple[str, str]
    ) -> AsyncIterator[Row]:
        bounds = {"sessions_max": SESSIONS_PER_PIECE, "steps_max": STEPS_PER_PIECE}
        for books in pieces_of(stored, **bounds):
            async for row in self._piece(books, until):
                yield row

    async def _piece(self, piece: Books, until: tuple[str, str]) -> AsyncIterator[Row]:
        ids = frozenset(piece.session_ids)
        self.sessions += len(ids)
        # Of its own, so that the next piece does not come to lie beside this one's history.
        books = replace(piece, transactions=await self._history.transactions_of(ids, until[0]))
        for row in (
            *books.problems,
            *money.transactions_are_balanced(books.transactions),
            *money.ids_are_unique(books.transactions),
            *sessions.wallets_are_the_holders(books),
            *sessions.steps_are_complete(books),
            *sessions.segments_are_what_was_posted(books),
            *sessions.receipts_add_up(books),
            *desk.forfeits_were_posted(books),
            *desk.change_was_posted(books),
        ):
            yield row
        for row in await self._over(books, until):
            yield row
        told = {source: count for source, count in books.told.items() if self._is_counted(source)}
        numbers = await self._history.numbers_of(told.keys(), until[1])
        for row in money.events_have_no_gaps(told, numbers):
            yield row

    async def _over(self, books: Books, until: tuple[str, str]) -> list[Row]:
        """Sessions that are over: what their ends told of, and their bills."""
        over = {one: state for one, state in books.states.items() if one in books.closed}
        if not over:
            return []
        sources = {session_key(one) for one in over}
        endings = await self._history.events_of(sources, EventKind.SESSION_ENDED.value, until[1])
        bills = await self._bills.rows(over, books.transactions)
        return [*sessions.endings_are_what_was_charged(books, endings), *bills]

    async def orders(self) -> AsyncIterator[Row]:
        """Every order the store holds."""
        async for row in OrdersCheck(self._store, self._chain_id, self._history).rows():
            yield row

    def _is_counted(self, source: str) -> bool:
        """The events of a session are few. Those of PCs and clubs only grow, see SweptCheck."""
        return source.startswith(SESSION_KEY_PREFIX)

    async def claims(self) -> AsyncIterator[Row]:
        """Who plays holds the claim of it, and nobody else; after :meth:`shards`.

        One that is let go meanwhile was right: no session claims again what it let go of.
        """
        held = await self._store.all_claims(self._chain_id)
        for names in _parts(sorted(held), SESSIONS_PER_PIECE):
            suspects: list[Row] = []
            for name in names:
                player = self._playing.get(held[name])
                if player is not None and player.player_id == name.partition("/")[2]:
                    continue
                state = await self._state(held[name])
                suspects += sessions.claim_is_of_a_started_session(name, held[name], state)
            if suspects:
                still = await self._store.all_claims(self._chain_id)
                for row in suspects:
                    if still.get(row.subject) == held[row.subject]:
                        yield row

    async def unclaimed(self) -> AsyncIterator[Row]:
        """Whoever plays has claimed it; after :meth:`shards`. No club that allows its players
        more than one session at a time asks for a claim."""
        catalogue = Catalogued(await self._store.catalogue(self._chain_id))
        held = await self._store.all_claims(self._chain_id)
        for session_id, player in sorted(self._playing.items()):
            name = f"playing/{player.player_id}"
            is_free = player.player_id is None or held.get(name) == session_id
            if is_free or catalogue.allows_parallel_sessions(player.club_id):
                continue
            # One that plays before and after the claims were read has played all the time.
            state = await self._state(session_id)
            if state is not None and state.status is SessionStatus.STARTED:
                yield Row("claim", name, session_id, held.get(name, "nobody"))

    async def halls(self) -> AsyncIterator[Row]:
        """No tile shows a session that is not open."""
        for club_id in Catalogued(await self._store.catalogue(self._chain_id)).clubs():
            for pc_id, session_id in (await self._shown(club_id)).items():
                # A session that ends changes its tile in the same commit.
                is_open = await self._is_open(session_id)
                if not is_open and (await self._shown(club_id)).get(pc_id) == session_id:
                    yield Row("tile", f"{club_id}/{pc_id}", "an open session", session_id)

    async def _shown(self, club_id: str) -> dict[str, str]:
        _, tiles = await self._store.hall(self._chain_id, club_id)
        shown = {pc_id: orjson.loads(tile).get("session_id") for pc_id, tile in tiles.items()}
        return {pc_id: session_id for pc_id, session_id in shown.items() if session_id}

    async def _is_open(self, session_id: str) -> bool:
        stored = await self._store.session(self._chain_id, session_id)
        try:
            return stored is not None and "receipt" not in orjson.loads(stored.blob)
        except UNREADABLE_ERRORS:
            # The piece with this session has said so, and it plays for all we know.
            return True

    async def _state(self, session_id: str) -> SessionState | None:
        stored = await self._store.session(self._chain_id, session_id)
        if stored is None:
            return None
        try:
            document = orjson.loads(stored.blob)
            return session_from_dict(document.get("state", document))
        except UNREADABLE_ERRORS:
            # The piece with this session has said so.
            return None

    async def index(self) -> AsyncIterator[Row]:
        """Whatever can be looked up is there."""
        after: str | None = None
        while True:
            page = await self._store.index_page(self._chain_id, after)
            absent = await self._store.absent_sessions(self._chain_id, page.fields)
            # One that was let go of since is not to be found any more either.
            for session_id in sorted(await self._store.indexed(self._chain_id, sorted(absent))):
                yield Row("session index", session_id, "a session", "none")
            if (after := page.after) is None:
                return


def _parts(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    return (items[first : first + size] for first in range(0, len(items), size))


def _player_of(stored: StoredEntity) -> PlayerDocument:
    return PlayerDocument.model_validate_json(stored.blob)
