"""A host that is told to end ends, whatever else it is told at that moment."""

import asyncio

from brokers_under_test import eventually
from clubs_under_test import seed

from actors.clock import SystemClock
from actors.host import Host, HostIdentity
from actors.local_host import shards_with_clubs
from actors.store_memory import MemoryStore
from schemas.link_memory import MemoryBroker, MemoryLink
from schemas.link_port import LinkSettings

LOOP_STEPS = 12
"""More than a host takes from hearing of a new map to looking at it."""


async def test_a_host_that_hears_of_a_new_map_as_it_ends_ends() -> None:
    clock, store = SystemClock(), MemoryStore()
    await seed(store)
    shards = await shards_with_clubs(store)
    await store.assign(dict.fromkeys(shards, "h0"))
    broker = MemoryBroker(lambda: clock.mono_ms() / 1_000)
    broker.start()

    def connect(host: Host) -> MemoryLink:
        return MemoryLink(LinkSettings("memory", 1, "h0"), host, broker=broker)

    for steps in range(LOOP_STEPS):
        identity = HostIdentity.of_process("h0", pid=1, release="1")
        host = Host(identity, store=store, clock=clock, connect=connect)
        running = asyncio.create_task(host.run())
        await eventually(lambda owning=host: set(owning.owned) == shards)
        host.look()
        for _ in range(steps):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait((running,), timeout=5)
        ended = running.cancelled()
        running.cancel()
        assert ended, f"told to end after {steps} steps"
