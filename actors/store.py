"""The store port: what makes a shard turn durable, and who owns a shard.

One chain is one hash tag, so everything a commit touches lives in one slot:

=================================  ========================================================
``clubctl:{C}:shard:<n>``          hash, entity key -> ``<version>:<json>``
``clubctl:{C}:lease:<n>``          hash, epoch, nonce, host, seq, reply (of batch ``seq``)
``clubctl:{C}:documents``          hash, chain-wide documents (players), same form as shard
``clubctl:{C}:balances``           hash, account -> minor units
``clubctl:{C}:ledger``             stream, field ``t``: one transaction as JSON
``clubctl:{C}:outbox``             stream, field ``e``: one event as JSON
``clubctl:{C}:audit``              stream, field ``a``: who asked what, and what came of it
``clubctl:{C}:claims``             hash, claim name -> holder (one player, one session)
``clubctl:{C}:idem:<key>``         string with expiry: fingerprint and reply of a command
``clubctl:{C}:index``              hash, session id -> club id
``clubctl:{C}:closed``             hash, session id -> ``<version>:<final document>``
``clubctl:{C}:hall:<club>``        hash, pc id -> tile JSON
``clubctl:{C}:live:<club>``        stream, field ``d``: tile or event JSON, bounded
``clubctl:{C}:enrolment:<club>``   hash, codes, requests and credentials of PCs
``clubctl:{C}:trimmed``            hash, stream -> id below which it was trimmed
``clubctl:{C}:catalogue``          hash, ``club:<id>``, ``zone:<id>``, ``pc:<id>``, ``tariff:..``
``clubctl:{C}:catalogue-revision`` how often the catalogue has changed
=================================  ========================================================

Everything about hosts is outside the chains: ``clubctl:host:<name>`` (liveness, with expiry),
``clubctl:hosts`` (set of names that may be alive), ``clubctl:assignments`` (hash, shard -> host),
``clubctl:chains`` (set), ``clubctl:clubs`` (hash, club -> chain),
``clubctl:snapshot:<name>`` and their names in ``clubctl:snapshots``.

A session lives in its club's shard under :func:`session_key` until a unit deletes that entity
and closes the session with its final document.

Guarantees of :meth:`Store.commit`:

* A batch is refused whole (``FENCED``) unless epoch and nonce are the shard's current ones, and
  ``seq`` is the stored one or the next: a gap means that the store went back in time.
* A batch whose ``seq`` is the stored one answers what it answered the first time and writes
  nothing, so a client may resend after a lost reply.
* Units succeed or fail one by one, in order; a unit writes everything or nothing.
* A return means durable. :class:`OutcomeUnknownError` means the batch may or may not have
  happened: the owner must acquire again (new epoch) and reload before it goes on.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from actors.store_editing import BookChange, CatalogueEdit, CatalogueEditing, CatalogueImage
from actors.store_enrolment import EnrolmentBooks, FieldChange
from actors.store_past import Past
from actors.store_values import (
    ENDED_KEY_PREFIX,
    IDEMPOTENCY_RETENTION_MS,
    LIVE_STREAM_MAX_ENTRIES,
    MAX_AMOUNT_MINOR,
    MAX_UNITS_PER_COMMIT,
    SESSION_KEY_PREFIX,
    SHARD_COUNT,
    BalancesImage,
    ChainImage,
    ChainStream,
    Claim,
    ClosedSession,
    ClubTakenError,
    CommitResult,
    DocumentsPage,
    EntityWrite,
    HallWrite,
    HostRecord,
    Idempotency,
    Listening,
    LiveEntry,
    OutcomeUnknownError,
    Ownership,
    Page,
    Scope,
    ShardContents,
    ShardId,
    ShardsImage,
    StoredEntity,
    StoreError,
    StoreUnavailableError,
    StreamEntry,
    Unit,
    UnitOutcome,
    UnitStatus,
    nothing_to_reread,
    place_of,
    session_key,
)

__all__ = [
    "IDEMPOTENCY_RETENTION_MS",
    "LIVE_STREAM_MAX_ENTRIES",
    "MAX_AMOUNT_MINOR",
    "MAX_UNITS_PER_COMMIT",
    "ENDED_KEY_PREFIX",
    "SESSION_KEY_PREFIX",
    "SHARD_COUNT",
    "BalancesImage",
    "BookChange",
    "ChainImage",
    "ChainStream",
    "Claim",
    "CatalogueEdit",
    "CatalogueEditing",
    "CatalogueImage",
    "ClosedSession",
    "ClubTakenError",
    "CommitResult",
    "DocumentsPage",
    "EntityWrite",
    "HallWrite",
    "HostRecord",
    "EnrolmentBooks",
    "FieldChange",
    "Idempotency",
    "Listening",
    "LiveEntry",
    "OutcomeUnknownError",
    "Ownership",
    "Page",
    "Scope",
    "ShardContents",
    "ShardId",
    "ShardsImage",
    "StoreError",
    "StoreUnavailableError",
    "StoredEntity",
    "StreamEntry",
    "Unit",
    "UnitOutcome",
    "UnitStatus",
    "nothing_to_reread",
    "place_of",
    "session_key",
    "ShardStore",
    "HostRegistry",
    "Catalogue",
    "ReadModels",
    "Snapshots",
    "Inspection",
    "Past",
    "Store",
]


class ShardStore(Protocol):
    """What a shard host needs. All methods raise StoreUnavailableError when there is no answer."""

    async def acquire(self, shard: ShardId, *, host: str, nonce: str) -> Ownership:
        """Raise the shard's epoch and make ``nonce`` its owner; the old owner is fenced now.

        The new epoch is the server's clock (ms) or one more than the old, whichever is later: so
        epochs rise even if the server comes back as it was some time ago.
        """

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

    async def session(self, chain_id: str, session_id: str) -> StoredEntity | None:
        """A session's stored document, running or closed."""

    def wallet_changes(
        self, listening: Listening = nothing_to_reread
    ) -> AsyncIterator[tuple[str, str]]:
        """(chain id, account) of wallets changed by any commit anywhere; lossy by nature, so see
        ``listening``.

        The script publishes the ``:wallet:`` accounts a batch changed on the channel
        ``clubctl:wallets`` as one message, ``<chain> <host> <account> <account> ...``. A host is
        not told of its own changes: a store opened with ``host`` drops that host's messages.
        """


