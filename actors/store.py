"""The store port: what makes a shard turn durable, and who owns a shard.

One chain is one hash tag, so everything a commit touches lives in one slot:

=================================  ========================================================
``clubctl:{C}:shard:<n>``          hash, entity key -> ``<version>:<json>``
``clubctl:{C}:lease:<n>``          hash, epoch, nonce, host, seq, reply (of batch ``seq``)
``clubctl:{C}:documents``          hash, chain-wide documents (players), same form as shard
``clubctl:{C}:balances``           hash, account -> minor units
``clubctl:{C}:ledger``             stream, field ``t``: one transaction as JSON
``clubctl:{C}:outbox``             stream, field ``e``: one event as JSON
``clubctl:{C}:claims``             hash, claim name -> holder (one player, one session)
``clubctl:{C}:idem:<key>``         string with expiry: fingerprint and reply of a command
``clubctl:{C}:index``              hash, session id -> club id
``clubctl:{C}:closed``             hash, session id -> final document with its receipt
``clubctl:{C}:hall:<club>``        hash, pc id -> tile JSON
``clubctl:{C}:live:<club>``        stream, field ``d``: tile or event JSON, bounded
``clubctl:{C}:catalogue``          hash, ``club:<id>``, ``zone:<id>``, ``pc:<id>``, ``tariff:..``
=================================  ========================================================

Everything about hosts is outside the chains: ``clubctl:host:<name>`` (liveness, with expiry),
``clubctl:assignments`` (hash, shard -> host), ``clubctl:chains`` (set).

Guarantees of :meth:`Store.commit`:

* A batch is refused whole (``FENCED``) unless epoch and nonce are the shard's current ones.
* A batch whose ``seq`` is the stored one answers what it answered the first time and writes
  nothing, so a client may resend after a lost reply.
* Units succeed or fail one by one, in order; a unit writes everything or nothing.
* A return means durable. :class:`OutcomeUnknownError` means the batch may or may not have
  happened: the owner must acquire again (new epoch) and reload before it goes on.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

SHARD_COUNT = 256
IDEMPOTENCY_RETENTION_MS = 48 * 3_600_000
LIVE_STREAM_MAX_ENTRIES = 5_000
MAX_UNITS_PER_COMMIT = 512


class StoreError(Exception):
    """Base of this tree: StoreError > StoreUnavailableError > OutcomeUnknownError."""


class StoreUnavailableError(StoreError):
    """The store did not answer; nothing that was asked is known to have happened."""


class OutcomeUnknownError(StoreUnavailableError):
    """A commit was sent and its answer was lost, beyond the client's retries."""


@dataclass(frozen=True, slots=True, order=True)
class ShardId:
    """One of a chain's 256 logical shards; a club lives in exactly one."""

    chain_id: str
    number: int

    def __str__(self) -> str:
        return f"{self.chain_id}/{self.number}"

    @classmethod
    def parse(cls, text: str) -> "ShardId":
        """Inverse of ``str``. Raises ValueError on any other text."""
        chain_id, _, number = text.rpartition("/")
        if not chain_id:
            raise ValueError(f"not a shard id: {text!r}")
        return cls(chain_id, int(number))


@dataclass(frozen=True, slots=True)
class Ownership:
    """The right to write one shard: the lease's epoch, and the nonce drawn when it was taken."""

    shard: ShardId
    epoch: int
    nonce: str
    host: str


class Scope(StrEnum):
    """Where an entity is kept: in its shard, or with the chain's shared documents."""

    SHARD = "shard"
    CHAIN = "chain"


@dataclass(frozen=True, slots=True)
class EntityWrite:
    """Replace an entity. ``expected_version`` 0 means it must not exist; the write stores +1.

    ``blob`` None deletes the entity.
    """

    key: str
    expected_version: int
    blob: bytes | None
    scope: Scope = Scope.SHARD


@dataclass(frozen=True, slots=True)
class Claim:
    """A chain-wide exclusive right by name, such as ``playing/<player>`` held by a session."""

    name: str
    holder: str


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A command's key, a digest of what was asked, and the answer stored with the effect.

    ``key`` is namespaced by the edge that took the command.
    """

    key: str
    fingerprint: str
    reply: bytes


@dataclass(frozen=True, slots=True)
class HallWrite:
    """A changed tile of the hall: stored for snapshots and appended to the club's live stream."""

    club_id: str
    pc_id: str
    tile: bytes


