"""A house full of players, shared by the rows of a file, and the report the rows write."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from faulted_house import SESSIONS, SPEED, FaultedHouse, FaultReport, full_house


@pytest.fixture(scope="session")
def report() -> Iterator[FaultReport]:
    """What the rows measured; written where ``FAULTS_REPORT`` says."""
    collected = FaultReport.from_environment()
    yield collected
    collected.write()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> AsyncIterator[FaultedHouse]:
    """Everything at work, every PC taken; at the end the archive is the ledger, row for row.

    A file's ``FLEET`` adds simulated PCs to it, its ``PACE`` is the speed of business time, its
    ``CROWD`` how many play.
    """
    folder: Path = tmp_path_factory.mktemp("house") / "state"
    fleet = bool(getattr(request.module, "FLEET", False))
    speed = float(getattr(request.module, "PACE", SPEED))
    crowd = int(getattr(request.module, "CROWD", SESSIONS))
    async with full_house(folder, fleet=fleet, speed=speed, sessions=crowd) as running:
        yield running
        await running.archive_is_the_ledger()
