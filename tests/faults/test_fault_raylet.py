"""A raylet stands still until Ray gives its node up, while the host on it goes on working.

Ray then starts a second process under the host's name elsewhere, and cannot end the first.
"""

import asyncio
import signal

import psutil
import pytest
from clubs_under_test import CLUBS
from faulted_house import FaultedHouse, FaultReport, machine_ms
from hall_watched import pcs_at_work
from pcs_watched import watched_pcs
from ray_nodes import Nodes, house_on_two_nodes
from stack_under_test import until

from actors.store import HostRecord

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


async def both_spread(house: FaultedHouse, nodes: Nodes) -> HostRecord:
    """The host on the other node, once each node has one at work."""
    found: list[HostRecord] = []

    async def spread() -> bool:
        owners = [await house.owner(club) for club in CLUBS]
        found[:] = [owner for owner in owners if nodes.other.runs(owner)]
        return len({owner.name for owner in owners}) == len(CLUBS) and len(found) == 1

    await until(spread, within_s=60.0, what="a host on each node")
    return found[0]


async def test_a_raylet_that_stands_still_ends_in_one_host_a_name(
    tmp_path_factory: pytest.TempPathFactory, report: FaultReport
) -> None:
    folder = tmp_path_factory.mktemp("raylet") / "state"
    async with house_on_two_nodes(folder, speed=PACE) as (house, nodes):
        await pcs_at_work(house)
        before = await both_spread(house, nodes)
        raylet = raylet_of(nodes)
        async with watched_pcs(house.stack.processes.broker.url) as watch:
            frozen_at_ms = machine_ms()
            raylet.suspend()
            seen = set[str]()
            try:
                while machine_ms() - frozen_at_ms < FROZEN_S * 1_000:
                    records = await house.stack.store.hosts()
                    seen |= {one.incarnation for one in records if one.name == before.name}
                    await asyncio.sleep(0.2)
            finally:
                raylet.send_signal(signal.SIGCONT)
            await asyncio.sleep(AFTERWARDS_S)
            assert watch.went_back() == []
            assert watch.locks_since(frozen_at_ms) == []
        records = await house.stack.store.hosts()
        assert len({one.name for one in records}) == len(records)
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
