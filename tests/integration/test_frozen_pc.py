"""A real agent is stopped for twelve minutes of somebody's session: they come back by themselves.

Real broker, real host, the agent a process of its own; business time runs 24 times as fast.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from api_under_test import dependencies
from brokers_under_test import MosquittoUnderTest
from clubs_under_test import CHAIN, seed, wallet_of
from whole_club import OverMqtt

from actors.clock import ClockAnchor, SystemClock, clock_for
from actors.local_host import LocalHost, local_host
from actors.store_memory import MemoryStore
from billing_core.session import SessionState
from billing_core.stored import session_from_dict
from controller.api.app import create_app
from controller.api.auth import ApiKey, digest_of
from controller.verify import verify
from pc_daemon.clock import ClockAnchor as PcAnchor
from pc_daemon.fleet import FleetSettings, FleetSimulator
from schemas.commands import (
    Command,
    CommandEnvelope,
    CreateSession,
    EndSession,
    ReplyStatus,
    TopUpWallet,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

SPEED = 24.0
PC = "north-main-0"
OTHERS = ("north-main-1", "north-vip-0", "north-vip-1")
FROZEN_S = 12 * 60 / SPEED
RATE_MINOR = 2_00
PAID_MINOR = 900_00

AGENT = """
import sys
from pc_daemon.clock import ClockAnchor
from pc_daemon.fleet import FleetSettings, run_fleet
url, business_at, real_at = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
anchor = ClockAnchor(business_at, real_at, float(sys.argv[4]))
pcs = (("north", sys.argv[5]),)
run_fleet(FleetSettings(url, pcs, anchor=anchor, heartbeat_s=0.5, reconnect_cap_s=1.0))
"""


class House:
    """A club whose desk is reached by commands, and by HTTP for what it says."""

    def __init__(self, store: MemoryStore, host: LocalHost, client: httpx.AsyncClient) -> None:
        self.store = store
        self.host = host
        self.client = client
        self._keys = count()

    async def do(self, command: Command) -> None:
        envelope = CommandEnvelope(
            chain_id=CHAIN,
            club_id="north",
            idempotency_key=f"house-{next(self._keys)}",
            fingerprint=command.model_dump_json()[:128],
            principal="test",
            command=command,
        )
        reply = await self.host.execute(envelope)
        assert reply.status is ReplyStatus.OK, reply

    async def session(self) -> SessionState:
        stored = await self.store.session(CHAIN, "s1")
        assert stored is not None
        document = orjson.loads(stored.blob)
        return session_from_dict(document.get("state", document))

    async def tile(self) -> dict[str, Any]:
        _, tiles = await self.store.hall(CHAIN, "north")
        decoded: dict[str, Any] = orjson.loads(tiles.get(PC, b'{"link": null, "locked": null}'))
        return decoded


@asynccontextmanager
async def opened(url: str, anchor: ClockAnchor) -> AsyncIterator[House]:
    store = MemoryStore()
    await seed(store, club_terms={"outages": "CREDIT"})
    clock = clock_for(anchor)
    pcs = tuple(("north", name) for name in OTHERS)
    pace = PcAnchor(**asdict(anchor))
    fleet = FleetSimulator(FleetSettings(url, pcs, anchor=pace, heartbeat_s=0.5))
    async with local_host(store, clock, OverMqtt(url).of_host) as host:
        keys = [ApiKey(CHAIN, "desk", digest_of("desk"))]
        app = create_app(dependencies(store, host, clock=clock, keys=keys))
        transport = httpx.ASGITransport(app=app)
        headers = {"Authorization": "Bearer desk"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://club", headers=headers
        ) as client:
            await fleet.start()
            try:
                yield House(store, host, client)
            finally:
                await fleet.stop()


@asynccontextmanager
async def agent(url: str, anchor: ClockAnchor) -> AsyncIterator[asyncio.subprocess.Process]:
    """The agent of one PC as a process."""
    values = (url, str(anchor.business_at_ms), str(anchor.real_at_ms), str(SPEED), PC)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        AGENT,
        *values,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        await process.wait()


async def until(check: Callable[[], Awaitable[bool]], *, within_s: float) -> None:
    async with asyncio.timeout(within_s):
        while not await check():  # noqa: ASYNC110 - a read
            await asyncio.sleep(0.1)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MosquittoUnderTest]:
    under_test = MosquittoUnderTest(tmp_path)
    await under_test.start()
    yield under_test
    await under_test.aclose()


async def test_twelve_frozen_minutes_come_back_to_the_minor_unit(
    broker: MosquittoUnderTest,
) -> None:
    now_ms = SystemClock().wall_ms()
    anchor = ClockAnchor(now_ms, now_ms, SPEED)
    url = f"mqtt://127.0.0.1:{broker.port}"
    async with opened(url, anchor) as house, agent(url, anchor) as process:

        async def shows(link: str, *, locked: bool) -> bool:
            tile = await house.tile()
            return (tile["link"], tile["locked"]) == (link, locked)

        await until(lambda: shows("ONLINE", locked=True), within_s=30)
        await house.do(TopUpWallet(player_id="ann", amount_minor=PAID_MINOR))
        asked = CreateSession(
            session_id="s1", pc_id=PC, tariff_id="standard", player_id="ann", start=True
        )
        await house.do(asked)
        await until(lambda: shows("ONLINE", locked=False), within_s=10)
        await asyncio.sleep(5)

        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(FROZEN_S)
        assert (await house.tile())["link"] in ("SUSPECT", "NOT_RESPONDING")
        assert (await house.session()).outages == ()
        process.send_signal(signal.SIGCONT)

        async def is_credited() -> bool:
            return bool((await house.session()).outages)

        await until(is_credited, within_s=30)
        assert await shows("ONLINE", locked=False)
        await house.do(EndSession(session_id="s1"))
        receipt = (await house.client.get("/api/v1/sessions/s1/receipt")).json()
        await _holds(house, receipt)


async def _holds(house: House, receipt: dict[str, Any]) -> None:
    """The evidence is on the receipt, and every minor unit is where it belongs."""
    (outage,) = receipt["outages"]
    facts = tuple(outage[name] for name in ("verdict", "link", "journal", "status", "pcId"))
    assert facts == ("FROZEN", "SILENT", "FROZEN", "CREDITED", PC)
    state = await house.session()
    (kept,) = state.outages
    # The journal proves the agent's last step before the stop, a second of real time at most.
    assert 12 * 60_000 <= kept.until_ms - kept.from_ms <= 12 * 60_000 + 2 * 1_000 * SPEED
    minutes = outage["creditedMinutes"]
    begun = range(state.effective_start_at_ms, kept.until_ms, 60_000)
    assert minutes == sum(at_ms >= kept.from_ms for at_ms in begun)
    assert minutes in (12, 13)
    assert outage["amount"]["amountMinor"] == minutes * RATE_MINOR
    owed_minor = (state.segments[0].steps - minutes) * RATE_MINOR
    assert receipt["total"]["amountMinor"] == owed_minor
    assert await wallet_of(house.store, "ann") == (PAID_MINOR - owed_minor, 0)
    assert (await verify(house.store, None)).rows == ()