class HostRegistry(Protocol):
    """Liveness of hosts and the coordinator's map."""

    async def beat(self, record: HostRecord, *, ttl_ms: int, first: bool = False) -> str:
        """Say that this host lives for another ``ttl_ms`` of real time; which incarnation holds
        its name now.

        An incarnation's ``first`` beat takes the name, whoever had it. A later beat keeps it, or
        takes it while nobody that lives has it; if somebody has, nothing is written.
        """

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
        """Store catalogue documents and tell every host (channel ``clubctl:catalogue``).

        Raises ClubTakenError if another chain has one of the clubs: topics name no chain.
        """

    async def catalogue(self, chain_id: str) -> dict[str, bytes]:
        """The chain's whole catalogue, field -> JSON."""

    def catalogue_changes(self, listening: Listening = nothing_to_reread) -> AsyncIterator[str]:
        """Chain ids whose catalogue changed; lossy by nature, so see ``listening``."""

    async def add_documents(self, chain_id: str, documents: Mapping[str, bytes]) -> int:
        """Store chain documents (players) that do not exist yet, at version 1; how many were new.

        Documents that exist are left as they are, so seeding twice changes nothing.
        """


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

    async def ended_beside(self, chain_id: str, club_id: str) -> tuple[StoredEntity, ...]:
        """Sessions of a club's shard that have ended while something about them is open."""

    async def balances(self, chain_id: str, accounts: Sequence[str]) -> dict[str, int]:
        """Current balances; an account never used is 0."""

    async def documents(self, chain_id: str, keys: Sequence[str]) -> dict[str, StoredEntity]:
        """Chain documents that exist, by key."""

    async def documents_by_prefix(self, chain_id: str, prefix: str) -> tuple[StoredEntity, ...]:
        """Chain documents whose key starts with ``prefix``, by key: every player, for a search."""

    async def stream(
        self, chain_id: str, name: ChainStream, *, after: str = "0-0", count: int = 1_000
    ) -> tuple[StreamEntry, ...]:
        """Up to ``count`` entries of a chain stream after an id, oldest first."""

    async def audit(
        self, chain_id: str, *, before: str | None = None, count: int = 100
    ) -> tuple[StreamEntry, ...]:
        """Up to ``count`` entries of the chain's audit before an entry id, newest first."""


