"""One host in this process, with no Ray: the gateway's twin, for tests and small tools.

It is the same :class:`Host`, given every shard that has a club.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from typing import Final

from actors.clock import Clock, SystemClock
from actors.device_signing import DeviceSigner
from actors.gateway import ANSWERS
from actors.host import Host, HostIdentity
from actors.placement import shard_of_club
from actors.store import ShardId, Store
from actors.waking import NOWHERE, Waker
from schemas.commands import CommandEnvelope, CommandReply, ReplyStatus
from schemas.link_port import MqttLink

RETRY_PAUSE_S: Final = 0.02


class LocalHost:
    """A CommandGateway whose one host lives in this process."""

    def __init__(self, host: Host) -> None:
        self.host = host

    async def execute(self, envelope: CommandEnvelope, *, timeout_ms: int = 8_000) -> CommandReply:
        """Send one command until it is answered or ``timeout_ms`` of real time has passed."""
        clock = SystemClock()
        deadline_ms = clock.mono_ms() + timeout_ms
        while clock.mono_ms() < deadline_ms:
            reply = await self.host.execute(envelope)
            if reply.status in ANSWERS:
                return reply
            await asyncio.sleep(RETRY_PAUSE_S)
        return CommandReply(status=ReplyStatus.BUSY)


async def shards_with_clubs(store: Store) -> set[ShardId]:
    """Shards that hold a club; the others need no owner."""
    shards = set()
    for chain_id in await store.chains():
        for field in await store.catalogue(chain_id):
            kind, _, club_id = field.partition(":")
            if kind == "club":
                shards.add(shard_of_club(chain_id, club_id))
    return shards


@contextlib.asynccontextmanager
async def local_host(
    store: Store,
    clock: Clock,
    connect: Callable[[Host], MqttLink],
    *,
    name: str = "local",
    signer: DeviceSigner | None = None,
    waker: Waker = NOWHERE,
) -> AsyncIterator[LocalHost]:
    """A running host that owns every configured shard; the catalogue must be in the store."""
    identity = HostIdentity.of_process(name, pid=os.getpid(), release="local")
    host = Host(identity, store=store, clock=clock, connect=connect, signer=signer, waker=waker)
    await store.assign(dict.fromkeys(await shards_with_clubs(store), name))
    running = asyncio.create_task(host.run())
    try:
        yield LocalHost(host)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
