"""One Ray actor for each PC, measured beside a host full of virtual ones, in one Ray.

The naive actor holds the least a PC could need, so the comparison flatters it: the virtual PCs
are the real ones, each with a running session, loaded the way a host loads a shard.
"""

import asyncio
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import ray

from actors.store import ShardContents
from actors.store_memory import MemoryStore
from controller.bench.naive_pc import NaivePc
from controller.bench.population import catalogue_of, club_at_work, runtime_of
from controller.bench.process_memory import Footprint, footprint
from controller.bench.stopwatch import stopwatch

NAIVE_ACTORS: Final = 20
VIRTUAL_PCS: Final = 5_000
OBJECT_STORE_BYTES: Final = 80 * 1024 * 1024
START_TIMEOUT_S: Final = 180.0
KIB: Final = 1_024
CLUB_ID: Final = "club"


@dataclass(frozen=True, slots=True)
class StoredShard:
    """A shard as its next owner reads it."""

    contents: ShardContents
    catalogue: Mapping[str, bytes]


class VirtualPcs:
    """A process that holds a whole shard of real PCs and sessions."""

    def __init__(self) -> None:
        self._held: list[object] = []

    def pid(self) -> int:
        """The process they live in."""
        return os.getpid()

    def warm_up(self, shard: StoredShard) -> None:
        """Load once and forget, so that imports are not counted as state."""
        runtime_of(shard.contents, shard.catalogue)

    def load(self, shard: StoredShard) -> float:
        """Load and keep the shard; seconds it took."""
        with stopwatch() as lap:
            self._held.append(runtime_of(shard.contents, shard.catalogue))
        return lap.seconds


def run(*, naive_actors: int = NAIVE_ACTORS, virtual_pcs: int = VIRTUAL_PCS) -> dict[str, Any]:
    """Measure both; ``ratios`` are naive over virtual, per PC."""
    shard = asyncio.run(_stored_shard(virtual_pcs))
    with tempfile.TemporaryDirectory(prefix="clubctl-bench-") as folder:
        ray.init(
            address="local",
            include_dashboard=False,
            log_to_driver=False,
            num_cpus=os.cpu_count(),
            object_store_memory=OBJECT_STORE_BYTES,
            _temp_dir=folder,
        )
        try:
            naive = _naive(naive_actors)
            virtual = _virtual(shard, virtual_pcs)
        finally:
            ray.shutdown()
    return {
        "naive": naive,
        "virtual": virtual,
        "ratios": {name: naive[name] / virtual[name] for name in ("kib_per_pc", "start_ms_per_pc")},
    }


async def _stored_shard(sessions: int) -> StoredShard:
    store = MemoryStore()
    club = await club_at_work(store, CLUB_ID, sessions=sessions)
    contents = await store.load(club.ownership)
    assert contents is not None
    return StoredShard(contents, catalogue_of(CLUB_ID, pcs=sessions))


def _naive(count: int) -> dict[str, float]:
    actor = ray.remote(num_cpus=0)(NaivePc)
    with stopwatch() as lap:
        actors: list[Any] = [actor.remote(f"pc-{index}") for index in range(count)]
        pids: list[int] = ray.get([each.pid.remote() for each in actors], timeout=START_TIMEOUT_S)
    prints = [footprint(pid) for pid in pids]
    for each in actors:
        ray.kill(each)
    return _figures(count, lap.seconds, prints)


def _virtual(shard: StoredShard, count: int) -> dict[str, float]:
    host: Any = ray.remote(num_cpus=0)(VirtualPcs).remote()
    stored = ray.put(shard)
    ray.get(host.warm_up.remote(stored), timeout=START_TIMEOUT_S)
    pid: int = ray.get(host.pid.remote(), timeout=START_TIMEOUT_S)
    before = footprint(pid)
    seconds: float = ray.get(host.load.remote(stored), timeout=START_TIMEOUT_S)
    after = footprint(pid)
    held = Footprint(after.shared_bytes - before.shared_bytes, after.threads)
    return {
        **_figures(count, seconds, [held]),
        "process_kib": after.shared_bytes / KIB,
    }


def _figures(count: int, seconds: float, prints: Sequence[Footprint]) -> dict[str, float]:
    return {
        "pcs": count,
        "start_seconds": seconds,
        "start_ms_per_pc": seconds * 1_000 / count,
        "kib_per_pc": sum(each.shared_bytes for each in prints) / KIB / count,
        "threads_per_pc": sum(each.threads for each in prints) / count,
    }
