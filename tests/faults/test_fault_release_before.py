"""Real releases before, from the project's history, rolled over by this one among players.

One stored sessions in the shape before (version 1): hosts of both work on one store, and what the
old ones wrote is upgraded as the new ones read it. The other read versions of tariffs and wrote
none yet: what this code publishes, its hosts sell. Needs the history (a shallow checkout has none).
"""

import io
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from clubs_under_test import CHAIN, PER_MINUTE, TWO_HOURS
from faulted_house import FaultedHouse, FaultReport, full_house
from release_after import rolled_over
from stack_under_test import Stack, until

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
RELEASES: Final = {
    "sessions of version 1": "468ef541dec24e6c9b31b0dea0ce578419cfdf88",
    "tariffs without a version": "775a3bc2781454d1cb11c6060b1eeea56af72f82",
}
"""The last commits that stored them so."""
UNVERSIONED: Final = {
    f"tariff:{one.id}:{one.version}": orjson.dumps(one) for one in (PER_MINUTE, TWO_HOURS)
}
"""Tariffs as both of them stored them."""
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


@asynccontextmanager
async def house_of(commit: str, folder: Path) -> AsyncIterator[FaultedHouse]:
    """A full house whose hosts are of an older release."""
    code = code_of(commit, folder / "before")

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

    async with full_house(
        folder / "state", controller=controller, documents=UNVERSIONED
    ) as running:
        yield running


async def versions(house: FaultedHouse) -> set[int]:
    """The versions of the players' sessions as they are stored."""
    image = await house.stack.store.image(CHAIN)
    ours = {session_key(one) for one in house.session_ids}
    return {orjson.loads(one.blob)["v"] for one in image.entities if one.key in ours}


async def freed(house: FaultedHouse) -> str:
    """Ends somebody's session; the PC that is free now."""
    ended = await house.stack.end(sorted(house.sessions["north"])[0])
    house.sessions = {club: ids - {ended["sessionId"]} for club, ids in house.sessions.items()}
    return str(ended["pcId"])


def guest_on(pc_id: str, tariff_id: str) -> dict[str, Any]:
    """The request of a guest who pays 100.00 by card."""
    payment = {"means": "card", "amountMinor": 100_00}
    return {
        "pcId": pc_id,
        "tariffId": tariff_id,
        "guestLabel": "Guest",
        "start": True,
        "payment": payment,
    }


async def published(stack: Stack, tariff_id: str) -> None:
    """A tariff of this code, published through this code's API."""
    prices = [{"name": "any", "pricePerHourMinor": 60_00}]
    content = {"name": "Matinee", "currency": "EUR", "type": "PER_MINUTE", "prices": prices}
    await stack.post("/tariffs", {"tariffId": tariff_id, "content": content})
    headers = {"Idempotency-Key": "publish", "If-Match": "*"}
    answer = await stack.client.post(f"tariffs/{tariff_id}/publish", headers=headers)
    assert answer.is_success, answer.text


async def test_a_release_before_is_rolled_over_among_players(
    tmp_path: Path, report: FaultReport
) -> None:
    async with house_of(RELEASES["sessions of version 1"], tmp_path) as house:
        stack = house.stack
        asked = guest_on(await freed(house), "standard")
        guest = (await stack.post("/clubs/north/sessions", asked))["sessionId"]
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


async def test_hosts_of_the_release_before_sell_what_this_one_publishes(
    tmp_path: Path, report: FaultReport
) -> None:
    """This code's API edits the catalogue while all hosts are older ones."""
    async with house_of(RELEASES["tariffs without a version"], tmp_path) as house:
        stack = house.stack
        pc_id, sold = await freed(house), list[str]()
        await published(stack, "matinee")
        raw = (await stack.store.catalogue(CHAIN))["tariff:matinee:1"]
        assert orjson.loads(raw)["v"] == 1

        async def sells() -> bool:
            key = {"Idempotency-Key": f"matinee-{next(attempts)}"}
            asked = guest_on(pc_id, "matinee")
            answer = await stack.client.post("clubs/north/sessions", json=asked, headers=key)
            if answer.is_success:
                sold.append(answer.json()["sessionId"])
            return answer.is_success

        attempts = count()
        await until(sells, what="a sale of what was just published")
        await house.books_are_whole()
        async with rolled_over(house) as (began_at_ms, took_s):
            late_s = await house.worst_lateness_s(began_at_ms)
            report.note("the release before, again", [late_s], took_s=round(took_s, 1))
            assert late_s < LATE_MAX_S
            ended = await stack.end(sold[0])
            assert ended["segments"][0]["tariffId"] == "matinee"
            assert ended["amount"]["amountMinor"] > 0
            await house.books_are_whole()
            await house.archive_is_the_ledger()
