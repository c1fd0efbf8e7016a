"""A new release beside the old one: hosts of the new take over, those of the old leave."""

import os
import subprocess
import sys

import pytest
from faulted_house import FaultedHouse, FaultReport, machine_ms
from release_after import rolled_over
from stack_under_test import until

pytestmark = [
    pytest.mark.faults,
    pytest.mark.integration,
    pytest.mark.ray,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
]
LATE_MAX_S = 5.0


async def test_a_release_rolls_over_the_one_before(
    house: FaultedHouse, report: FaultReport
) -> None:
    async with rolled_over(house) as (began_at_ms, took_s):
        late_s = await house.worst_lateness_s(began_at_ms)
        report.note("rolling release (latest tick)", [late_s], took_s=round(took_s, 1))
        assert late_s < LATE_MAX_S
        await _a_drained_host_stays_away(house)


async def _a_drained_host_stays_away(house: FaultedHouse) -> None:
    victim = await house.owner("north")

    def drain(*options: str) -> None:
        subprocess.run(  # our own command line
            [sys.executable, "-m", "controller.cli", "drain", victim.name, *options],
            check=True,
            env=_environment(house),
        )

    async def present() -> bool:
        return await house.stack.host(victim.name) is not None

    async def gone() -> bool:
        return not await present()

    began_at_ms = machine_ms()
    drain()
    await until(gone, what="the drained host's end")
    assert (await house.owner("north")).name != victim.name
    await house.books_are_whole()
    assert await house.worst_lateness_s(began_at_ms) < LATE_MAX_S
    drain("--undo")
    await until(present, what="the drained host's return")


def _environment(house: FaultedHouse) -> dict[str, str]:

    return {**os.environ, **house.stack.processes.environment}
