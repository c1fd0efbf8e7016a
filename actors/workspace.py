"""A turn's view of a shard: what is committed, under what earlier drafts of the turn decided.

Drafts of one turn build on each other. If the store refuses one, everything built on it is
refused too, because versions and balances no longer match, and is decided again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from actors.club_events import ClubState, club_key
from actors.ended import EndedSession, ended_key
from actors.orders import KnownOrder
from actors.pc import PcState
from actors.store import session_key
from actors.unreadable import UnreadableError
from actors.wallets import WalletKey
from billing_core.hot_value import hot_value
from billing_core.player_tariff import PlayerTariff
from billing_core.session import SessionState
from billing_core.wallet import Wallet
from schemas.catalogue import PlayerDocument
from schemas.views import HallTile

EMPTY_WALLET: Final = Wallet()
PC_KEY_PREFIX: Final = "pc:"
BOUGHT_KEY_PREFIX: Final = "bought:"

Entity = PcState | SessionState | ClubState | EndedSession
_Lists = dict[str, tuple[str, ...]]
"""Ids by what they are found by, sorted. Mostly of one: a set would weigh four times as much."""


def pc_key(pc_id: str) -> str:
    """The entity key of a PC in its club's shard."""
    return PC_KEY_PREFIX + pc_id


def player_key(player_id: str) -> str:
    """The key of a player's document among the chain's."""
    return f"player:{player_id}"


def bought_key(holder_id: str) -> str:
    """The key of a holder's bought tariffs among the chain's documents."""
    return BOUGHT_KEY_PREFIX + holder_id


@hot_value(frozen=True, slots=True)
class Versioned:
    """An entity's state (None once deleted) and the version the store has, or will have."""

    state: Entity | None
    version: int


@hot_value(frozen=True, slots=True)
class KnownHolder:
    """A wallet's holder as last read: the player's document and bought tariffs, with versions.

    A one-time guest has no document. Version 0 means that nothing is stored.
    """

    document: PlayerDocument | None = None
    document_version: int = 0
    bought: tuple[PlayerTariff, ...] = ()
    bought_version: int = 0
    unreadable: UnreadableError | None = None
    """Why one of the two documents cannot be read, if it cannot."""


NOTHING_KNOWN: Final = KnownHolder()


class Memory:
    """What a shard knows to be committed, and what it believes of things it shares."""

    def __init__(self) -> None:
        self.entities: dict[str, Versioned] = {}
        self.tiles: dict[str, HallTile] = {}
        self.wallets: dict[WalletKey, Wallet] = {}
        self.holders: dict[str, KnownHolder] = {}
        self.forgotten: set[str] = set()
        self.currencies: frozenset[str] = frozenset()
        self.orders: dict[str, KnownOrder] = {}
        self.orders_wanted: set[str] = set()
        self.unreadable_orders: dict[str, UnreadableError] = {}
        self.unreadable: dict[str, str] = {}
        """Entities of the shard that cannot be read, and why."""
        self._sessions_by_pc: _Lists = {}
        self._sessions_by_holder: _Lists = {}
        self._waiting_for: _Lists = {}

    def install(self, key: str, entity: Versioned) -> None:
        """Take what the store has now."""
        known = self.entities.get(key)
        before, after = None if known is None else known.state, entity.state
        if after is None:
            self.entities.pop(key, None)
        else:
            self.entities[key] = entity
        if not _is_listed_alike(before, after):
            self._unlist(before)
            self._list(after)

    def _list(self, state: Entity | None) -> None:
        if isinstance(state, SessionState):
            _add(self._sessions_by_pc, state.pc_id, state.session_id)
            _add(self._sessions_by_holder, state.holder_id, state.session_id)
        elif isinstance(state, PcState) and state.waits_for is not None:
            _add(self._waiting_for, state.waits_for, state.pc_id)

    def _unlist(self, state: Entity | None) -> None:
        if isinstance(state, SessionState):
            _drop(self._sessions_by_pc, state.pc_id, state.session_id)
            _drop(self._sessions_by_holder, state.holder_id, state.session_id)
        elif isinstance(state, PcState) and state.waits_for is not None:
            _drop(self._waiting_for, state.waits_for, state.pc_id)

    def let_go(self, holder_id: str) -> None:
        """Forget a holder without open sessions here: the next command reads them afresh."""
        if holder_id in self._sessions_by_holder:
            return
        self.holders.pop(holder_id, None)
        self.forgotten.discard(holder_id)
        for currency in self.currencies:
            self.wallets.pop(WalletKey(currency, holder_id), None)

    def waiting_for(self, pc_id: str) -> tuple[str, ...]:
        """PCs whose player comes from this one and waits for it to lock, sorted."""
        return self._waiting_for.get(pc_id, ())

    def sessions_on(self, pc_id: str) -> tuple[str, ...]:
        """Open sessions that name this PC, sorted."""
        return self._sessions_by_pc.get(pc_id, ())

    def sessions_of_holder(self, holder_id: str) -> tuple[str, ...]:
        """Open sessions paid from this holder's wallet, sorted."""
        return self._sessions_by_holder.get(holder_id, ())


