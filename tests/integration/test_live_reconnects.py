"""A reader of the live hall whose connection breaks a hundred times: nothing missed or twice.

Each change carries its number, and the hall is served over a real socket from a real server.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import httpx
import pytest
from api_under_test import (
    CLUB,
    KEY,
    HallOwner,
    ScriptedGateway,
    dependencies,
    seed_chain,
    serving,
    sse_messages,
    tile,
)
from stores_under_test import running_server

from actors.store_redis import RedisStore
from controller.api.app import create_app

pytestmark = [pytest.mark.integration, pytest.mark.slow]

RECONNECTS = 100
CHANGES = 400
STREAM = f"/api/v1/clubs/{CLUB}/hall/stream"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[RedisStore]:
    with running_server(tmp_path / "state") as server:
        opened = RedisStore.open(server.url)
        await seed_chain(opened)
        yield opened
        await opened.close()


class Reader:
    """Follows the stream and remembers which change of which entry it was shown."""

    def __init__(self, client: httpx.AsyncClient, luck: Random) -> None:
        self._client = client
        self._luck = luck
        self.seen: list[tuple[str, str]] = []
        self.snapshots = 0
        self.connections = 0
        self.last_id: str | None = None

    async def follow_for_a_while(self) -> None:
        """One connection, broken after a few events wherever it happens to be."""
        self.connections += 1
        headers = {} if self.last_id is None else {"Last-Event-ID": self.last_id}
        patience = self._luck.randint(1, 6)
        async with self._client.stream("GET", STREAM, headers=headers) as response:
            async for message in sse_messages(response):
                if message.entry_id is not None:
                    self.last_id = message.entry_id
                if message.event == "snapshot":
                    self.snapshots += 1
                    continue
                if message.event == "tiles":
                    self._take(message.data)
                patience -= 1
                if patience == 0:
                    return

    def _take(self, data: dict[str, object]) -> None:
        tiles = data["tiles"]
        assert isinstance(tiles, list)
        self.seen += [(one["pcId"], one["playerLabel"]) for one in tiles]


async def change(store: RedisStore) -> None:
    """Every change is of another PC than the one before, so that none is coalesced away."""
    owner, luck = HallOwner(store), Random(4)
    for number in range(CHANGES):
        await owner.show(tile(f"pc-{number}", player_label=f"change {number}"))
        await asyncio.sleep(luck.uniform(0, 0.03))


async def test_a_hundred_broken_connections_miss_nothing_and_repeat_nothing(
    store: RedisStore,
) -> None:
    given = dependencies(store, ScriptedGateway(), heartbeat_ms=50, coalesce_ms=5)
    headers = {"Authorization": f"Bearer {KEY}"}
    async with (
        serving(create_app(given)) as address,
        httpx.AsyncClient(base_url=address, headers=headers, trust_env=False, timeout=20) as client,
    ):
        reader = Reader(client, Random(9))
        await reader.follow_for_a_while()
        assert reader.snapshots == 1
        changing = asyncio.ensure_future(change(store))
        while len(reader.seen) < CHANGES or reader.connections <= RECONNECTS:
            await reader.follow_for_a_while()
            assert reader.connections < 1_500, f"only {len(reader.seen)} changes were seen"
        await changing
    assert reader.snapshots == 1
    expected = [(f"pc-{number}", f"change {number}") for number in range(CHANGES)]
    assert reader.seen == expected
