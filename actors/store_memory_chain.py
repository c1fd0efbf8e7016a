"""One chain in memory, and what a unit does to it: the commit script's rules in Python."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from actors.store_values import (
    AUDIT_MAX_ENTRIES,
    LIVE_STREAM_MAX_ENTRIES,
    MAX_AMOUNT_MINOR,
    ChainStream,
    Claim,
    CommitResult,
    EntityWrite,
    Idempotency,
    LiveEntry,
    Ownership,
    Scope,
    StoredEntity,
    StreamEntry,
    Unit,
    UnitOutcome,
    UnitStatus,
    place_of,
)
from actors.store_wire import closed_version
from billing_core.ledger import is_of_one_session

_APPLIED = UnitOutcome(UnitStatus.APPLIED)


@dataclass(slots=True)
class MemoryLease:
    """A shard's owner and its last batch."""

    epoch: int = 0
    nonce: str | None = None
    host: str | None = None
    seq: int = 0
    result: CommitResult | None = None

    def is_held_by(self, ownership: Ownership) -> bool:
        """Whether epoch and nonce are the current ones."""
        return (self.epoch, self.nonce) == (ownership.epoch, ownership.nonce)


@dataclass(slots=True)
class MemoryStream:
    """An append-only stream; ids are ``<n>-0``."""

    entries: dict[int, bytes] = field(default_factory=dict)
    last: int = 0

    def append(self, payload: bytes) -> None:
        """Add at the end."""
        self.last += 1
        self.entries[self.last] = payload

    def holds(self, entry: StreamEntry) -> bool:
        """Whether the entry is here, as it was read."""
        at, number = place_of(entry.entry_id)
        return not number and self.entries.get(at) == entry.payload

    def trim_to(self, length: int) -> None:
        """Keep the newest ``length`` entries."""
        for number in list(self.entries)[: max(0, len(self.entries) - length)]:
            del self.entries[number]


