"""Builds one draft: collects what a decision changes and turns it into one unit.

A unit carries the balances it was decided on, so that the store refuses it when another shard
has moved the same wallet in between.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import orjson

from actors.auditing import audit_entry
from actors.bought import bought_blob
from actors.club_events import ClubEvent, ClubState, PcTold, club_key
from actors.draft import Draft, TickReport
from actors.ended import EndedSession, ended_key
from actors.order_events import OrderEvent
from actors.orders import KnownOrder, order_key
from actors.pc import PcState, desired_document
from actors.store import Claim, ClosedSession, EntityWrite, HallWrite, Scope, Unit, session_key
from actors.turn import (
    AcknowledgeUsage,
    Answer,
    CommandDevice,
    CommandInput,
    Effect,
    Input,
    PublishDesired,
    WakePc,
    stored_answer,
)
from actors.wallets import WalletKey, expected_balances
from actors.workspace import (
    Entity,
    KnownHolder,
    Versioned,
    Workspace,
    bought_key,
    pc_key,
    player_key,
)
from billing_core.events import Event
from billing_core.ledger import Transaction, is_guest
from billing_core.plain import session_to_dict, transaction_to_dict
from billing_core.player_tariff import PlayerTariff, PlayerTariffStatus, without_long_finished
from billing_core.receipt import Receipt
from billing_core.sale import Order
from billing_core.session import SessionState
from billing_core.wallet import Wallet
from schemas.catalogue import PlayerDocument
from schemas.commands import CommandReply
from schemas.views import HallTile


@dataclass(slots=True)
class Drafting:
    """Everything one unit will write. ``finish`` stages it in the workspace."""

    workspace: Workspace
    chain_id: str
    club_id: str
    epoch: int
    entities: dict[str, Entity | None] = field(default_factory=dict)
    wallets_read: dict[WalletKey, Wallet] = field(default_factory=dict)
    wallets_after: dict[WalletKey, Wallet] = field(default_factory=dict)
    documents_read: dict[str, int] = field(default_factory=dict)
    entities_seen: dict[str, int] = field(default_factory=dict)
    bought_after: dict[str, tuple[PlayerTariff, ...]] = field(default_factory=dict)
    orders_after: dict[str, tuple[Order, int]] = field(default_factory=dict)
    transactions: list[Transaction] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    club_events: list[ClubEvent] = field(default_factory=list)
    order_events: list[OrderEvent] = field(default_factory=list)
    acks: list[AcknowledgeUsage] = field(default_factory=list)
    orders: list[CommandDevice | WakePc] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    releases: list[Claim] = field(default_factory=list)
    closes: list[ClosedSession] = field(default_factory=list)
    closed: list[SessionState] = field(default_factory=list)
    """Sessions this draft ends, as they end."""
    indexes: list[tuple[str, str]] = field(default_factory=list)
    hall: list[HallWrite] = field(default_factory=list)
    tiles: dict[str, HallTile] = field(default_factory=dict)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    touched_pcs: set[str] = field(default_factory=set)

    def session(self, session_id: str) -> SessionState | None:
        """The session as this draft leaves it."""
        self._see(session_key(session_id))
        return self._session(session_id)

    def _session(self, session_id: str) -> SessionState | None:
        key = session_key(session_id)
        if key in self.entities:
            state = self.entities[key]
            return state if isinstance(state, SessionState) else None
        return self.workspace.session(session_id)

    def pc(self, pc_id: str) -> PcState | None:
        """The PC as this draft leaves it."""
        self._see(pc_key(pc_id))
        state = self.entities.get(pc_key(pc_id))
        return state if isinstance(state, PcState) else self.workspace.pc(pc_id)

    def sessions_on(self, pc_id: str) -> list[SessionState]:
        """Open sessions that name this PC, as this draft leaves them."""
        here = {
            state.session_id: state
            for state in self.workspace.sessions_on(pc_id)
            if session_key(state.session_id) not in self.entities
        }
        for state in self.entities.values():
            if isinstance(state, SessionState) and state.pc_id == pc_id:
                here[state.session_id] = state
        for session_id in here:
            self._see(session_key(session_id))
        return list(here.values())

    def _see(self, key: str) -> None:
        """What a command's answer says of an entity must be true of the store."""
        self.entities_seen.setdefault(key, self.workspace.version(key))

    def player(self, player_id: str | None) -> PlayerDocument | None:
        """A player's document; reading it makes the unit depend on it."""
        if player_id is None:
            return None
        known = self._holder(player_id)
        self.documents_read[player_key(player_id)] = known.document_version
        return known.document

    def bought(self, holder_id: str) -> tuple[PlayerTariff, ...]:
        """A holder's bought tariffs; reading them makes the unit depend on them."""
        if holder_id in self.bought_after:
            return self.bought_after[holder_id]
        known = self._holder(holder_id)
        self.documents_read[bought_key(holder_id)] = known.bought_version
        return known.bought

    def _holder(self, holder_id: str) -> KnownHolder:
        known = self.workspace.holder(holder_id)
        if known.unreadable is not None:
            raise known.unreadable
        return known

    def put_bought(self, holder_id: str, changed: Iterable[PlayerTariff]) -> None:
        """Write the bought tariffs that are new or changed; finished ones do not stay for ever."""
        merged = {tariff.player_tariff_id: tariff for tariff in self.bought(holder_id)}
        merged.update((tariff.player_tariff_id, tariff) for tariff in changed)
        self.bought_after[holder_id] = without_long_finished(merged.values())

    def order(self, order_id: str) -> KnownOrder | None:
        """An order as read for this turn; reading it makes the unit depend on it."""
        memory = self.workspace.memory
        if order_id in memory.unreadable_orders:
            raise memory.unreadable_orders[order_id]
        known = memory.orders.get(order_id)
        self.documents_read[order_key(order_id)] = 0 if known is None else known.version
        return known

    def put_corrected(self, state: SessionState) -> None:
        """Let whatever is decided about this session's bill later in this turn see it corrected."""
        orders = self.workspace.memory.orders
        known = orders.get(state.session_id)
        if known is not None:
            orders[state.session_id] = known.corrected(state)

    def put_order(self, order: Order, version: int) -> None:
        """Write an order that is stored at ``version`` now, 0 when it is new."""
        self.orders_after[order.order_id] = (order, version)

    def put_session(self, state: SessionState) -> None:
        """Write an open session."""
        self._touch_session_pcs(state)
        self.entities[session_key(state.session_id)] = state

    def put_pc(self, state: PcState) -> None:
        """Write a PC."""
        self.touched_pcs.add(state.pc_id)
        self.entities[pc_key(state.pc_id)] = state

    def tell(self, told: PcTold) -> PcState:
        """Tell of a PC with this unit; the PC as it then is, for the caller to put."""
        self.club_events += told.events
        return told.state

    def put_club(self, state: ClubState, event: ClubEvent) -> None:
        """Write a club's own state and tell of it."""
        self.entities[club_key(state.club_id)] = state
        self.club_events.append(event)

    def ended(self, session_id: str) -> EndedSession | None:
        """A session that is over but not settled, as this draft leaves it."""
        key = ended_key(session_id)
        if key in self.entities:
            state = self.entities[key]
            return state if isinstance(state, EndedSession) else None
        return self.workspace.ended(session_id)

    def put_ended(self, ended: EndedSession) -> None:
        """Keep a session that is over for as long as something about it is open."""
        key = ended_key(ended.session_id)
        if not ended.is_settled:
            self.entities[key] = ended
        elif self.workspace.version(key):
            self.entities[key] = None
        else:
            self.entities.pop(key, None)

    def put_tile(self, tile: HallTile) -> None:
        """Show a PC as it is now."""
        self.tiles[tile.pc_id] = tile
        blob = tile.model_dump_json().encode()
        self.hall.append(HallWrite(self.club_id, tile.pc_id, blob))

    def _touch_session_pcs(self, state: SessionState) -> None:
        before = self._session(state.session_id)
        self.touched_pcs.add(state.pc_id)
        if before is not None:
            self.touched_pcs.add(before.pc_id)

    def close_session(self, state: SessionState, document: bytes) -> None:
        """Take a session out of the shard and leave its final document."""
        session_id = state.session_id
        self._touch_session_pcs(state)
        key = session_key(session_id)
        if self.workspace.version(key):
            self.entities[key] = None
        else:
            self.entities.pop(key, None)
        self.closes.append(ClosedSession(session_id, document))
        self.closed.append(state)

    def wallet(self, key: WalletKey) -> Wallet:
        """The wallet as this draft leaves it; the unit depends on it and on its credit limit."""
        found = self.wallets_after.get(key) or self.wallets_read.get(key)
        if found is None:
            known = self.workspace.holder(key.holder_id)
            if known.document is not None:
                self.documents_read[player_key(key.holder_id)] = known.document_version
            found = self.wallets_read[key] = self.workspace.wallet(key)
        return found

    def put_wallet(self, key: WalletKey, wallet: Wallet) -> None:
        """What the wallet will hold once the transactions are posted."""
        self.wallets_after[key] = wallet

    def emptied(self) -> "Drafting":
        """A draft that changes nothing, but still depends on what this one has read."""
        return Drafting(
            self.workspace,
            self.chain_id,
            self.club_id,
            self.epoch,
            wallets_read=self.wallets_read,
            documents_read=self.documents_read,
            entities_seen=self.entities_seen,
        )

    def version_after(self, session_id: str) -> int:
        """The version the session will have."""
        return self.workspace.version(session_key(session_id)) + 1

    def finish(
        self,
        cause: Input | None,
        *,
        reply: CommandReply | None = None,
        tick: TickReport | None = None,
    ) -> Draft:
        """One unit and what to install with it; later drafts of the turn build on it."""
        effects: list[Effect] = [*self._documents(), *self.acks, *self.orders]
        writes, bought_writes = self._writes(), self._bought_writes()
        installs = {
            write.key: Versioned(state, write.expected_version + 1)
            for write, state in zip(writes, self.entities.values(), strict=True)
        }
        holders = self._holders()
        self.workspace.stage(installs)
        self.workspace.staged_wallets.update(self.wallets_after)
        self.workspace.staged_tiles.update(self.tiles)
        self.workspace.staged_holders.update(holders)
        self._stage_orders()
        idempotency = None
        audit: tuple[bytes, ...] = ()
        if isinstance(cause, CommandInput):
            assert reply is not None, "a command is always answered"
            effects.append(Answer(cause.ticket, reply))
            idempotency = stored_answer(cause.envelope, reply)
            audit = (audit_entry(cause.envelope, reply),)
        unit = Unit(
            entities=(*writes, *bought_writes, *self._order_writes()),
            expects=expected_balances(self.wallets_read),
            reads=tuple(self.documents_read.items()),
            seen=self._seen() if isinstance(cause, CommandInput) else (),
            deltas=_deltas(self.transactions),
            transactions=tuple([orjson.dumps(transaction_to_dict(t)) for t in self.transactions]),
            events=tuple(map(self._event_blob, self._told())),
            claims=tuple(self.claims),
            releases=tuple(self.releases),
            closes=tuple(self.closes),
            indexes=tuple(self.indexes),
            hall=tuple(self.hall),
            audit=audit,
            idempotency=idempotency,
        )
        return Draft(
            unit=unit,
            cause=cause,
            installs=installs,
            wallets=self.wallets_after,
            tiles=self.tiles,
            holders=holders,
            effects=effects,
            tick=tick,
        )

    def _stage_orders(self) -> None:
        """Let what is decided later in this turn see the orders as this draft leaves them."""
        known = self.workspace.memory.orders
        for order_id, (order, version) in self.orders_after.items():
            if order_id in known:
                known[order_id] = replace(known[order_id], order=order, version=version + 1)

    def _seen(self) -> tuple[tuple[str, int], ...]:
        return tuple(pair for pair in self.entities_seen.items() if pair[0] not in self.entities)

    def _writes(self) -> list[EntityWrite]:
        """One for each entity, in their order."""
        version = self.workspace.version
        return [
            EntityWrite(key, version(key), None if state is None else _entity_blob(state))
            for key, state in self.entities.items()
        ]

    def _holders(self) -> dict[str, KnownHolder]:
        """Holders whose bought tariffs this draft writes, as they will be."""
        after = {}
        for holder_id, bought in self.bought_after.items():
            known = self.workspace.holder(holder_id)
            version = 0 if _leaves_nothing(holder_id, bought) else known.bought_version + 1
            after[holder_id] = replace(
                known, bought=bought if version else (), bought_version=version
            )
        return after

    def _bought_writes(self) -> list[EntityWrite]:
        writes = []
        for holder_id, bought in self.bought_after.items():
            version = self.workspace.holder(holder_id).bought_version
            blob = None if _leaves_nothing(holder_id, bought) else bought_blob(bought)
            if version or blob is not None:
                writes.append(EntityWrite(bought_key(holder_id), version, blob, Scope.CHAIN))
        return writes

    def _order_writes(self) -> Iterable[EntityWrite]:
        for order_id, (order, version) in self.orders_after.items():
            yield EntityWrite(order_key(order_id), version, orjson.dumps(order), Scope.CHAIN)

    def _documents(self) -> Iterable[PublishDesired]:
        for state in self.entities.values():
            if not isinstance(state, PcState):
                continue
            before = self.workspace.pc(state.pc_id)
            if before is None or before.target != state.target:
                document = desired_document(state, self.epoch)
                yield PublishDesired(self.club_id, state.pc_id, document)

    def _told(self) -> Iterable[Event | ClubEvent | OrderEvent]:
        return (*self.events, *self.club_events, *self.order_events)

    def _event_blob(self, event: Event | ClubEvent | OrderEvent) -> bytes:
        source = session_key(event.session_id) if isinstance(event, Event) else event.source
        return orjson.dumps(
            {
                "v": 1,
                "id": f"{source}:{event.seq}",
                "source": source,
                "chain_id": self.chain_id,
                "club_id": self.club_id,
                "event": event,
            }
        )


def _entity_blob(state: Entity) -> bytes:
    return orjson.dumps(session_to_dict(state) if isinstance(state, SessionState) else state)


def _deltas(transactions: Iterable[Transaction]) -> tuple[tuple[str, int], ...]:
    sums: dict[str, int] = {}
    for transaction in transactions:
        for entry in transaction.entries:
            sums[entry.account] = sums.get(entry.account, 0) + entry.amount_minor
    return tuple([pair for pair in sums.items() if pair[1]])


def _leaves_nothing(holder_id: str, bought: Iterable[PlayerTariff]) -> bool:
    """A one-time guest never comes back: once nothing is open, the session tells the rest."""
    is_open = any(one.status is PlayerTariffStatus.OPEN for one in bought)
    return is_guest(holder_id) and not is_open