@dataclass(frozen=True, slots=True)
class ClosedSession:
    """The final document of a session (its state and receipt), kept for the archive."""

    session_id: str
    document: bytes


@dataclass(frozen=True, slots=True)
class Unit:
    """What one decision writes. All of it or nothing.

    ``expects`` are the balances the decision was made on: any other balance refuses the unit
    and returns the real ones. ``deltas`` sum to zero per currency (the script checks the sum).
    ``reads`` are chain documents the decision depended on, by key and version (0 = absent).
    ``indexes`` are (session id, club id) pairs.
    """

    entities: tuple[EntityWrite, ...] = ()
    expects: tuple[tuple[str, int], ...] = ()
    reads: tuple[tuple[str, int], ...] = ()
    deltas: tuple[tuple[str, int], ...] = ()
    transactions: tuple[bytes, ...] = ()
    events: tuple[bytes, ...] = ()
    claims: tuple[Claim, ...] = ()
    releases: tuple[Claim, ...] = ()
    closes: tuple[ClosedSession, ...] = ()
    indexes: tuple[tuple[str, str], ...] = ()
    hall: tuple[HallWrite, ...] = ()
    idempotency: Idempotency | None = None


class UnitStatus(StrEnum):
    """What became of one unit."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    """The idempotency key has an answer already: ``reply`` is that answer."""
    KEY_REUSED = "key_reused"
    """The idempotency key was used with another fingerprint."""
    STALE = "stale"
    """An entity's or a read document's version is not the expected one (``name``)."""
    BALANCE = "balance"
    """A balance is not the expected one: ``balances`` has every expected account's real one."""
    CLAIMED = "claimed"
    """``name`` is held by ``holder``."""


@dataclass(frozen=True, slots=True)
class UnitOutcome:
    """The store's word on one unit; which fields are set depends on ``status``."""

    status: UnitStatus
    reply: bytes | None = None
    balances: tuple[tuple[str, int], ...] = ()
    name: str | None = None
    holder: str | None = None


