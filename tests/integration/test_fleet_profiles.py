"""Simulated PCs live through every fault there is a profile for, and come back."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from brokers_under_test import MosquittoUnderTest, eventually

from pc_daemon.fleet import FleetSettings, FleetSimulator
from pc_daemon.fleet_faults import MIXED, PROFILES, Rate, play_faults
from schemas.device import PcMode

pytestmark = pytest.mark.integration

PCS = tuple(("club0", f"pc{number}") for number in range(30))
LIVED_S = 5.0
OFTEN_PER_HOUR = 1_000
OF_FLEET_PER_HOUR = 2_000


class Watched(FleetSimulator):
    """Counts what happened to it."""

    struck = 0

    async def unplug(self, name: str) -> None:
        self.struck += 1
        await super().unplug(name)

    async def cut(self, name: str) -> None:
        self.struck += 1
        await super().cut(name)

    async def freeze(self, name: str) -> None:
        self.struck += 1
        await super().freeze(name)

    def set_clock(self, name: str, moved_ms: int) -> None:
        self.struck += 1
        super().set_clock(name, moved_ms)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MosquittoUnderTest]:
    under_test = MosquittoUnderTest(tmp_path)
    await under_test.start()
    yield under_test
    await under_test.aclose()


def hurried(rate: Rate) -> Rate:
    per_hour = OF_FLEET_PER_HOUR if rate.of_fleet else OFTEN_PER_HOUR
    return replace(rate, per_hour=per_hour, lasts_s=min(rate.lasts_s, 0.5))


@pytest.mark.parametrize("name", [name for name in PROFILES if name not in ("none", "mixed")])
async def test_a_fleet_lives_through_its_faults_and_comes_back(
    broker: MosquittoUnderTest, name: str
) -> None:
    url = f"mqtt://127.0.0.1:{broker.port}"
    fleet = Watched(FleetSettings(url, PCS, heartbeat_s=0.2, reconnect_cap_s=0.5))
    await fleet.start()
    await eventually(lambda: fleet.counts().connected == len(PCS))
    rates = tuple(map(hurried, PROFILES[name]))
    faults = asyncio.create_task(play_faults(fleet, rates, Random(7)))
    await asyncio.sleep(LIVED_S)
    faults.cancel()
    await asyncio.wait((faults,))
    assert fleet.struck > 0
    for pc in fleet.names:
        await fleet.plug(pc)
        await fleet.boot(pc)
        await fleet.thaw(pc)
        fleet.set_clock(pc, 0)
    await eventually(lambda: fleet.counts().connected == len(PCS), timeout_s=20)
    states = [fleet.state_of(pc) for pc in fleet.names]
    assert all(state is not None and state.mode is PcMode.LOCKED for state in states)
    await fleet.stop()


def test_the_mixed_profile_has_every_fault() -> None:
    each = {rate.fault for name, rates in PROFILES.items() if name != "mixed" for rate in rates}
    assert {rate.fault for rate in MIXED} == each