def _is_listed_alike(before: Entity | None, after: Entity | None) -> bool:
    """Nearly every write of a session leaves it at its PC and with its player."""
    if isinstance(before, SessionState) and isinstance(after, SessionState):
        return before.pc_id == after.pc_id and before.player_id == after.player_id
    return False


def _add(lists: _Lists, key: str, member: str) -> None:
    lists[key] = tuple(sorted({*lists.get(key, ()), member}))


def _drop(lists: _Lists, key: str, member: str) -> None:
    left = tuple(one for one in lists.get(key, ()) if one != member)
    if left:
        lists[key] = left
    else:
        lists.pop(key, None)


@dataclass(slots=True)
class Workspace:
    """Committed entities and wallets, overlaid by this turn's decisions."""

    memory: Memory
    staged: dict[str, Versioned] = field(default_factory=dict)
    staged_wallets: dict[WalletKey, Wallet] = field(default_factory=dict)
    staged_tiles: dict[str, HallTile] = field(default_factory=dict)
    staged_holders: dict[str, KnownHolder] = field(default_factory=dict)
    _staged_on_pc: _Lists = field(default_factory=dict)
    """Sessions that this turn has brought to a PC."""

    def stage(self, installs: Mapping[str, Versioned]) -> None:
        """Let later drafts of the turn build on these."""
        self.staged.update(installs)
        for entity in installs.values():
            state = entity.state
            if isinstance(state, SessionState) and state.session_id not in self._ids_on(
                state.pc_id
            ):
                _add(self._staged_on_pc, state.pc_id, state.session_id)

    def _ids_on(self, pc_id: str) -> tuple[str, ...]:
        """Sessions that name this PC, and those that did before this turn."""
        known, staged = self.memory.sessions_on(pc_id), self._staged_on_pc.get(pc_id)
        return known if staged is None else tuple(sorted({*known, *staged}))

    def is_alone_on(self, pc_id: str, session_id: str) -> bool:
        """Whether no other open session names this PC."""
        return self._ids_on(pc_id) in ((), (session_id,))

    def sessions_on(self, pc_id: str) -> list[SessionState]:
        """Open sessions that name this PC, as this turn sees them."""
        found = map(self.session, self._ids_on(pc_id))
        return [state for state in found if state is not None and state.pc_id == pc_id]

    def sessions_of_holder(self, holder_id: str) -> list[SessionState]:
        """A holder's open sessions, as this turn sees them."""
        staged = (entity.state for entity in self.staged.values())
        ids = {one.session_id for one in staged if isinstance(one, SessionState)}
        ids |= set(self.memory.sessions_of_holder(holder_id))
        found = (self.session(session_id) for session_id in sorted(ids))
        return [one for one in found if one is not None and one.holder_id == holder_id]

    def tile(self, pc_id: str) -> HallTile | None:
        """The tile last written, as this turn sees it."""
        return self.staged_tiles.get(pc_id) or self.memory.tiles.get(pc_id)

    def get(self, key: str) -> Versioned | None:
        """The entity as this turn sees it."""
        return self.staged.get(key) or self.memory.entities.get(key)

    def session(self, session_id: str) -> SessionState | None:
        """An open session."""
        found = self.get(session_key(session_id))
        return found.state if found is not None and isinstance(found.state, SessionState) else None

    def pc(self, pc_id: str) -> PcState | None:
        """A PC's state."""
        found = self.get(pc_key(pc_id))
        return found.state if found is not None and isinstance(found.state, PcState) else None

    def ended(self, session_id: str) -> EndedSession | None:
        """A session that is over, but not settled."""
        found = self.get(ended_key(session_id))
        return found.state if found is not None and isinstance(found.state, EndedSession) else None

    def club(self, club_id: str) -> ClubState:
        """A club's own state."""
        found = self.get(club_key(club_id))
        if found is None or not isinstance(found.state, ClubState):
            return ClubState(club_id)
        return found.state

    def wallet(self, key: WalletKey) -> Wallet:
        """A wallet as this turn sees it, with its holder's credit limit; a wrong belief is
        corrected by the store."""
        found = self.staged_wallets.get(key) or self.memory.wallets.get(key, EMPTY_WALLET)
        player = self.holder(key.holder_id).document
        limit_minor = 0 if player is None else player.credit_limit_minor(key.currency)
        if found.credit_limit_minor == limit_minor:
            return found
        return Wallet(found.cash_minor, found.bonus_minor, limit_minor)

    def version(self, key: str) -> int:
        """The entity's version, 0 when it does not exist."""
        found = self.get(key)
        return 0 if found is None or found.state is None else found.version

    def holder(self, holder_id: str) -> KnownHolder:
        """A holder as this turn sees it; a wrong belief is corrected by the store."""
        return self.staged_holders.get(holder_id) or self.memory.holders.get(
            holder_id, NOTHING_KNOWN
        )
