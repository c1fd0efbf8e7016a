"""The store on Redis or Valkey. One instance per process; its pool is bounded."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Self

import orjson

from actors.redis_link import RedisLink, Script
from actors.store_keys import (
    ASSIGNMENTS,
    CATALOGUE_CHANNEL,
    CATALOGUE_REVISION,
    CHAINS,
    HOSTS,
    SNAPSHOTS,
    WALLET_CHANNEL,
    ChainKeys,
    clubs_among,
    host_key,
    snapshot_key,
)
from actors.store_redis_edits import RedisEdits
from actors.store_redis_enrolment import RedisEnrolment
from actors.store_redis_past import RedisPast
from actors.store_values import (
    CommitResult,
    HostRecord,
    Listening,
    OutcomeUnknownError,
    Ownership,
    ShardContents,
    ShardId,
    StoreUnavailableError,
    Unit,
    nothing_to_reread,
)
from actors.store_wire import decode_result, encode_batch, entity_of

BLOCKING_CONNECTIONS_MAX = 256
BLOCKING_REPLY_TIMEOUT_SECONDS = 60.0

_COMMIT = Script.named("commit")
_ACQUIRE = Script.named("acquire")
_RELEASE = Script.named("release")
_RETIRE = Script.named("retire")
_BEAT = Script.named("beat")


class RedisStore(RedisEdits, RedisEnrolment, RedisPast):
    """The whole store port (:class:`actors.store.Store`).

    ``host`` is the name of the host that uses it, so that it is not told of its own changes.
    """

    def __init__(self, link: RedisLink, blocking: RedisLink, *, host: str = "") -> None:
        super().__init__(link, blocking)
        self._host = host
        self._sending: set[asyncio.Future[bytes]] = set()

    @classmethod
    def open(cls, url: str, *, host: str = "") -> Self:
        """A store at ``url``. Nothing is sent before the first use."""
        blocking = RedisLink.open(
            url,
            connections_max=BLOCKING_CONNECTIONS_MAX,
            reply_timeout_seconds=BLOCKING_REPLY_TIMEOUT_SECONDS,
        )
        return cls(RedisLink.open(url), blocking, host=host)

    async def acquire(self, shard: ShardId, *, host: str, nonce: str) -> Ownership:
        """See :meth:`actors.store.ShardStore.acquire`."""
        lease = ChainKeys(shard.chain_id).lease(shard.number)
        epoch = await self._link.run(_ACQUIRE, [lease], [nonce, host])
        return Ownership(shard, int(epoch), nonce, host)

    async def load(self, ownership: Ownership) -> ShardContents | None:
        """See :meth:`actors.store.ShardStore.load`."""
        keys = ChainKeys(ownership.shard.chain_id)
        number = ownership.shard.number
        lease, stored = await self._link.together(
            [
                ("HMGET", keys.lease(number), "epoch", "nonce", "seq"),
                ("HGETALL", keys.shard(number)),
            ],
            atomic=True,
        )
        if lease[:2] != [b"%d" % ownership.epoch, ownership.nonce.encode()]:
            return None
        entities = tuple(entity_of(key.decode(), value) for key, value in stored.items())
        return ShardContents(ownership, int(lease[2] or 0), entities)

    async def release(self, ownership: Ownership) -> bool:
        """See :meth:`actors.store.ShardStore.release`."""
        lease = ChainKeys(ownership.shard.chain_id).lease(ownership.shard.number)
        return bool(await self._link.run(_RELEASE, [lease], [ownership.epoch, ownership.nonce]))

    async def commit(self, ownership: Ownership, seq: int, units: Sequence[Unit]) -> CommitResult:
        """See :meth:`actors.store.ShardStore.commit`.

        A caller that is cancelled leaves the batch on its way: it will happen or not, and the
        next owner reads which.
        """
        keys, arguments = encode_batch(ownership, seq, units)
        sending = asyncio.ensure_future(self._link.run(_COMMIT, keys, arguments))
        self._sending.add(sending)
        sending.add_done_callback(self._sent)
        try:
            reply = await asyncio.shield(sending)
        except StoreUnavailableError as error:
            raise OutcomeUnknownError(f"batch {seq} of {ownership.shard}: {error}") from error
        return decode_result(reply)

    def _sent(self, sending: "asyncio.Future[bytes]") -> None:
        self._sending.discard(sending)
        # A caller that was cancelled does not ask; the next owner reads what happened.
        if not sending.cancelled():
            sending.exception()

    async def close(self) -> None:
        """See :meth:`actors.store.Store.close`. Batches on their way are waited for."""
        await asyncio.gather(*self._sending, return_exceptions=True)
        await super().close()

    async def wallet_changes(
        self, listening: Listening = nothing_to_reread
    ) -> AsyncIterator[tuple[str, str]]:
        """See :meth:`actors.store.ShardStore.wallet_changes`."""
        # An inner generator is closed by whoever opened it, or its connection stays subscribed.
        async with aclosing(self._blocking.listen(WALLET_CHANNEL, listening)) as messages:
            async for message in messages:
                chain_id, host, *accounts = message.split(" ")
                if host == self._host:
                    continue
                for account in accounts:
                    yield chain_id, account

    async def beat(self, record: HostRecord, *, ttl_ms: int, first: bool = False) -> str:
        """See :meth:`actors.store.HostRegistry.beat`."""
        said: list[str | bytes | int] = [record.incarnation, orjson.dumps(record), ttl_ms]
        holder = await self._link.run(_BEAT, [host_key(record.name)], [*said, int(first)])
        await self._link.call("SADD", HOSTS, record.name)
        return str(holder.decode())

    async def retire(self, name: str, incarnation: str) -> None:
        """See :meth:`actors.store.HostRegistry.retire`."""
        if await self._link.run(_RETIRE, [host_key(name)], [incarnation]):
            await self._link.call("SREM", HOSTS, name)

    async def calendar_ms(self) -> int:
        """See :meth:`actors.timekeeping.TimeStore.calendar_ms`."""
        seconds, micros = await self._link.call("TIME")
        return int(seconds) * 1_000 + int(micros) // 1_000

    async def hosts(self) -> tuple[HostRecord, ...]:
        """See :meth:`actors.store.HostRegistry.hosts`."""
        records = await self._indexed(HOSTS, host_key)
        return tuple(HostRecord(**orjson.loads(record)) for _, record in sorted(records.items()))

    async def assignments(self) -> dict[ShardId, str]:
        """See :meth:`actors.store.HostRegistry.assignments`."""
        stored = await self._link.call("HGETALL", ASSIGNMENTS)
        return {ShardId.parse(shard.decode()): host.decode() for shard, host in stored.items()}

    async def assign(self, changes: Mapping[ShardId, str], gone: Sequence[ShardId] = ()) -> None:
        """See :meth:`actors.store.HostRegistry.assign`."""
        commands: list[tuple[str, ...]] = []
        if changes:
            pairs = [text for shard, host in changes.items() for text in (str(shard), host)]
            commands.append(("HSET", ASSIGNMENTS, *pairs))
        if gone:
            commands.append(("HDEL", ASSIGNMENTS, *map(str, gone)))
        if commands:
            await self._link.together(commands, atomic=True)

    async def owners(self, shards: Sequence[ShardId]) -> dict[ShardId, Ownership]:
        """See :meth:`actors.store.HostRegistry.owners`."""
        replies = await self._link.together(
            [
                ("HMGET", ChainKeys(s.chain_id).lease(s.number), "epoch", "nonce", "host")
                for s in shards
            ],
            atomic=False,
        )
        return {
            shard: Ownership(shard, int(epoch), nonce.decode(), host.decode())
            for shard, (epoch, nonce, host) in zip(shards, replies, strict=True)
            if nonce is not None
        }

    async def chains(self) -> tuple[str, ...]:
        """See :meth:`actors.store.Catalogue.chains`."""
        return tuple(sorted(name.decode() for name in await self._link.call("SMEMBERS", CHAINS)))

    async def put(self, chain_id: str, fields: Mapping[str, bytes]) -> None:
        """See :meth:`actors.store.Catalogue.put`."""
        await self.claim_clubs(chain_id, clubs_among(fields))
        pairs = [part for pair in fields.items() for part in pair]
        keys = ChainKeys(chain_id)
        # A chain may be named before anything of it is configured.
        if pairs:
            stored = ("HSET", keys.of("catalogue"), *pairs)
            await self._link.together([stored, ("INCR", keys.of(CATALOGUE_REVISION))], atomic=True)
        told = [("SADD", CHAINS, chain_id), ("PUBLISH", CATALOGUE_CHANNEL, chain_id)]
        await self._link.together(told, atomic=False)

    async def catalogue_changes(
        self, listening: Listening = nothing_to_reread
    ) -> AsyncIterator[str]:
        """See :meth:`actors.store.Catalogue.catalogue_changes`."""
        async with aclosing(self._blocking.listen(CATALOGUE_CHANNEL, listening)) as messages:
            async for chain_id in messages:
                yield chain_id

    async def add_documents(self, chain_id: str, documents: Mapping[str, bytes]) -> int:
        """See :meth:`actors.store.Catalogue.add_documents`."""
        key = ChainKeys(chain_id).of("documents")
        added = await self._link.together(
            [("HSETNX", key, name, b"1:" + blob) for name, blob in documents.items()],
            atomic=False,
        )
        return sum(map(int, added))

    async def put_snapshot(self, name: str, payload: bytes, *, ttl_ms: int | None) -> None:
        """See :meth:`actors.store.Snapshots.put_snapshot`."""
        expiry = () if ttl_ms is None else ("PX", ttl_ms)
        await self._link.together(
            [("SET", snapshot_key(name), payload, *expiry), ("SADD", SNAPSHOTS, name)],
            atomic=False,
        )

    async def add_snapshot(self, name: str, payload: bytes) -> bytes:
        """See :meth:`actors.store.Snapshots.add_snapshot`."""
        key = snapshot_key(name)
        *_, kept = await self._link.together(
            [("SET", key, payload, "NX"), ("SADD", SNAPSHOTS, name), ("GET", key)], atomic=True
        )
        return bytes(kept)

    async def snapshots(self, prefix: str) -> dict[str, bytes]:
        """See :meth:`actors.store.Snapshots.snapshots`."""
        return await self._indexed(SNAPSHOTS, snapshot_key, prefix)


if TYPE_CHECKING:
    from actors.store import Store

    _PORT: Store = RedisStore.open("")
