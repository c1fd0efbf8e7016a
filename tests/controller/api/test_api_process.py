"""``clubctl api`` as a process: it starts, restarts and stops without anybody being hurt."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import orjson
import pytest
from api_under_test import CHAIN, CLUB, KEY, HallOwner, seed_chain, sse_messages, tile

from actors.clock import ClockAnchor, SystemClock
from actors.store_redis import RedisStore
from controller.api.auth import digest_of
from controller.business_time import write_anchor
from controller.embedded import EmbeddedValkey
from controller.embedded.state import StateFolder, free_port

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
HEADERS = {"Authorization": f"Bearer {KEY}"}


@dataclass
class ApiProcess:
    """One API process on a port of its own; what it says goes to a file."""

    environment: dict[str, str]
    address: str
    log: Path

    @asynccontextmanager
    async def running(self) -> AsyncIterator[subprocess.Popen[bytes]]:
        """Started and ready; ended with the test if the test has not ended it."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(  # noqa: ASYNC220 - it outlives no await that matters
                [sys.executable, "-m", "controller.cli", "api"],
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
            )
        try:
            await self._until_ready(process)
            yield process
        finally:
            process.kill()
            process.wait()

    async def _until_ready(self, process: subprocess.Popen[bytes]) -> None:
        async with asyncio.timeout(60), httpx.AsyncClient(trust_env=False) as client:
            while True:
                assert process.poll() is None, self.log.read_text()
                try:
                    if (await client.get(f"{self.address}/readyz")).is_success:
                        return
                except httpx.TransportError:
                    await asyncio.sleep(0.1)


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A store for the process."""
    with StateFolder(tmp_path, env="development") as state:
        server = EmbeddedValkey(state)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture
def api(valkey: EmbeddedValkey, tmp_path: Path) -> ApiProcess:
    """The API on that store."""
    port = free_port()
    key = {"chain_id": CHAIN, "name": "front-desk", "sha256": digest_of(KEY)}
    environment = {
        "CLUBCTL_REDIS_URL": valkey.url,
        "CLUBCTL_STATE_DIR": str(tmp_path),
        "CLUBCTL_API_PORT": str(port),
        "CLUBCTL_API_KEYS": orjson.dumps([key]).decode(),
    }
    return ApiProcess(environment, f"http://127.0.0.1:{port}", tmp_path / "api.log")


@pytest.fixture
async def store(valkey: EmbeddedValkey) -> AsyncIterator[RedisStore]:
    """The seeded chain, on a business clock sixty times as fast."""
    opened = RedisStore.open(valkey.url)
    await seed_chain(opened)
    now_ms = SystemClock().wall_ms()
    await write_anchor(opened, ClockAnchor(now_ms, now_ms, 60))
    yield opened
    await opened.close()


async def test_asked_to_stop_it_ends_its_streams_and_leaves_cleanly(
    api: ApiProcess, store: RedisStore
) -> None:
    await HallOwner(store).show(tile("pc-1"))
    async with (
        api.running() as process,
        httpx.AsyncClient(base_url=api.address, headers=HEADERS, trust_env=False) as client,
        client.stream("GET", f"/api/v1/clubs/{CLUB}/hall/stream") as response,
    ):
        stream = sse_messages(response)
        snapshot = await anext(stream)
        assert (snapshot.event, snapshot.data["speed"]) == ("snapshot", 60)
        asked_at_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert [message.event async for message in stream] == []
        code = await asyncio.to_thread(process.wait, 15)

    said = api.log.read_text()
    assert code == 0, said
    assert time.monotonic() - asked_at_s < 8
    assert KEY not in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("trusted", "origin"),
    [("[]", "127.0.0.1"), ('["127.0.0.0/8"]', "203.0.113.7"), ('["10.0.0.1"]', "127.0.0.1")],
    ids=["nobody", "the proxy", "another"],
)
async def test_the_audit_has_the_address_a_trusted_proxy_tells(
    api: ApiProcess, store: RedisStore, trusted: str, origin: str
) -> None:
    """What a caller claims before the proxy is theirs to invent."""
    api.environment["CLUBCTL_TRUSTED_PROXIES"] = trusted
    headers = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7", "Idempotency-Key": "k1"}
    async with (
        api.running(),
        httpx.AsyncClient(base_url=api.address, headers=HEADERS, trust_env=False) as client,
    ):
        made = await client.post("/api/v1/players", json={"label": "Dora"}, headers=headers)
    assert made.status_code == 201, made.text
    (entry,) = await store.audit(CHAIN)
    assert orjson.loads(entry.payload)["origin"] == origin


async def test_an_operator_stays_signed_in_while_it_restarts(
    api: ApiProcess, store: RedisStore
) -> None:
    async with httpx.AsyncClient(base_url=api.address, trust_env=False) as browser:
        async with api.running():
            assert (await browser.post("/login", data={"key": KEY})).status_code == 303
        async with api.running():
            assert (await browser.get("/api/v1/clubs")).status_code == 200


async def test_a_store_that_restarts_is_a_pause_and_no_end(
    api: ApiProcess, store: RedisStore, valkey: EmbeddedValkey
) -> None:
    hall = f"/api/v1/clubs/{CLUB}/hall"
    owner = HallOwner(store)
    await owner.show(tile("pc-1"))
    async with (
        api.running(),
        httpx.AsyncClient(
            base_url=api.address, headers=HEADERS, trust_env=False, timeout=30
        ) as client,
        client.stream("GET", f"{hall}/stream") as response,
    ):
        stream = sse_messages(response)
        await anext(stream)
        valkey.stop()
        lost = await client.get(hall)
        valkey.start()
        await owner.show(tile("pc-1", player_label="after"))
        async with asyncio.timeout(30):
            async for message in stream:
                if message.event != "heartbeat":
                    break

        assert (lost.status_code, lost.json()["code"]) == (503, "store-unavailable")
        assert message.pcs[:1] == ["pc-1"]
        assert message.data["tiles"][0]["playerLabel"] == "after"  # type: ignore[index]
        assert (await client.get(hall)).status_code == 200
