"""A dead process is heard of at once; a live one whose connection broke is not taken for dead."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from api_under_test import eventually

from actors.heartline import (
    GREETING_BYTES_MAX,
    HEARTLINE_SNAPSHOT,
    RETURN_GRACE_S,
    DeathWatch,
    Heartline,
)
from actors.store_memory import MemoryStore

HERE = "127.0.0.1"
FAR_LESS_THAN_A_RECORD_S = 1.0
CALLER = """
import socket, sys, time
line = socket.create_connection((sys.argv[1], int(sys.argv[2])))
line.sendall(b"h0 i0\\n")
print("connected", flush=True)
time.sleep(60)
"""


@dataclass
class Watched:
    """A watch that has opened, and whom it declared dead."""

    store: MemoryStore
    watch: DeathWatch
    dead: list[tuple[str, str]] = field(default_factory=list)
    looks: int = 0

    def look(self) -> None:
        self.looks += 1

    def line(self, incarnation: str = "i0") -> Heartline:
        return Heartline(self.store, name="h0", incarnation=incarnation, look=self.look)

    async def address(self) -> tuple[str, int]:
        said = (await self.store.snapshots(HEARTLINE_SNAPSHOT))[HEARTLINE_SNAPSHOT].decode()
        address, _, port = said.rpartition(":")
        return address, int(port)


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    dead: list[tuple[str, str]] = []

    async def died(name: str, incarnation: str) -> None:
        dead.append((name, incarnation))

    store, watch = MemoryStore(), DeathWatch(died)
    await watch.open(HERE, store)
    yield Watched(store, watch, dead)
    await watch.close()


async def becomes(condition: Callable[[], bool]) -> None:
    await eventually(condition)


async def test_a_killed_process_is_declared_dead_at_once(watched: Watched) -> None:
    address, port = await watched.address()
    caller = await asyncio.to_thread(
        subprocess.Popen,
        [sys.executable, "-c", CALLER, address, str(port)],
        stdout=subprocess.PIPE,
    )
    assert caller.stdout is not None
    assert await asyncio.to_thread(caller.stdout.readline) == b"connected\n"
    await becomes(lambda: len(watched.watch._lines) == 1)
    assert watched.dead == []
    caller.kill()
    async with asyncio.timeout(FAR_LESS_THAN_A_RECORD_S):
        await becomes(lambda: watched.dead == [("h0", "i0")])
    caller.wait()
    caller.stdout.close()


async def test_a_live_host_whose_connection_broke_is_back_before_it_is_missed(
    watched: Watched,
) -> None:
    running = asyncio.create_task(watched.line().run())
    await becomes(lambda: len(watched.watch._lines) == 1)
    for _ in range(3):
        next(iter(watched.watch._lines.values())).transport.abort()
        await asyncio.sleep(RETURN_GRACE_S * 3)
        assert len(watched.watch._lines) == 1
    assert watched.dead == []
    running.cancel()
    await asyncio.wait([running])
    await becomes(lambda: watched.dead == [("h0", "i0")])


async def test_hosts_look_at_the_map_when_they_are_told(watched: Watched) -> None:
    running = asyncio.create_task(watched.line().run())
    await becomes(lambda: len(watched.watch._lines) == 1)
    watched.watch.tell_to_look()
    await becomes(lambda: watched.looks == 1)
    running.cancel()


async def test_a_host_finds_the_controller_that_came_last(watched: Watched) -> None:
    running = asyncio.create_task(watched.line().run())
    await becomes(lambda: len(watched.watch._lines) == 1)
    dead_since: list[str] = []

    async def died(name: str, incarnation: str) -> None:
        dead_since.append(f"{name} {incarnation}")

    second = DeathWatch(died)
    await second.open(HERE, watched.store)
    await watched.watch.close()
    await becomes(lambda: len(second._lines) == 1)
    assert watched.dead == []
    running.cancel()
    await asyncio.wait([running])
    await becomes(lambda: dead_since == ["h0 i0"])
    await second.close()


@pytest.mark.parametrize(
    "greeting", [b"", b"\n", b"nobody\n", b" \n", b"x" * (GREETING_BYTES_MAX * 4)]
)
async def test_who_does_not_say_who_it_is_is_nobody(watched: Watched, greeting: bytes) -> None:
    _, writer = await asyncio.open_connection(*await watched.address())
    writer.write(greeting)
    writer.close()
    await asyncio.sleep(RETURN_GRACE_S * 3)
    assert watched.dead == []
    assert watched.watch._lines == {}
