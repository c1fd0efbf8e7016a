"""The values that cross the store port: what is written, what comes back, what can go wrong."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from billing_core.hot_value import hot_value

SHARD_COUNT = 256
IDEMPOTENCY_RETENTION_MS = 48 * 3_600_000
LIVE_STREAM_MAX_ENTRIES = 5_000
AUDIT_MAX_ENTRIES = 100_000
"""Of a chain, about: older entries go as new ones come."""
MAX_UNITS_PER_COMMIT = 512
MAX_AMOUNT_MINOR = 2**53 - 1
"""Scripts count in doubles; an amount beyond this is a programmer error, found before sending."""
SESSION_KEY_PREFIX = "session:"
ENDED_KEY_PREFIX = "ended:"


Listening: TypeAlias = Callable[[], Awaitable[None]]
"""Awaited whenever a subscription begins: what changed before is to be read again."""


async def nothing_to_reread() -> None:
    """For whoever wants news only."""


def session_key(session_id: str) -> str:
    """The entity key of a session in its club's shard."""
    return SESSION_KEY_PREFIX + session_id


def place_of(entry_id: str) -> tuple[int, int]:
    """A stream's entry id as numbers that compare. Raises ValueError on any other text."""
    at_ms, _, number = entry_id.partition("-")
    return int(at_ms), int(number)


class StoreError(Exception):
    """Base of this tree: StoreError > StoreUnavailableError > OutcomeUnknownError, and
    StoreError > ClubTakenError."""


class StoreUnavailableError(StoreError):
    """The store did not answer; nothing that was asked is known to have happened."""


class OutcomeUnknownError(StoreUnavailableError):
    """A commit was sent and its answer was lost, beyond the client's retries."""


class ClubTakenError(StoreError):
    """Another chain of the installation has a club of this id; nothing was stored."""


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


@hot_value(frozen=True, slots=True)
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


@hot_value(frozen=True, slots=True)
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
    """The final document of a session (its state and receipt), kept for the archive.

    ``version`` None: one more than the session the same unit deletes. A document that replaces an
    earlier one says its own.
    """

    session_id: str
    document: bytes
    version: int | None = None


@hot_value(frozen=True, slots=True)
class Unit:
    """What one decision writes. All of it or nothing.

    ``expects`` are the balances the decision was made on: any other balance refuses the unit
    and returns the real ones. ``deltas`` sum to zero per currency (the script checks the sum).
    ``reads`` are chain documents the decision depended on, by key and version (0 = absent);
    ``seen`` are entities of the shard, in the same form, that it looked at and does not write.
    ``indexes`` are (session id, club id) pairs. ``audit`` are entries of the chain's audit.
    """

    entities: tuple[EntityWrite, ...] = ()
    expects: tuple[tuple[str, int], ...] = ()
    reads: tuple[tuple[str, int], ...] = ()
    seen: tuple[tuple[str, int], ...] = ()
    deltas: tuple[tuple[str, int], ...] = ()
    transactions: tuple[bytes, ...] = ()
    events: tuple[bytes, ...] = ()
    claims: tuple[Claim, ...] = ()
    releases: tuple[Claim, ...] = ()
    closes: tuple[ClosedSession, ...] = ()
    indexes: tuple[tuple[str, str], ...] = ()
    hall: tuple[HallWrite, ...] = ()
    audit: tuple[bytes, ...] = ()
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
    OUT_OF_RANGE = "out_of_range"
    """The balance of ``name`` would leave what can be counted exactly."""
    UNBALANCED = "unbalanced"
    """Its deltas in the currency ``name`` do not sum to zero."""
    FAILED = "failed"
    """The store cannot take it at all, for the reason ``name``; what its owner says of it."""


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


@hot_value(frozen=True, slots=True)
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


@hot_value(frozen=True, slots=True)
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


@hot_value(frozen=True, slots=True)
class StreamEntry:
    """One entry of a chain's ledger or outbox."""

    entry_id: str
    payload: bytes


class ChainStream(StrEnum):
    """The two append-only streams of a chain."""

    LEDGER = "ledger"
    OUTBOX = "outbox"


@dataclass(frozen=True, slots=True)
class ChainImage:
    """A whole chain at one instant, but for its streams: these only grow, so whoever reads them
    up to ``ledger_until`` and ``outbox_until`` has what this image is the result of.

    ``sessions`` maps session ids to club ids. Keys of ``closed`` are session ids.
    """

    balances: Mapping[str, int]
    claims: Mapping[str, str]
    entities: tuple[StoredEntity, ...]
    closed: tuple[StoredEntity, ...]
    sessions: Mapping[str, str]
    ledger_until: str
    outbox_until: str


@dataclass(frozen=True, slots=True)
class ShardsImage:
    """Some shards of a chain at one instant, and the last entries of its streams then."""

    entities: tuple[StoredEntity, ...]
    ledger_until: str
    outbox_until: str


@dataclass(frozen=True, slots=True)
class BalancesImage:
    """Some balances at one instant, and the last entry of the ledger then."""

    balances: Mapping[str, int]
    ledger_until: str


@dataclass(frozen=True, slots=True)
class DocumentsPage:
    """Some of a chain's documents and where to go on, as :class:`Page`."""

    documents: tuple[StoredEntity, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """Some fields of a hash and where to go on; ``after`` None: that was the last page.

    While a hash changes, a field may come twice; one that stays there is not missed.
    """

    fields: Mapping[str, str]
    after: str | None
