"""Real consumer processes that can be started quickly and killed often.

One process imports everything once; each consumer is a fork of it, so a start takes
milliseconds and a hundred kills take seconds.
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_NURSERY = """
import asyncio, os, sys
from actors.clock import SystemClock
from actors.store import StoreError
from actors.store_redis import RedisStore
from controller.archive import ArchiveConsumer, ArchiveError, open_archive

async def consume():
    store, archive = RedisStore.open(sys.argv[1]), open_archive(sys.argv[2])
    consumer = ArchiveConsumer(store, archive, SystemClock(), stream_kept_ms=0)
    while True:
        try:
            await consumer.step()
        except (ArchiveError, StoreError):
            await asyncio.sleep(0.02)

def born():
    while True:
        try:
            asyncio.run(consume())
        except ArchiveError:
            pass

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        born()
    print(child, flush=True)
    os.waitpid(child, 0)
    print("gone", flush=True)
"""


class Consumers:
    """At most one consumer at a time."""

    def __init__(self, nursery: Process) -> None:
        self._nursery = nursery

    async def start(self) -> int:
        """Its process id."""
        assert self._nursery.stdin is not None
        self._nursery.stdin.write(b"\n")
        await self._nursery.stdin.drain()
        return int(await self._line())

    async def kill(self, consumer: int) -> None:
        """``kill -9``, and wait until it is gone."""
        os.kill(consumer, signal.SIGKILL)
        assert await self._line() == b"gone\n"

    async def _line(self) -> bytes:
        assert self._nursery.stdout is not None
        return await asyncio.wait_for(self._nursery.stdout.readline(), timeout=60)


@asynccontextmanager
async def consumers_of(store_url: str, sql_url: str) -> AsyncIterator[Consumers]:
    """Consumers between a store and a database."""
    nursery = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _NURSERY,
        store_url,
        sql_url,
        stdin=PIPE,
        stdout=PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        yield Consumers(nursery)
    finally:
        nursery.kill()
        await nursery.wait()
