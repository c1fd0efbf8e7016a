"""The whole house as real processes: store, broker, Ray with its hosts, API and PCs."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import orjson
from clubs_under_test import CHAIN, seed, wallet_of

from actors.clock import ClockAnchor, SystemClock
from actors.store import HostRecord
from actors.store_redis import RedisStore
from controller.business_time import write_anchor
from controller.demo.club_api import open_client
from controller.demo.processes import DemoProcesses, DemoShape, answers
from controller.embedded import ChildProcess
from controller.embedded.state import StateFolder

READY_S = 60.0
FLEET_PER_ZONE = 2
PLAYERS = tuple(f"p{number}" for number in range(20))


@dataclass
class Stack:
    """Running processes and a store view beside them."""

    processes: DemoProcesses
    store: RedisStore
    client: httpx.AsyncClient
    anchor: ClockAnchor
    _keys: "count[int]" = field(default_factory=count)

    async def host(self, name: str) -> HostRecord | None:
        """A host that lives now."""
        return {record.name: record for record in await self.store.hosts()}.get(name)

    async def owner_of(self, club_id: str) -> HostRecord:
        """The live host that owns a club."""
        from actors.placement import shard_of_club

        shard = shard_of_club(CHAIN, club_id)
        owner = (await self.store.owners([shard]))[shard]
        record = await self.host(owner.host)
        assert record is not None
        return record

    async def post(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """A command through the API, which must succeed; asked again if the answer was lost."""
        request = partial(
            self.client.post,
            path.removeprefix("/"),
            json=body,
            headers={"Idempotency-Key": f"stack-{next(self._keys)}"},
            timeout=30,
        )
        try:
            response = await request()
        except httpx.TransportError:
            response = await request()
        assert response.is_success, response.text
        decoded: dict[str, Any] = response.json()
        return decoded

    async def play(self, player_id: str, pc_id: str, amount_minor: int = 5_000_00) -> str:
        """Top a player up and start a per-minute session; its id."""
        club_id = pc_id.partition("-")[0]
        await self.post(
            f"/clubs/{club_id}/players/{player_id}/wallet/top-ups", {"amountMinor": amount_minor}
        )
        session = await self.post(
            f"/clubs/{club_id}/sessions",
            {"pcId": pc_id, "tariffId": "standard", "playerId": player_id, "start": True},
        )
        session_id: str = session["sessionId"]
        return session_id

    async def end(self, session_id: str) -> dict[str, Any]:
        """End a session; what the API answers."""
        return await self.post(f"/sessions/{session_id}/end")

    async def tile(self, club_id: str, pc_id: str) -> dict[str, object]:
        """A tile of the hall."""
        _, tiles = await self.store.hall(CHAIN, club_id)
        decoded: dict[str, object] = orjson.loads(tiles[pc_id])
        return decoded

    async def wallet(self, holder_id: str) -> tuple[int, int]:
        """(cash, bonus) as stored."""
        return await wallet_of(self.store, holder_id)


def send_signal(record: HostRecord, number: signal.Signals) -> None:
    """Signal a host's process."""
    os.kill(int(record.details["pid"]), number)


async def until(
    check: Callable[[], Awaitable[bool]], *, within_s: float = READY_S, what: str = "it"
) -> float:
    """Wait until ``check``; returns real seconds waited. AssertionError when it takes longer."""
    clock = SystemClock()
    started_ms = clock.mono_ms()
    while not await check():
        waited_s = (clock.mono_ms() - started_ms) / 1_000
        assert waited_s < within_s, f"{what} did not happen within {within_s} s"
        await asyncio.sleep(0.1)
    return (clock.mono_ms() - started_ms) / 1_000


@asynccontextmanager
async def running_stack(
    folder: Path,
    *,
    speed: float = 1.0,
    fleet: bool = True,
    fleet_per_zone: int = FLEET_PER_ZONE,
    archive: bool = False,
    pcs_per_zone: int = 2,
    players: tuple[str, ...] = PLAYERS,
    controller: Callable[[DemoProcesses], ChildProcess] | None = None,
    documents: Mapping[str, bytes] | None = None,
) -> AsyncIterator[Stack]:
    """Start everything over an empty state folder and stop it all at the end.

    ``fleet`` are simulated PCs, the first ``fleet_per_zone`` of every zone; ``controller`` makes
    another controller than this code's, ``documents`` what the catalogue has otherwise.
    """
    with StateFolder(folder, env="development") as state:
        shape = DemoShape(api_port=state.port("api"), hosts=2, api_key="test-key")
        processes = DemoProcesses(state, shape)
        if controller is not None:
            processes.controller = controller(processes)
        processes.valkey.start()
        processes.broker.start()
        store = RedisStore.open(processes.valkey.url)
        try:
            await seed(store, pcs_per_zone=pcs_per_zone, players=players, documents=documents)
            anchor = await _anchored(store, speed)
            await _start(processes, store, fleet_per_zone=fleet_per_zone if fleet else 0)
            if archive:
                processes.archive.start()
            async with open_client(shape.hall_url, shape.api_key) as client:
                yield Stack(processes, store, client, anchor)
        finally:
            await store.close()
            await processes.stop()


async def _anchored(store: RedisStore, speed: float) -> ClockAnchor:
    now_ms = SystemClock().wall_ms()
    anchor = ClockAnchor(now_ms, now_ms, speed)
    if speed != 1.0:
        await write_anchor(store, anchor)
    return anchor


async def _start(processes: DemoProcesses, store: RedisStore, *, fleet_per_zone: int) -> None:
    processes.controller.start()

    async def owned() -> bool:
        assignments = await store.assignments()
        owners = await store.owners(list(assignments))
        return len(owners) == 2

    await until(owned, what="both shards owned")
    processes.api.start()

    async def serving() -> bool:
        return await answers(f"{processes.shape.hall_url}/readyz")

    await until(serving, what="the API")
    if fleet_per_zone:
        roster: Sequence[tuple[str, str]] = [
            (club, f"{club}-{zone}-{number}")
            for club in ("north", "south")
            for zone in ("main", "vip")
            for number in range(fleet_per_zone)
        ]
        processes.write_roster(roster)
        processes.fleet.start()
