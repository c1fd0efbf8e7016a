"""The real release before, from the project's history, rolled over by this one among players.

Its sessions are stored in the shape before (version 1): hosts of both work on one store, and what
the old ones wrote is upgraded as the new ones read it. Needs the history (a shallow checkout has
none).
"""

import io
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import orjson
import pytest
import pytest_asyncio
from clubs_under_test import CHAIN
from faulted_house import FaultedHouse, FaultReport, full_house
from release_after import rolled_over
from stack_under_test import until

from actors.store import session_key
from billing_core.session import STATE_VERSION
from controller.demo.processes import DemoProcesses
from controller.embedded import ChildProcess

pytestmark = [
    pytest.mark.faults,
    pytest.mark.integration,
    pytest.mark.ray,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
]
RELEASE_BEFORE: Final = "468ef541dec24e6c9b31b0dea0ce578419cfdf88"
"""The last commit whose sessions are of version 1."""
ROOT: Final = Path(__file__).parents[2]
LATE_MAX_S = 5.0


def code_of(commit: str, folder: Path) -> Path:
    """The project as it was, unpacked."""
    asked = ["git", "-C", str(ROOT), "archive", "--format=tar", commit]
    packed = subprocess.run(asked, capture_output=True, check=False)
    assert packed.returncode == 0, f"needs the project's history: {packed.stderr.decode()}"
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FaultedHouse]:
    """A full house whose hosts are of the release before."""
    code = code_of(RELEASE_BEFORE, tmp_path_factory.mktemp("before"))

    def controller(processes: DemoProcesses) -> ChildProcess:
        return ChildProcess(
            "controller",
            ["env", "-C", str(code), sys.executable, "-m", "controller.cli", "run"],
            log_file=processes.state.log_file("controller"),
            environment={
                **processes.environment,
                "CLUBCTL_RELEASE": "before",
                "PYTHONPATH": str(code),
            },
        )

    folder = tmp_path_factory.mktemp("house") / "state"
    async with full_house(folder, controller=controller) as running:
        yield running


async def versions(house: FaultedHouse) -> set[int]:
    """The versions of the players' sessions as they are stored."""
    image = await house.stack.store.image(CHAIN)
    ours = {session_key(one) for one in house.session_ids}
    return {orjson.loads(one.blob)["v"] for one in image.entities if one.key in ours}


async def a_guest_sits(house: FaultedHouse) -> str:
    """Ends somebody's session and seats a guest there, who pays 100.00 by card."""
    ended = await house.stack.end(sorted(house.sessions["north"])[0])
    house.sessions = {club: ids - {ended["sessionId"]} for club, ids in house.sessions.items()}
    payment = {"means": "card", "amountMinor": 100_00}
    asked = {
        "pcId": ended["pcId"],
        "tariffId": "standard",
        "guestLabel": "Guest",
        "start": True,
        "payment": payment,
    }
    return str((await house.stack.post("/clubs/north/sessions", asked))["sessionId"])


async def test_the_release_before_is_rolled_over_among_players(
    house: FaultedHouse, report: FaultReport
) -> None:
    stack = house.stack
    guest = await a_guest_sits(house)
    await house.books_are_whole()
    assert await versions(house) == {1}
    async with rolled_over(house) as (began_at_ms, took_s):

        async def upgraded() -> bool:
            return await versions(house) == {STATE_VERSION}

        await until(upgraded, what="every session in its new shape")
        late_s = await house.worst_lateness_s(began_at_ms)
        report.note("the release before (latest tick)", [late_s], took_s=round(took_s, 1))
        assert late_s < LATE_MAX_S
        ended = await stack.end(guest)
        back = ended["handedBack"]
        assert back["cash"]["amountMinor"] == 0
        assert back["card"]["amountMinor"] == 100_00 - ended["amount"]["amountMinor"] > 0
        await house.books_are_whole()
        await house.archive_is_the_ledger()
