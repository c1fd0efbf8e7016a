"""The live hall: nothing missed, nothing twice, whatever happens to the reader."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from api_under_test import (
    CLUB,
    KEY,
    START_MS,
    HallOwner,
    ScriptedGateway,
    SseMessage,
    client_of,
    dependencies,
    seed_chain,
    serving,
    sse_messages,
    tile,
)

from actors.clock import ManualClock
from actors.store import Store
from actors.store_memory import MemoryStore
from actors.store_redis import RedisStore
from controller.api import live
from controller.api.app import create_app
from controller.embedded import EmbeddedValkey
from controller.embedded.state import StateFolder
from schemas.views import LinkState, UseState

STREAM = f"/api/v1/clubs/{CLUB}/hall/stream"


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server for this module."""
    folder: Path = tmp_path_factory.mktemp("live")
    with StateFolder(folder, env="development") as state:
        server = EmbeddedValkey(state)
        server.start()
        try:
            yield server.url
        finally:
            server.stop()


@pytest.fixture(params=["memory", "valkey"])
async def live_store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """The seeded chain in memory and on a real server."""
    if request.param == "memory":
        store: Store = MemoryStore()
        await seed_chain(store)
        yield store
        return
    redis = RedisStore.open(request.getfixturevalue("valkey"))
    await redis._link.call("FLUSHALL")
    await seed_chain(redis)
    yield redis
    await redis.close()


@pytest.fixture
async def live_client(live_store: Store) -> AsyncIterator[httpx.AsyncClient]:
    given = dependencies(
        live_store, ScriptedGateway(), clock=ManualClock(START_MS, speed=60), heartbeat_ms=300
    )
    async with client_of(given) as client:
        yield client


async def read_until(stream: AsyncIterator[SseMessage], *events: str) -> SseMessage:
    async with asyncio.timeout(10):
        async for message in stream:
            if message.event in events:
                return message
    raise AssertionError("the stream ended")


async def test_it_begins_with_the_whole_hall_and_goes_on_with_what_changes(
    live_store: Store, live_client: httpx.AsyncClient
) -> None:
    owner = HallOwner(live_store)
    await owner.show(tile("pc-1"), tile("pc-2", link=LinkState.SUSPECT))
    async with live_client.stream("GET", STREAM) as response:
        stream = sse_messages(response)
        snapshot = await read_until(stream, "snapshot")
        await owner.show(tile("pc-2", link=LinkState.NOT_RESPONDING))
        change = await read_until(stream, "tiles")

    assert response.headers["content-type"].startswith("text/event-stream")
    assert snapshot.pcs == ["pc-1", "pc-2", "pc-3", "pc-4"]
    tiles = snapshot.data["tiles"]
    assert isinstance(tiles, list)
    assert [each["link"] for each in tiles] == ["ONLINE", "SUSPECT", *["UNPROVISIONED"] * 2]
    assert snapshot.data["now"] == "2026-05-28T20:26:40.000Z"
    assert snapshot.data["speed"] == 60
    assert change.pcs == ["pc-2"]
    assert change.entry_id is not None


async def test_changes_of_one_pc_that_come_together_leave_as_one(
    live_store: Store, live_client: httpx.AsyncClient
) -> None:
    owner = HallOwner(live_store)
    await owner.show(tile("pc-1"))
    async with live_client.stream("GET", STREAM) as response:
        stream = sse_messages(response)
        await read_until(stream, "snapshot")
        await owner.show(
            tile("pc-1", use=UseState.WAIT), tile("pc-2"), tile("pc-1", use=UseState.RUNNING)
        )
        change = await read_until(stream, "tiles")

    uses = {each["pcId"]: each["use"] for each in change.data["tiles"]}  # type: ignore[attr-defined]
    assert uses == {"pc-1": "RUNNING", "pc-2": "FREE"}


async def test_a_retired_pc_is_gone_from_the_stream_and_from_who_comes_next(
    live_store: Store, live_client: httpx.AsyncClient
) -> None:
    owner = HallOwner(live_store)
    await owner.show(tile("pc-1"), tile("pc-2"))
    async with live_client.stream("GET", STREAM) as response:
        stream = sse_messages(response)
        await read_until(stream, "snapshot")
        await owner.show(tile("pc-1", retired=True), tile("pc-2", use=UseState.WAIT))
        change = await read_until(stream, "tiles")
    async with live_client.stream("GET", STREAM) as response:
        next_one = await read_until(sse_messages(response), "snapshot")

    assert (change.data["gone"], change.pcs) == (["pc-1"], ["pc-2"])
    assert next_one.pcs == ["pc-2", "pc-3", "pc-4"]


