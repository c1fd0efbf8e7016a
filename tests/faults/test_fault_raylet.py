"""A raylet stands still until Ray gives its node up, while the host on it goes on working.

Ray then starts a second process under the host's name elsewhere, and cannot end the first.
"""

import asyncio

import psutil
import pytest
from faulted_house import FaultedHouse, FaultReport, machine_ms
from hall_watched import pcs_at_work
from pcs_watched import watched_pcs
from ray_nodes import Nodes, club_on_the_other, house_on_two_nodes, two_hosts

pytestmark = [
    pytest.mark.faults,
    pytest.mark.integration,
    pytest.mark.ray,
    pytest.mark.timeout(400),
]
PACE = 30.0
FROZEN_S = 90.0
"""Ray takes about a minute to give a silent node up."""
AFTERWARDS_S = 10.0
LATE_MAX_S = 8.0


def raylet_of(nodes: Nodes) -> psutil.Process:
    (found,) = (one for one in nodes.other.processes() if one.name() == "raylet")
    return found


async def incarnations(house: FaultedHouse, name: str, seconds: float) -> set[str]:
    """Every process that was seen to hold the host's name within this time."""
    found, until_ms = set[str](), machine_ms() + int(seconds * 1_000)
    while machine_ms() < until_ms:
        records = await house.stack.store.hosts()
        found |= {one.incarnation for one in records if one.name == name}
        await asyncio.sleep(0.2)
    return found


async def test_a_raylet_that_stands_still_ends_in_one_host_a_name(
    tmp_path_factory: pytest.TempPathFactory, report: FaultReport
) -> None:
    folder = tmp_path_factory.mktemp("raylet") / "state"
    async with house_on_two_nodes(folder, speed=PACE) as (house, nodes):
        await pcs_at_work(house)
        await two_hosts(house)
        _, before = await club_on_the_other(house, nodes)
        raylet = raylet_of(nodes)
        async with watched_pcs(house.stack.processes.broker.url) as watch:
            frozen_at_ms = machine_ms()
            raylet.suspend()
            try:
                seen = await incarnations(house, before.name, FROZEN_S)
            finally:
                raylet.resume()
            await asyncio.sleep(AFTERWARDS_S)
            staying = await incarnations(house, before.name, AFTERWARDS_S)
            assert watch.went_back() == []
            assert watch.locks_since(frozen_at_ms) == []
        # Two that worked under one name would take it from each other again and again.
        assert len(staying) == 1
        late_s = await house.worst_lateness_s(frozen_at_ms)
        report.note(
            f"raylet alone frozen {FROZEN_S:.0f} s on two nodes (latest tick)",
            [late_s],
            speed=PACE,
            incarnations=len(seen),
        )
        assert late_s < LATE_MAX_S
        await house.books_are_whole()
        await house.archive_is_the_ledger()
