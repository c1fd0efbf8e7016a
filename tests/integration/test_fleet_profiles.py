"""Simulated PCs live through every fault there is a profile for, and come back."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import TypeGuard

import pytest
from brokers_under_test import MosquittoUnderTest, eventually

from pc_daemon.agent_state import AgentState
from pc_daemon.fleet import FleetSettings, FleetSimulator
from pc_daemon.fleet_faults import MIXED, PROFILES, Rate, play_faults
from pc_daemon.usage import Entry
from schemas.codec import encode
from schemas.device import CoverageLease, DesiredDocument, PcMode, UsageEnd, UsageRecord
from schemas.link_port import Outgoing
from schemas.topics import DownLeaf, pc_topic

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

    async def sever(self, name: str) -> None:
        self.struck += 1
        await super().sever(name)

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


async def plays(broker: MosquittoUnderTest) -> None:
    """Every PC has a session of its own, paid for ten minutes."""
    link, _ = await broker.up("controller", "nothing/here")
    now_ms = time.time_ns() // 1_000_000
    for club_id, pc_id in PCS:
        lease = CoverageLease(
            lease_id=f"s-{pc_id}",
            pc_id=pc_id,
            session_id=f"s-{pc_id}",
            seq=1,
            epoch=1,
            issued_at_ms=now_ms,
            duration_ms=600_000,
            hard_stop_at_ms=now_ms + 24 * 3_600_000,
        )
        document = DesiredDocument(
            epoch=1, rev=1, mode=PcMode.UNLOCKED, session_id=lease.session_id, lease=lease
        )
        topic = pc_topic(club_id, pc_id, DownLeaf.DESIRED)
        link.publish(Outgoing(topic, encode(document), retain=True))


def states(fleet: FleetSimulator) -> list[AgentState]:
    return [state for pc in fleet.names if (state := fleet.state_of(pc)) is not None]


def is_served_once(state: AgentState) -> bool:
    """No moment of a boot is in two stretches of the journal."""
    by_boot: dict[str, list[UsageRecord]] = {}
    for entry in state.usage.entries:
        if isinstance(entry, UsageRecord):
            by_boot.setdefault(entry.boot_id, []).append(entry)
    return all(
        before.ended_boot_ms <= after.started_boot_ms
        for records in by_boot.values()
        for before, after in pairwise(records)
    )


@pytest.mark.parametrize("name", [name for name in PROFILES if name != "none"])
async def test_a_fleet_at_play_lives_through_its_faults_and_plays_on(
    broker: MosquittoUnderTest, name: str
) -> None:
    url = f"mqtt://127.0.0.1:{broker.port}"
    fleet = Watched(FleetSettings(url, PCS, heartbeat_s=0.2, reconnect_cap_s=0.5))
    await fleet.start()
    await eventually(lambda: fleet.counts().connected == len(PCS), timeout_s=20)
    await plays(broker)
    await eventually(lambda: fleet.counts().unlocked == len(PCS), timeout_s=20)

    ended = asyncio.Event()
    asyncio.get_running_loop().call_later(LIVED_S, ended.set)
    await play_faults(fleet, tuple(map(hurried, PROFILES[name])), Random(7), ended=ended)

    assert fleet.struck > 0
    await eventually(lambda: fleet.counts().connected == len(PCS), timeout_s=30)
    await eventually(lambda: fleet.counts().unlocked == len(PCS), timeout_s=20)
    lived = states(fleet)
    assert {state.document.session_id for state in lived if state.document} == {
        f"s-{pc_id}" for _, pc_id in PCS
    }
    assert all(map(is_served_once, lived))
    ends = {entry.end for one in lived for entry in one.usage.entries if is_record(entry)}
    assert (UsageEnd.INTERRUPTED in ends) is (name in ("reboot", "power", "mixed"))
    assert ends <= {UsageEnd.INTERRUPTED, UsageEnd.FROZEN}
    await fleet.stop()


def is_record(entry: Entry) -> TypeGuard[UsageRecord]:
    return isinstance(entry, UsageRecord)


def test_the_mixed_profile_has_every_fault() -> None:
    each = {rate.fault for name, rates in PROFILES.items() if name != "mixed" for rate in rates}
    assert {rate.fault for rate in MIXED} == each