async def test_a_reader_that_returns_with_the_last_id_is_given_exactly_what_it_missed(
    live_store: Store, live_client: httpx.AsyncClient
) -> None:
    owner = HallOwner(live_store)
    await owner.show(tile("pc-1"))
    seen: list[str] = []
    last: str | None = None
    for number in range(20):
        await owner.show(tile("pc-1", player_label=f"before {number}"))
        headers = {} if last is None else {"Last-Event-ID": last}
        async with live_client.stream("GET", STREAM, headers=headers) as response:
            message = await read_until(sse_messages(response), "snapshot", "tiles")
        assert message.event == ("snapshot" if last is None else "tiles")
        first = message.data["tiles"][0]  # type: ignore[index]
        seen.append(first["playerLabel"])
        last = message.entry_id

    assert seen == [f"before {number}" for number in range(20)]


async def test_a_reader_that_missed_nothing_hears_at_once_that_the_stream_lives(
    live_store: Store, live_client: httpx.AsyncClient
) -> None:
    await HallOwner(live_store).show(tile("pc-1"))
    entry_id, _ = await live_store.hall("chain-a", CLUB)
    async with live_client.stream("GET", STREAM, headers={"Last-Event-ID": entry_id}) as response:
        stream = sse_messages(response)
        first = await read_until(stream, "snapshot", "tiles", "heartbeat")
        second = await read_until(stream, "snapshot", "tiles", "heartbeat")

    assert (first.event, second.event) == ("heartbeat", "heartbeat")
    assert first.entry_id is None
    assert set(first.data) == {"now", "speed"}


@pytest.mark.parametrize("stale", ["1-1", "99999999999999-0", "nonsense", "0", ""])
async def test_an_id_that_is_gone_unknown_or_from_another_life_gets_a_new_snapshot(
    live_store: Store, live_client: httpx.AsyncClient, stale: str
) -> None:
    owner = HallOwner(live_store)
    for _ in range(4):
        await owner.show(tile("pc-1"), tile("pc-2"))
    if stale == "1-1" and isinstance(live_store, MemoryStore):
        stale = "0-1"
    async with live_client.stream("GET", STREAM, headers={"Last-Event-ID": stale}) as response:
        first = await read_until(sse_messages(response), "snapshot", "tiles", "heartbeat")

    assert first.event == "snapshot"


async def test_a_slow_reader_costs_no_memory_and_still_ends_with_the_truth(
    live_store: Store, live_client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "KEPT_ENTRIES", 8)
    owner = HallOwner(live_store)
    await owner.show(tile("pc-1"))
    async with live_client.stream("GET", STREAM) as response:
        stream = sse_messages(response)
        await read_until(stream, "snapshot")
        for number in range(60):
            await owner.show(tile(f"pc-{number % 4 + 1}", player_label=f"round {number}"))
        shown: dict[str, object] = {}
        async with asyncio.timeout(10):
            async for message in stream:
                for each in message.data.get("tiles", []):  # type: ignore[attr-defined]
                    shown[each["pcId"]] = each["playerLabel"]
                if len(shown) == 4 and shown["pc-4"] == "round 59":
                    break

    assert shown == {f"pc-{n}": f"round {55 + n}" for n in range(1, 5)}


async def test_many_readers_share_one_feed_and_leave_nothing_behind(live_store: Store) -> None:
    given = dependencies(live_store, ScriptedGateway(), heartbeat_ms=200)
    app = create_app(given)
    owner = HallOwner(live_store)
    await owner.show(tile("pc-1"))
    headers = {"Authorization": f"Bearer {KEY}"}

    async def one(client: httpx.AsyncClient) -> list[str]:
        async with client.stream("GET", STREAM) as response:
            stream = sse_messages(response)
            await read_until(stream, "snapshot")
            ready.release()
            return list((await read_until(stream, "tiles")).pcs)

    ready = asyncio.Semaphore(0)
    async with (
        serving(app) as address,
        httpx.AsyncClient(base_url=address, headers=headers, trust_env=False) as client,
    ):
        readers = [asyncio.create_task(one(client)) for _ in range(8)]
        for _ in readers:
            await ready.acquire()
        assert len(app.state.rooms.live._feeds) == 1
        await owner.show(tile("pc-3"))
        assert await asyncio.gather(*readers) == [["pc-3"]] * 8
        async with asyncio.timeout(5):
            while app.state.rooms.live._feeds:  # noqa: ASYNC110 - closing is the server's affair
                await asyncio.sleep(0.02)
    assert b"clubctl_http_live_streams 0.0" in (await _exposition(given))


async def _exposition(given: object) -> bytes:
    from controller.metrics import exposition

    return await exposition(given.metrics, given.store)  # type: ignore[attr-defined]


async def test_closing_the_server_ends_the_streams_by_itself(live_store: Store) -> None:
    await HallOwner(live_store).show(tile("pc-1"))
    app = create_app(dependencies(live_store, ScriptedGateway()))
    headers = {"Authorization": f"Bearer {KEY}"}
    async with (
        serving(app) as address,
        httpx.AsyncClient(base_url=address, headers=headers, trust_env=False) as client,
        client.stream("GET", STREAM) as response,
    ):
        stream = sse_messages(response)
        await read_until(stream, "snapshot")
        app.state.rooms.live.close()
        async with asyncio.timeout(5):
            rest = [message async for message in stream]

    assert rest == []
