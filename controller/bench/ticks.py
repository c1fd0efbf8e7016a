"""Durable session ticks a second, against the same scripts sent by a client that does nothing else.

One run on one embedded store, every write fsynced. First the real way: the runtime decides each
session's minute, the store encodes and commits it, the runtime settles. Then the very same
batches, encoded beforehand, are sent down one socket, many in flight, into an emptied store.

Where other work shares the cores, the two are not slowed down alike: the real way needs two
processes at once, the bare one hardly more than the store. So the CPU time of both sides is
measured too; of that a neighbour takes less away.
"""

import asyncio
import gc
import os
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import hiredis

from actors.host_process import tune_collector
from actors.redis_link import RedisLink, Script
from actors.store import Ownership
from actors.store_redis import RedisStore
from actors.store_wire import encode_batch
from controller.bench.population import (
    Batch,
    BenchmarkFailedError,
    ClubAtWork,
    catalogue_of,
    club_at_work,
    club_names,
    now_after,
    runtime_of,
)
from controller.bench.process_memory import footprint
from controller.bench.stopwatch import cpu_watch, stopwatch
from controller.embedded import EmbeddedValkey, StateFolder
from controller.embedded.state import LOOPBACK

SESSIONS: Final = 20_000
CLUBS: Final = 8
ROUNDS: Final = 3
IN_FLIGHT: Final = 16
READ_BYTES: Final = 1 << 16
KIB: Final = 1_024
US_PER_SECOND: Final = 1_000_000


def run(*, sessions: int = SESSIONS, clubs: int = CLUBS, rounds: int = ROUNDS) -> dict[str, Any]:
    """Measure both in one run; ``ratio_to_ceiling`` is ours over the bare client's."""
    tune_collector()
    with (
        tempfile.TemporaryDirectory(prefix="clubctl-bench-") as folder,
        StateFolder(Path(folder), env="development") as state,
    ):
        valkey = EmbeddedValkey(state)
        valkey.start()
        try:
            return asyncio.run(_measure(valkey, sessions // clubs, clubs=clubs, rounds=rounds))
        finally:
            valkey.stop()


async def _measure(
    valkey: EmbeddedValkey, per_club: int, *, clubs: int, rounds: int
) -> dict[str, Any]:
    store = RedisStore.open(valkey.url)
    link = RedisLink.open(valkey.url)
    try:
        names = club_names(clubs)
        at_work = [await club_at_work(store, name, sessions=per_club) for name in names]
        seated = [len(club.batches) for club in at_work]
        with stopwatch() as durable, cpu_watch() as deciding:
            ticks = sum(await asyncio.gather(*(_tick(store, club, rounds) for club in at_work)))
        memory = await _reload(store, at_work, per_club=per_club)
        await link.call("FLUSHALL")
        owners = [
            await store.acquire(club.ownership.shard, host="bench", nonce="bench")
            for club in at_work
        ]
        sides = list(zip(owners, at_work, seated, strict=True))
        first = [_packed(owner, club.batches[:count]) for owner, club, count in sides]
        again = [_packed(owner, club.batches[count:]) for owner, club, count in sides]
        await asyncio.to_thread(_send, valkey.port, _interleaved(first))
        commands = _interleaved(again)
        before_s = await _store_cpu_seconds(link)
        with stopwatch() as bare:
            await asyncio.to_thread(_send, valkey.port, commands)
        store_s = await _store_cpu_seconds(link) - before_s
    finally:
        await link.close()
        await store.close()
    return {
        "sessions": per_club * clubs,
        "clubs": clubs,
        "ticks": ticks,
        "durable_ticks_per_second": ticks / durable.seconds,
        "ceiling_ticks_per_second": ticks / bare.seconds,
        "ratio_to_ceiling": bare.seconds / durable.seconds,
        "host_cpu_us_per_tick": deciding.seconds / ticks * US_PER_SECOND,
        "ceiling_cpu_us_per_tick": store_s / ticks * US_PER_SECOND,
        "ratio_of_cpu": store_s / deciding.seconds,
        **memory,
    }


async def _store_cpu_seconds(link: RedisLink) -> float:
    """What the store has computed since it was started, in user and kernel."""
    used = await link.call("INFO", "cpu")
    return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])


async def _tick(store: RedisStore, club: ClubAtWork, rounds: int) -> int:
    """Each session's next minutes, a minute at a time; how many ticks were made durable."""
    return sum([await club.turn(store, [], now_after(minutes)) for minutes in range(1, rounds + 1)])


async def _reload(
    store: RedisStore, at_work: Sequence[ClubAtWork], *, per_club: int
) -> dict[str, float]:
    """Read everything back as a new owner does, beside what is held already."""
    catalogues = {club.club_id: catalogue_of(club.club_id, pcs=per_club) for club in at_work}
    gc.collect()
    before = footprint(os.getpid())
    held = []
    with stopwatch() as lap:
        for club in at_work:
            contents = await store.load(club.ownership)
            assert contents is not None
            held.append(runtime_of(contents, catalogues[club.club_id]))
            del contents
    gc.collect()
    grown = footprint(os.getpid()).shared_bytes - before.shared_bytes
    return {
        "reload_seconds": lap.seconds,
        "memory_kib_per_pc_and_session": grown / KIB / (per_club * len(held)),
    }


def _packed(owner: Ownership, batches: Sequence[Batch]) -> list[bytes]:
    """Whole commands of a new owner as they go over the socket, scripts by digest."""
    digest = Script.named("commit").digest
    commands = []
    for batch in batches:
        keys, arguments = encode_batch(owner, batch.seq, batch.units)
        # The stub names a tuple of one where any length is meant.
        words: Any = ("EVALSHA", digest, len(keys), *keys, *arguments)
        commands.append(hiredis.pack_command(words))
    return commands


def _interleaved(per_club: Sequence[Sequence[bytes]]) -> list[bytes]:
    """Clubs in turn, each club's batches in their order."""
    longest = max(map(len, per_club))
    return [batches[at] for at in range(longest) for batches in per_club if at < len(batches)]


def _send(port: int, commands: Sequence[bytes]) -> None:
    """Send prepared commands down one socket, a window in flight; every one must succeed."""
    reader = hiredis.Reader()
    with socket.create_connection((LOOPBACK, port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sent = answered = 0
        while answered < len(commands):
            while sent < len(commands) and sent - answered < IN_FLIGHT:
                connection.sendall(commands[sent])
                sent += 1
            reader.feed(connection.recv(READ_BYTES))
            while (reply := reader.gets()) is not False:
                if isinstance(reply, Exception) or set(reply.partition(b"\n")[0]) != {ord("A")}:
                    raise BenchmarkFailedError(f"the bare client was answered {reply!r}")
                answered += 1
