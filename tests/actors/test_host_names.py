"""Two processes under one host name: the one that began last works, the other stands by."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
from brokers_under_test import eventually
from clubs_under_test import seed

from actors.clock import SystemClock
from actors.host import Host, HostIdentity
from actors.local_host import shards_with_clubs
from actors.store import ShardId
from actors.store_memory import MemoryStore
from schemas.link_memory import MemoryBroker, MemoryLink
from schemas.link_port import LinkSettings

NAME = "h0"


@dataclass
class Machines:
    """Processes that all believe to be the host ``h0``."""

    store: MemoryStore
    broker: MemoryBroker
    clock: SystemClock
    shards: set[ShardId]
    running: dict[Host, "asyncio.Task[None]"] = field(default_factory=dict)

    def start(self) -> Host:
        identity = HostIdentity.of_process(NAME, pid=1, release="1")

        def connect(host: Host) -> MemoryLink:
            settings = LinkSettings("memory", 1, identity.incarnation)
            return MemoryLink(settings, host, broker=self.broker)

        host = Host(identity, store=self.store, clock=self.clock, connect=connect)
        self.running[host] = asyncio.create_task(host.run())
        return host

    async def stop(self, host: Host) -> None:
        task = self.running.pop(host)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def epochs(self) -> list[int]:
        owners = await self.store.owners(sorted(self.shards))
        return [owners[shard].epoch for shard in sorted(owners)]


@asynccontextmanager
async def opened() -> AsyncIterator[Machines]:
    clock, store = SystemClock(), MemoryStore()
    await seed(store)
    shards = await shards_with_clubs(store)
    await store.assign(dict.fromkeys(shards, NAME))
    broker = MemoryBroker(lambda: clock.mono_ms() / 1_000)
    broker.start()
    machines = Machines(store, broker, clock, shards)
    yield machines
    for host in list(machines.running):
        await machines.stop(host)


def owns_all(machines: Machines, host: Host) -> bool:
    return set(host.owned) == machines.shards


@pytest.mark.slow
async def test_the_newer_process_takes_the_shards_and_keeps_them() -> None:
    async with opened() as machines:
        older = machines.start()
        await eventually(lambda: owns_all(machines, older))
        newer = machines.start()
        await eventually(lambda: owns_all(machines, newer) and not older.owned)
        await asyncio.sleep(1.2)
        settled = await machines.epochs()
        await asyncio.sleep(2)
        assert await machines.epochs() == settled
        assert owns_all(machines, newer)
        assert not older.owned
        assert [h.incarnation for h in await machines.store.hosts()] == [newer.identity.incarnation]
        assert older.telemetry.registry.get_sample_value("clubctl_host_names_lost_total") == 1


@pytest.mark.slow
async def test_who_stands_by_works_again_when_the_newer_process_is_gone() -> None:
    async with opened() as machines:
        older = machines.start()
        await eventually(lambda: owns_all(machines, older))
        newer = machines.start()
        await eventually(lambda: owns_all(machines, newer) and not older.owned)
        await machines.stop(newer)
        await eventually(lambda: owns_all(machines, older))