@dataclass(slots=True)
class MemoryChain:
    """Everything under one chain's tag."""

    leases: dict[int, MemoryLease] = field(default_factory=dict)
    shards: dict[int, dict[str, StoredEntity]] = field(default_factory=dict)
    documents: dict[str, StoredEntity] = field(default_factory=dict)
    balances: dict[str, int] = field(default_factory=dict)
    streams: dict[ChainStream, MemoryStream] = field(
        default_factory=lambda: {name: MemoryStream() for name in ChainStream}
    )
    claims: dict[str, str] = field(default_factory=dict)
    answers: dict[str, Idempotency] = field(default_factory=dict)
    index: dict[str, str] = field(default_factory=dict)
    closed: dict[str, StoredEntity] = field(default_factory=dict)
    halls: dict[str, dict[str, bytes]] = field(default_factory=dict)
    live: dict[str, MemoryStream] = field(default_factory=dict)
    catalogue: dict[str, bytes] = field(default_factory=dict)
    revision: int = 0
    enrolment: dict[str, dict[str, bytes]] = field(default_factory=dict)
    audit: MemoryStream = field(default_factory=MemoryStream)
    trimmed: dict[ChainStream, str] = field(default_factory=dict)

    def judge_batch(
        self, number: int, units: Sequence[Unit], wallets: dict[str, None]
    ) -> tuple[UnitOutcome, ...]:
        """Apply each unit to shard ``number`` or say why not; adds the changed wallets.

        Whoever comes later was decided on what a refused unit would have left in the documents. A
        version would fit again where another shard has written meanwhile, and what that wrote
        would be undone. Entities are written by their own shard alone.
        """
        undone: set[str] = set()
        outcomes: list[UnitOutcome] = []
        for unit in units:
            outcomes.append(self._judged(number, unit, wallets=wallets, undone=undone))
            if outcomes[-1].status is not UnitStatus.APPLIED:
                undone.update(one.key for one in unit.entities if one.scope is Scope.CHAIN)
        return tuple(outcomes)

    def _judged(
        self, number: int, unit: Unit, *, wallets: dict[str, None], undone: Collection[str]
    ) -> UnitOutcome:
        shard = self.shards.setdefault(number, {})
        refusal = (
            self._known_answer(unit.idempotency)
            or self._stale(shard, unit, undone)
            or self._wrong_balance(unit)
            or self._claimed(unit)
            or self._wrong_money(unit)
        )
        if refusal is not None:
            return refusal
        self._move_money(unit, wallets)
        for write in unit.entities:
            _write(self._of(write, shard), write)
        self._append(unit)
        self._exchange_claims(unit)
        self._publish(unit)
        if unit.idempotency is not None:
            self.answers[unit.idempotency.key] = unit.idempotency
        return _APPLIED

    def _known_answer(self, asked: Idempotency | None) -> UnitOutcome | None:
        known = None if asked is None else self.answers.get(asked.key)
        if known is None or asked is None:
            return None
        if known.fingerprint != asked.fingerprint:
            return UnitOutcome(UnitStatus.KEY_REUSED)
        return UnitOutcome(UnitStatus.DUPLICATE, reply=known.reply)

    def _stale(
        self, shard: dict[str, StoredEntity], unit: Unit, undone: Collection[str]
    ) -> UnitOutcome | None:
        writes = sorted(unit.entities, key=lambda write: write.scope is Scope.CHAIN)
        wanted = [(self._of(w, shard), w.key, w.expected_version) for w in writes]
        wanted += [(self.documents, key, version) for key, version in unit.reads]
        wanted += [(shard, key, version) for key, version in unit.seen]
        for stored, key, version in wanted:
            found = stored.get(key)
            is_undone = stored is self.documents and key in undone
            if is_undone or (0 if found is None else found.version) != version:
                return UnitOutcome(UnitStatus.STALE, name=key)
        return None

    def _wrong_balance(self, unit: Unit) -> UnitOutcome | None:
        real = tuple((account, self.balances.get(account, 0)) for account, _ in unit.expects)
        if real == unit.expects:
            return None
        return UnitOutcome(UnitStatus.BALANCE, balances=real)

    def _claimed(self, unit: Unit) -> UnitOutcome | None:
        freed = {r.name for r in unit.releases if self._holds(r)}
        for claim in unit.claims:
            holder = self.claims.get(claim.name, claim.holder)
            if holder != claim.holder and claim.name not in freed:
                return UnitOutcome(UnitStatus.CLAIMED, name=claim.name, holder=holder)
        return None

    def _wrong_money(self, unit: Unit) -> UnitOutcome | None:
        sums: dict[str, int] = {}
        for account, amount_minor in unit.deltas:
            currency = account[:3]
            sums[currency] = sums.get(currency, 0) + amount_minor
            if abs(self.balances.get(account, 0) + amount_minor) > MAX_AMOUNT_MINOR:
                return UnitOutcome(UnitStatus.OUT_OF_RANGE, name=account)
        for currency, sum_minor in sums.items():
            if sum_minor:
                return UnitOutcome(UnitStatus.UNBALANCED, name=currency)
        return None

    def _move_money(self, unit: Unit, wallets: dict[str, None]) -> None:
        for account, amount_minor in unit.deltas:
            after_minor = self.balances.get(account, 0) + amount_minor
            self.balances[account] = after_minor
            if after_minor == 0 and is_of_one_session(account):
                del self.balances[account]
            if ":wallet:" in account:
                wallets[account] = None

    def _append(self, unit: Unit) -> None:
        for transaction in unit.transactions:
            self.streams[ChainStream.LEDGER].append(transaction)
        for event in unit.events:
            self.streams[ChainStream.OUTBOX].append(event)
        for entry in unit.audit:
            self.audit.append(entry)
        self.audit.trim_to(AUDIT_MAX_ENTRIES)

    def _exchange_claims(self, unit: Unit) -> None:
        for release in unit.releases:
            if self._holds(release):
                del self.claims[release.name]
        self.claims.update((claim.name, claim.holder) for claim in unit.claims)

    def _holds(self, claim: Claim) -> bool:
        return self.claims.get(claim.name) == claim.holder

    def _publish(self, unit: Unit) -> None:
        self.index.update(unit.indexes)
        for close in unit.closes:
            version = closed_version(unit, close)
            self.closed[close.session_id] = StoredEntity(close.session_id, version, close.document)
        for write in unit.hall:
            self.halls.setdefault(write.club_id, {})[write.pc_id] = write.tile
            stream = self.live.setdefault(write.club_id, MemoryStream())
            stream.append(write.tile)
            stream.trim_to(LIVE_STREAM_MAX_ENTRIES)

    def _of(self, write: EntityWrite, shard: dict[str, StoredEntity]) -> dict[str, StoredEntity]:
        return shard if write.scope is Scope.SHARD else self.documents

    def entries(self, name: ChainStream) -> tuple[StreamEntry, ...]:
        """A chain stream, oldest first."""
        kept = self.streams[name].entries
        return tuple(StreamEntry(f"{number}-0", payload) for number, payload in kept.items())

    def live_entries(self, club_id: str) -> tuple[LiveEntry, ...]:
        """A club's live stream, oldest first."""
        kept = self.live.setdefault(club_id, MemoryStream()).entries
        return tuple(LiveEntry(f"{number}-0", payload) for number, payload in kept.items())


def _write(stored: dict[str, StoredEntity], write: EntityWrite) -> None:
    if write.blob is None:
        stored.pop(write.key, None)
    else:
        stored[write.key] = StoredEntity(write.key, write.expected_version + 1, write.blob)
