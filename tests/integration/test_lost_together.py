"""Hundreds of PCs that lose the broker, or their club's uplink, at once: one incident, no alarm.

Real agents, each on its own connection to a real broker, under one real host.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import orjson
import pytest
from brokers_under_test import Cable, MosquittoUnderTest
from clubs_under_test import CHAIN, seed

from actors.clock import SystemClock
from actors.host import Host
from actors.host_process import HOST_BACKOFF
from actors.local_host import local_host
from actors.store import ChainStream
from actors.store_memory import MemoryStore
from pc_daemon.fleet import FleetSettings, FleetSimulator
from schemas.link import GmqttLink
from schemas.link_port import LinkSettings, MqttLink

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(600)]

PCS_PER_ZONE = 250
AGENTS_CAP_S = 30.0
"""How long a real agent stays away at most between two attempts."""
BLINK_S = 8.0
"""The host's own way is lost for less than ten seconds, and that is no incident."""
AWAY_S = 60.0
"""Longer than any silence a PC is allowed."""
BACK_WITHIN_S = 60.0
SPREAD_BUCKETS_MIN = 6
"""Seconds of the return in which somebody came back: they must not all come in one."""


def host_link(port: int) -> Callable[[Host], MqttLink]:
    settings = LinkSettings("127.0.0.1", port, "host-local", backoff=HOST_BACKOFF)
    return lambda host: GmqttLink(settings, host, random=Random(1), mono_s=time.monotonic)


def fleet_of(club: str, port: int, *, pcs: int) -> FleetSimulator:
    names = [(club, f"{club}-{zone}-{n}") for zone in ("main", "vip") for n in range(PCS_PER_ZONE)]
    url = f"mqtt://127.0.0.1:{port}"
    settings = FleetSettings(url, tuple(names[:pcs]), reconnect_cap_s=AGENTS_CAP_S)
    return FleetSimulator(settings)


async def until(check: Callable[[], Awaitable[bool]], *, within_s: float) -> float:
    """Seconds until ``check``; fails when they are too many."""
    began_s = time.monotonic()
    async with asyncio.timeout(within_s):
        while not await check():  # noqa: ASYNC110 - a read
            await asyncio.sleep(0.25)
    return time.monotonic() - began_s


async def links(store: MemoryStore, club: str, *, pcs: int) -> Counter[str]:
    _, tiles = await store.hall(CHAIN, club)
    names = [f"{club}-{zone}-{n}" for zone in ("main", "vip") for n in range(PCS_PER_ZONE)]
    return Counter(orjson.loads(tiles[name])["link"] for name in names[:pcs] if name in tiles)


async def told(store: MemoryStore) -> list[tuple[str, str]]:
    """(kind, cause) of what was told of clubs and PCs."""
    entries = await store.stream(CHAIN, ChainStream.OUTBOX)
    events = [orjson.loads(entry.payload)["event"] for entry in entries]
    return [
        (event["kind"], str(event["payload"].get("cause")))
        for event in events
        if event["kind"].startswith(("club_link", "pc_not"))
    ]


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MosquittoUnderTest]:
    under_test = MosquittoUnderTest(tmp_path)
    await under_test.start()
    yield under_test
    await under_test.aclose()


@asynccontextmanager
async def at_work(*fleets: FleetSimulator) -> AsyncIterator[None]:
    """Fleets that run; a fleet whose way is cut at the end is not waited for."""
    for fleet in fleets:
        await fleet.start()
    try:
        yield
    finally:
        for fleet in fleets:
            await fleet.stop()


@pytest.mark.parametrize(
    ("away_s", "incidents"),
    [
        (BLINK_S, []),
        (AWAY_S, [("club_link_down", "BROKER"), ("club_link_restored", "BROKER")]),
    ],
    ids=["a blink", "a minute"],
)
async def test_five_hundred_pcs_lose_the_broker_and_none_is_called_dead(
    broker: MosquittoUnderTest, away_s: float, incidents: list[tuple[str, str]]
) -> None:
    store, pcs = MemoryStore(), 2 * PCS_PER_ZONE
    await seed(store, pcs_per_zone=PCS_PER_ZONE)
    fleet = fleet_of("north", broker.port, pcs=pcs)

    async def all_online() -> bool:
        return (await links(store, "north", pcs=pcs))["ONLINE"] == pcs

    async with local_host(store, SystemClock(), host_link(broker.port)), at_work(fleet):
        await until(all_online, within_s=60)
        await broker.stop()
        await asyncio.sleep(away_s)
        assert fleet.counts().connected == 0
        await broker.start()
        began_s, arrivals, seen = time.monotonic(), Counter[int](), Counter[str]()
        connected = 0

        async def back() -> bool:
            nonlocal connected
            seen.update(await links(store, "north", pcs=pcs))
            now = fleet.counts().connected
            arrivals[int(time.monotonic() - began_s)] += max(0, now - connected)
            connected = max(connected, now)
            return connected == pcs

        took_s = await until(back, within_s=BACK_WITHIN_S)
        await until(all_online, within_s=30)
        seen.update(await links(store, "north", pcs=pcs))
        assert took_s < BACK_WITHIN_S
        assert seen["NOT_RESPONDING"] == 0
        assert len([second for second, came in arrivals.items() if came]) >= SPREAD_BUCKETS_MIN
        assert max(arrivals.values()) < pcs / 2
        assert await told(store) == incidents


async def test_a_clubs_uplink_is_one_incident_and_touches_no_other_club(
    broker: MosquittoUnderTest,
) -> None:
    store, pcs = MemoryStore(), 40
    await seed(store, pcs_per_zone=PCS_PER_ZONE)
    cable = Cable(broker.port)
    await cable.mend()
    far, near = fleet_of("south", cable.port, pcs=pcs), fleet_of("north", broker.port, pcs=pcs)
    async with local_host(store, SystemClock(), host_link(broker.port)), at_work(far, near):

        async def all_are(link: str) -> bool:
            return (await links(store, "south", pcs=pcs))[link] == pcs

        await until(lambda: all_are("ONLINE"), within_s=30)
        await cable.cut()
        await until(lambda: all_are("LINK_UNKNOWN"), within_s=60)
        await asyncio.sleep(15)
        assert await told(store) == [("club_link_down", "CLUB")]
        assert (await links(store, "south", pcs=pcs))["LINK_UNKNOWN"] == pcs
        assert (await links(store, "north", pcs=pcs))["ONLINE"] == pcs
        await cable.mend()
        await until(lambda: all_are("ONLINE"), within_s=BACK_WITHIN_S)
        assert await told(store) == [("club_link_down", "CLUB"), ("club_link_restored", "CLUB")]
    await cable.cut()
