"""A replica promoted without the last second: what it lacks is gone, and nothing else is wrong."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from clubs_under_test import CLUBS
from faulted_house import FaultedHouse, FaultReport, full_house, machine_ms
from pcs_watched import watched_pcs
from stack_under_test import until
from stores_under_test import tell

from controller.embedded import EmbeddedValkey, StateFolder

pytestmark = [
    pytest.mark.faults,
    pytest.mark.integration,
    pytest.mark.ray,
    pytest.mark.timeout(300),
]
PACE = 30.0
LOST_S = 1.0
WORK_S = 5.0
AFTERWARDS_S = 5.0


@contextmanager
def another_server(folder: Path) -> Iterator[EmbeddedValkey]:
    """A server beside the house's own."""
    with StateFolder(folder, env="development") as state:
        server = EmbeddedValkey(state)
        server.start()
        try:
            yield server
        finally:
            server.kill()


async def follows(replica: EmbeddedValkey, port: int) -> None:
    """Make it a replica of the server at ``port`` and wait until it has everything."""
    assert tell(replica.port, "REPLICAOF", "127.0.0.1", str(port)).startswith(b"+OK")

    async def linked() -> bool:
        return b"master_link_status:up" in tell(replica.port, "INFO", "replication")

    await until(linked, what="the replica's first copy")


async def promoted_without_the_last_second(house: FaultedHouse, replica: EmbeddedValkey) -> None:
    """Let the replica miss a second, lose the server, and put the replica in its place."""
    own = house.stack.processes.valkey
    assert tell(replica.port, "REPLICAOF", "NO", "ONE").startswith(b"+OK")
    await asyncio.sleep(LOST_S)
    own.kill()
    assert tell(replica.port, "CONFIG", "SET", "port", str(own.port)).startswith(b"+OK")


async def test_a_replica_takes_over_without_the_last_second(
    tmp_path: Path, report: FaultReport
) -> None:
    with another_server(tmp_path / "replica") as replica:
        async with full_house(tmp_path / "state", fleet=True, speed=PACE) as house:
            await follows(replica, house.stack.processes.valkey.port)
            await asyncio.sleep(WORK_S)
            async with watched_pcs(house.stack.processes.broker.url) as watch:
                lost_at_ms = machine_ms()
                await promoted_without_the_last_second(house, replica)
                back_at_ms, place = machine_ms(), await house.newest_entry()
                seconds = await house.ticks_go_on(back_at_ms, after=place, clubs=CLUBS)
                await asyncio.sleep(AFTERWARDS_S)
                assert watch.locks_since(lost_at_ms) == []
                assert watch.went_back() == []
            await house.books_are_whole()
            report.note(f"replica promoted, {LOST_S:.0f} s lost", [seconds], speed=PACE)
            await house.archive_is_the_ledger()