class Snapshots(Protocol):
    """Small documents that processes leave for each other: metrics, the simulated clock."""

    async def put_snapshot(self, name: str, payload: bytes, *, ttl_ms: int | None) -> None:
        """Store ``clubctl:snapshot:<name>``."""

    async def add_snapshot(self, name: str, payload: bytes) -> bytes:
        """Store a snapshot that stays, unless there is one; which one there is now."""

    async def snapshots(self, prefix: str) -> dict[str, bytes]:
        """Live snapshots whose name starts with ``prefix``, by name."""


class Inspection(Protocol):
    """The whole of a chain, for checks and for the archive; not for the way of a command."""

    async def image(self, chain_id: str) -> ChainImage:
        """The chain at one instant, in one transaction: slow, for checks."""

    async def all_balances(self, chain_id: str) -> dict[str, int]:
        """Every account ever used."""

    async def all_claims(self, chain_id: str) -> dict[str, str]:
        """Every claim held now, name -> holder."""

    async def all_entities(self, chain_id: str) -> tuple[StoredEntity, ...]:
        """Every entity of every shard of the chain."""

    async def all_sessions(self, chain_id: str) -> dict[str, str]:
        """Session id -> club id of every session the store still knows, open or closed."""

    async def closed_sessions(self, chain_id: str) -> tuple[StoredEntity, ...]:
        """Closed sessions not yet dropped; ``key`` is the session id."""

    async def closed_ids(self, chain_id: str) -> tuple[str, ...]:
        """Ids of the closed sessions not yet dropped, without reading the documents."""

    async def closed_among(
        self, chain_id: str, session_ids: Sequence[str]
    ) -> tuple[StoredEntity, ...]:
        """Those of these sessions that are closed and not yet dropped."""

    async def drop_closed(
        self,
        chain_id: str,
        versions: Mapping[str, int],
        *,
        behind: Mapping[ChainStream, StreamEntry],
    ) -> None:
        """Forget closed sessions, each in the version an archive holds durably; one that was
        corrected since stays.

        None go if a stream does not hold its entry in ``behind`` as it was read: the store went
        back in time, and what the archive holds of them may be set aside.
        """

    async def trim(
        self, chain_id: str, name: ChainStream, *, behind: StreamEntry, before: str
    ) -> int:
        """Drop a stream's entries with ids below ``before``; how many went.

        None go if the stream does not hold the entry ``behind`` as it was read: the store went
        back in time, and whoever trims does not know yet.
        """

    async def trimmed_before(self, chain_id: str, name: ChainStream) -> str:
        """Below which id a stream has ever been trimmed; ``0-0`` while it has all of itself."""

    async def shards_image(self, chain_id: str, numbers: Sequence[int]) -> ShardsImage:
        """Some shards at one instant."""

    async def balances_image(self, chain_id: str, accounts: Sequence[str]) -> BalancesImage:
        """Some balances at one instant; an account never used is missing."""

    async def accounts_page(self, chain_id: str, after: str | None) -> Page:
        """Some accounts with their balances; ``after`` None begins."""

    async def documents_page(self, chain_id: str, prefix: str, after: str | None) -> DocumentsPage:
        """Some chain documents whose key starts with ``prefix``; ``after`` None begins."""

    async def index_page(self, chain_id: str, after: str | None) -> Page:
        """Some sessions with their clubs; ``after`` None begins."""

    async def indexed(self, chain_id: str, session_ids: Sequence[str]) -> dict[str, str]:
        """Those of these sessions that can be found, with their clubs."""

    async def absent_sessions(self, chain_id: str, clubs: Mapping[str, str]) -> set[str]:
        """Which of these sessions (id -> club) have no document, running or closed."""


class Store(
    ShardStore,
    HostRegistry,
    Catalogue,
    CatalogueEditing,
    EnrolmentBooks,
    ReadModels,
    Snapshots,
    Inspection,
    Past,
    Protocol,
):
    """The whole port; RedisStore and MemoryStore implement it."""

    async def close(self) -> None:
        """Free connections."""
