"""The store in memory: the twin of RedisStore for tests and simulations, same contract.

One MemoryServer stands for the server; every MemoryStore opened on it is one process's view.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from actors.store_keys import clubs_among
from actors.store_memory_chain import MemoryChain, MemoryLease
from actors.store_memory_edits import CATALOGUE, MemoryEdits
from actors.store_memory_enrolment import MemoryEnrolment
from actors.store_memory_past import MemoryPast
from actors.store_memory_server import MemoryServer
from actors.store_values import (
    CommitResult,
    HostRecord,
    Listening,
    Ownership,
    ShardContents,
    ShardId,
    StoredEntity,
    Unit,
    nothing_to_reread,
)
from actors.store_wire import check_batch
from billing_core.hot_value import replace

WALLETS = "wallets"


class MemoryStore(MemoryEdits, MemoryEnrolment, MemoryPast):
    """The whole store port (:class:`actors.store.Store`) on a MemoryServer.

    ``host`` is the name of the host that uses it, so that it is not told of its own changes.
    """

    def __init__(self, server: MemoryServer | None = None, *, host: str = "") -> None:
        super().__init__(server or MemoryServer())
        self._host = host

    def for_host(self, host: str) -> "MemoryStore":
        """Another process's view of the same server."""
        return MemoryStore(self._server, host=host)

    async def acquire(self, shard: ShardId, *, host: str, nonce: str) -> Ownership:
        """See :meth:`actors.store.ShardStore.acquire`."""
        lease = self._lease(shard)
        lease.epoch = max(lease.epoch + 1, self._server.now_ms())
        lease.nonce, lease.host, lease.result = nonce, host, None
        return Ownership(shard, lease.epoch, nonce, host)

    async def load(self, ownership: Ownership) -> ShardContents | None:
        """See :meth:`actors.store.ShardStore.load`."""
        lease = self._lease(ownership.shard)
        if not lease.is_held_by(ownership):
            return None
        chain = self._chain(ownership.shard.chain_id)
        stored = chain.shards.get(ownership.shard.number, {})
        return ShardContents(ownership, lease.seq, tuple(stored.values()))

    async def release(self, ownership: Ownership) -> bool:
        """See :meth:`actors.store.ShardStore.release`."""
        lease = self._lease(ownership.shard)
        if not lease.is_held_by(ownership):
            return False
        lease.nonce = lease.host = lease.result = None
        return True

    async def commit(self, ownership: Ownership, seq: int, units: Sequence[Unit]) -> CommitResult:
        """See :meth:`actors.store.ShardStore.commit`."""
        check_batch(units)
        shard = ownership.shard
        lease = self._lease(shard)
        if not lease.is_held_by(ownership):
            return CommitResult(fenced=True)
        if seq == lease.seq and lease.result is not None:
            return lease.result
        if seq != lease.seq + 1:
            return CommitResult(fenced=True)
        chain = self._chain(shard.chain_id)
        wallets: dict[str, None] = {}
        outcomes = chain.judge_batch(shard.number, units, wallets)
        lease.seq, lease.result = seq, CommitResult(fenced=False, outcomes=outcomes)
        if wallets:
            self._server.publish(WALLETS, " ".join((shard.chain_id, ownership.host, *wallets)))
        await self._server.wake()
        return lease.result

    async def wallet_changes(
        self, listening: Listening = nothing_to_reread
    ) -> AsyncIterator[tuple[str, str]]:
        """See :meth:`actors.store.ShardStore.wallet_changes`."""
        async with aclosing(self._server.listen(WALLETS, listening)) as messages:
            async for message in messages:
                chain_id, host, *accounts = message.split(" ")
                if host == self._host:
                    continue
                for account in accounts:
                    yield chain_id, account

    async def beat(self, record: HostRecord, *, ttl_ms: int, first: bool = False) -> str:
        """See :meth:`actors.store.HostRegistry.beat`."""
        now_ms = self._server.now_ms()
        until_ms, holder = self._server.hosts.get(record.name, (0, record))
        if until_ms > now_ms and holder.incarnation != record.incarnation and not first:
            return holder.incarnation
        copy = replace(record, details=dict(record.details))
        self._server.hosts[record.name] = (now_ms + ttl_ms, copy)
        return record.incarnation

    async def retire(self, name: str, incarnation: str) -> None:
        """See :meth:`actors.store.HostRegistry.retire`."""
        found = self._server.hosts.get(name)
        if found is not None and found[1].incarnation == incarnation:
            del self._server.hosts[name]

    async def hosts(self) -> tuple[HostRecord, ...]:
        """See :meth:`actors.store.HostRegistry.hosts`."""
        now_ms = self._server.now_ms()
        alive = (record for until_ms, record in self._server.hosts.values() if until_ms > now_ms)
        return tuple(sorted(alive, key=lambda record: record.name))

    async def assignments(self) -> dict[ShardId, str]:
        """See :meth:`actors.store.HostRegistry.assignments`."""
        return dict(self._server.assignments)

    async def assign(self, changes: Mapping[ShardId, str], gone: Sequence[ShardId] = ()) -> None:
        """See :meth:`actors.store.HostRegistry.assign`."""
        self._server.assignments.update(changes)
        for shard in gone:
            self._server.assignments.pop(shard, None)

    async def owners(self, shards: Sequence[ShardId]) -> dict[ShardId, Ownership]:
        """See :meth:`actors.store.HostRegistry.owners`."""
        found: dict[ShardId, Ownership] = {}
        for shard in shards:
            lease = self._lease(shard)
            if lease.nonce is not None and lease.host is not None:
                found[shard] = Ownership(shard, lease.epoch, lease.nonce, lease.host)
        return found

    async def chains(self) -> tuple[str, ...]:
        """See :meth:`actors.store.Catalogue.chains`."""
        return tuple(sorted(self._server.configured))

    async def put(self, chain_id: str, fields: Mapping[str, bytes]) -> None:
        """See :meth:`actors.store.Catalogue.put`."""
        self._claim_clubs(chain_id, clubs_among(fields))
        chain = self._chain(chain_id)
        chain.catalogue.update(fields)
        chain.revision += bool(fields)
        self._server.configured.add(chain_id)
        self._server.publish(CATALOGUE, chain_id)

    async def catalogue_changes(
        self, listening: Listening = nothing_to_reread
    ) -> AsyncIterator[str]:
        """See :meth:`actors.store.Catalogue.catalogue_changes`."""
        async with aclosing(self._server.listen(CATALOGUE, listening)) as messages:
            async for chain_id in messages:
                yield chain_id

    async def add_documents(self, chain_id: str, documents: Mapping[str, bytes]) -> int:
        """See :meth:`actors.store.Catalogue.add_documents`."""
        known = self._chain(chain_id).documents
        new = {k: StoredEntity(k, 1, blob) for k, blob in documents.items() if k not in known}
        known.update(new)
        return len(new)

    async def put_snapshot(self, name: str, payload: bytes, *, ttl_ms: int | None) -> None:
        """See :meth:`actors.store.Snapshots.put_snapshot`."""
        until_ms = None if ttl_ms is None else self._server.now_ms() + ttl_ms
        self._server.snapshots[name] = (until_ms, payload)

    async def add_snapshot(self, name: str, payload: bytes) -> bytes:
        """See :meth:`actors.store.Snapshots.add_snapshot`."""
        until_ms, _ = self._server.snapshots.get(name, (None, payload))
        if until_ms is not None and until_ms <= self._server.now_ms():
            del self._server.snapshots[name]
        return self._server.snapshots.setdefault(name, (None, payload))[1]

    async def snapshots(self, prefix: str) -> dict[str, bytes]:
        """See :meth:`actors.store.Snapshots.snapshots`."""
        now_ms = self._server.now_ms()
        return {
            name: payload
            for name, (until_ms, payload) in sorted(self._server.snapshots.items())
            if name.startswith(prefix) and (until_ms is None or until_ms > now_ms)
        }

    async def close(self) -> None:
        """See :meth:`actors.store.Store.close`; the server goes on for the others."""

    def _lease(self, shard: ShardId) -> MemoryLease:
        leases = self._chain(shard.chain_id).leases
        return leases.get(shard.number) or leases.setdefault(shard.number, MemoryLease())

    def _chain(self, chain_id: str) -> MemoryChain:
        return self._server.chain(chain_id)


if TYPE_CHECKING:
    from actors.store import Store

    _PORT: Store = MemoryStore()