@dataclass(frozen=True, slots=True)
class CommitResult:
    """``fenced`` true: nothing was written and the shard must be dropped at once."""

    fenced: bool
    outcomes: tuple[UnitOutcome, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredEntity:
    """An entity as stored: its version and its JSON bytes."""

    key: str
    version: int
    blob: bytes


@dataclass(frozen=True, slots=True)
class ShardContents:
    """Everything a new owner needs: read after the epoch was raised."""

    ownership: Ownership
    seq: int
    entities: tuple[StoredEntity, ...]


@dataclass(frozen=True, slots=True)
class HostRecord:
    """A live host: ``incarnation`` changes with each process; ``draining`` asks to move away."""

    name: str
    incarnation: str
    shards_owned: int = 0
    draining: bool = False
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LiveEntry:
    """One entry of a club's live stream; ``entry_id`` orders and resumes it."""

    entry_id: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """One entry of a chain's ledger or outbox."""

    entry_id: str
    payload: bytes


class ChainStream(StrEnum):
    """The two append-only streams of a chain."""

    LEDGER = "ledger"
    OUTBOX = "outbox"


class ShardStore(Protocol):
    """What a shard host needs. All methods raise StoreUnavailableError when there is no answer."""

    async def acquire(self, shard: ShardId, *, host: str, nonce: str) -> Ownership:
        """Raise the shard's epoch and make ``nonce`` its owner; the old owner is fenced now."""

    async def load(self, ownership: Ownership) -> ShardContents | None:
        """Read the whole shard in one go; None if ``ownership`` is no longer current."""

    async def release(self, ownership: Ownership) -> bool:
        """Give the shard up; False if somebody else owned it already."""

    async def commit(self, ownership: Ownership, seq: int, units: Sequence[Unit]) -> CommitResult:
        """Write a batch. ``seq`` is one more than the last batch of this shard (any epoch).

        Raises OutcomeUnknownError when the answer is lost.
        """

    async def balances(self, chain_id: str, accounts: Sequence[str]) -> dict[str, int]:
        """Current balances; an account never used is 0."""

    async def documents(self, chain_id: str, keys: Sequence[str]) -> dict[str, StoredEntity]:
        """Chain documents that exist, by key."""

    async def catalogue(self, chain_id: str) -> dict[str, bytes]:
        """The chain's whole catalogue, field -> JSON."""

    def wallet_changes(self) -> AsyncIterator[tuple[str, str]]:
        """(chain id, account) of wallets changed by any commit anywhere; lossy by nature.

        The script publishes each ``:wallet:`` account of an applied unit's deltas on the
        channel ``clubctl:wallets`` as ``<chain> <account> <host>``; a host is not told of its
        own changes twice over: the implementation drops the ones with its own host name.
        """


class HostRegistry(Protocol):
    """Liveness of hosts and the coordinator's map."""

    async def beat(self, record: HostRecord, *, ttl_ms: int) -> None:
        """Say that this host lives for another ``ttl_ms`` of real time."""

    async def retire(self, name: str, incarnation: str) -> None:
        """Forget this host, unless a newer incarnation has taken the name."""

    async def hosts(self) -> tuple[HostRecord, ...]:
        """Hosts alive now, by name."""

    async def assignments(self) -> dict[ShardId, str]:
        """The coordinator's last map, shard -> host name."""

    async def assign(self, changes: Mapping[ShardId, str], gone: Sequence[ShardId] = ()) -> None:
        """Store the changed part of the map."""

    async def owners(self, shards: Sequence[ShardId]) -> dict[ShardId, Ownership]:
        """Who holds each lease now; released and never taken shards are missing."""


class Catalogue(Protocol):
    """Chains, clubs, zones, PCs, tariffs, players: what is configured rather than lived."""

    async def chains(self) -> tuple[str, ...]:
        """All chain ids."""

    async def put(self, chain_id: str, fields: Mapping[str, bytes]) -> None:
        """Store catalogue documents and tell every host (channel ``clubctl:catalogue``)."""

    async def catalogue(self, chain_id: str) -> dict[str, bytes]:
        """The chain's whole catalogue, field -> JSON."""

    def catalogue_changes(self) -> AsyncIterator[str]:
        """Chain ids whose catalogue changed; lossy by nature."""


class ReadModels(Protocol):
    """What queries are answered from. Nobody asks an actor to answer a query."""

    async def hall(self, chain_id: str, club_id: str) -> tuple[str, dict[str, bytes]]:
        """(id of the live stream's last entry, pc id -> tile), read at one instant."""

    async def live(
        self, chain_id: str, club_id: str, after: str, *, block_ms: int
    ) -> tuple[LiveEntry, ...] | None:
        """Entries after ``after``, waiting up to ``block_ms`` real ms; None if ``after`` is gone
        from the stream (trimmed), so the caller sends a new snapshot."""

    async def session(self, chain_id: str, session_id: str) -> StoredEntity | None:
        """A session's stored document, running or closed."""

    async def club_of_session(self, chain_id: str, session_id: str) -> str | None:
        """The club a session belongs to."""

    async def sessions_of_club(self, chain_id: str, club_id: str) -> tuple[StoredEntity, ...]:
        """All open sessions of a club."""

    async def balances(self, chain_id: str, accounts: Sequence[str]) -> dict[str, int]:
        """Current balances; an account never used is 0."""

    async def documents(self, chain_id: str, keys: Sequence[str]) -> dict[str, StoredEntity]:
        """Chain documents that exist, by key."""

    async def stream(
        self, chain_id: str, name: ChainStream, *, after: str = "0-0", count: int = 1_000
    ) -> tuple[StreamEntry, ...]:
        """Up to ``count`` entries of a chain stream after an id, oldest first."""


class Snapshots(Protocol):
    """Small documents that processes leave for each other: metrics, the simulated clock."""

    async def put_snapshot(self, name: str, payload: bytes, *, ttl_ms: int | None) -> None:
        """Store ``clubctl:snapshot:<name>``."""

    async def snapshots(self, prefix: str) -> dict[str, bytes]:
        """Live snapshots whose name starts with ``prefix``, by name."""


class Store(ShardStore, HostRegistry, Catalogue, ReadModels, Snapshots, Protocol):
    """The whole port; RedisStore and MemoryStore implement it."""

    async def close(self) -> None:
        """Free connections."""
