"""A process with too much to do refuses reads first, then changes, and says when to return."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from api_under_test import CLUB, ScriptedGateway, client_of, dependencies, eventually

from actors.store_memory import MemoryStore
from controller.api.shedding import LoadLimits
from schemas.commands import CommandReply, ReplyStatus

TOP_UPS = f"/api/v1/clubs/{CLUB}/players/anna/wallet/top-ups"
HALL = f"/api/v1/clubs/{CLUB}/hall"
LIVE = f"/api/v1/clubs/{CLUB}/hall/stream"
DONE = CommandReply(
    status=ReplyStatus.OK,
    result={"wallet": {"player_id": "anna", "currency": "EUR", "cash_minor": 1, "bonus_minor": 0}},
)
LIMITS = LoadLimits(reads=2, changes=4, changes_before_reads=2, doors=5)


@pytest.fixture
async def busy(store: MemoryStore, gateway: ScriptedGateway) -> AsyncIterator[httpx.AsyncClient]:
    """The API with small limits, over a gateway that does not answer yet."""
    gateway.gate.clear()
    gateway.replies = [DONE] * 8
    given = replace(dependencies(store, gateway), limits=LIMITS)
    async with client_of(given) as client:
        yield client
        gateway.gate.set()


async def change(client: httpx.AsyncClient, key: str) -> httpx.Response:
    return await client.post(TOP_UPS, json={"amountMinor": 500}, headers={"Idempotency-Key": key})


async def under_way(
    client: httpx.AsyncClient, gateway: ScriptedGateway, count: int
) -> list[asyncio.Task[httpx.Response]]:
    first = len(gateway.seen)
    tasks = [asyncio.create_task(change(client, f"k{first + n}")) for n in range(count)]
    await eventually(lambda: len(gateway.seen) == first + count)
    return tasks


async def test_reads_give_way_while_changes_are_still_taken(
    busy: httpx.AsyncClient, gateway: ScriptedGateway
) -> None:
    assert (await busy.get(HALL)).status_code == 200
    tasks = await under_way(busy, gateway, LIMITS.changes_before_reads)
    refused = await busy.get(HALL)
    assert (refused.status_code, refused.json()["code"]) == (429, "overloaded")
    assert refused.headers["retry-after"] == "2"
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["x-content-type-options"] == "nosniff"

    tasks += await under_way(busy, gateway, LIMITS.changes - LIMITS.changes_before_reads)
    over = await change(busy, "k-over")
    assert (over.status_code, over.json()["code"]) == (429, "overloaded")
    assert over.headers["retry-after"] == "2"
    assert len(gateway.seen) == LIMITS.changes, "what is over the limit reaches nobody"

    gateway.gate.set()
    assert {answer.status_code for answer in await asyncio.gather(*tasks)} == {201}
    assert (await busy.get(HALL)).status_code == 200
    assert (await change(busy, "k-over")).status_code == 201


async def test_whoever_watches_the_process_sees_it_when_it_is_busy(
    busy: httpx.AsyncClient, gateway: ScriptedGateway
) -> None:
    tasks = await under_way(busy, gateway, LIMITS.changes)
    assert (await busy.get("/livez")).status_code == 200
    assert (await busy.get("/metrics")).status_code == 200
    gateway.gate.set()
    await asyncio.gather(*tasks)


async def test_live_streams_do_not_use_up_the_reads(busy: httpx.AsyncClient) -> None:
    async with busy.stream("GET", LIVE) as one, busy.stream("GET", LIVE) as other:
        assert (one.status_code, other.status_code) == (200, 200)
        async with busy.stream("GET", LIVE) as third:
            assert third.status_code == 200
        assert (await busy.get(HALL)).status_code == 200


async def test_a_host_that_queues_no_more_is_a_429_and_not_a_503(
    client: httpx.AsyncClient, gateway: ScriptedGateway
) -> None:
    gateway.replies = [CommandReply(status=ReplyStatus.OVERLOADED), DONE]
    refused = await change(client, "k1")
    assert (refused.status_code, refused.json()["code"]) == (429, "overloaded")
    assert refused.headers["retry-after"] == "2"
    assert (await change(client, "k1")).status_code == 201


async def test_strangers_who_dawdle_at_a_door_keep_nobody_else_out(
    busy: httpx.AsyncClient, gateway: ScriptedGateway
) -> None:
    done = asyncio.Event()
    begun: list[bool] = []

    async def dawdling() -> AsyncIterator[bytes]:
        begun.append(True)
        await done.wait()
        yield b"{}"

    async def knock() -> httpx.Response:
        sent = {"content-type": "application/json"}
        return await busy.post("/api/v1/enrolments", content=dawdling(), headers=sent)

    knocking = [asyncio.create_task(knock()) for _ in range(LIMITS.doors)]
    await eventually(lambda: len(begun) == LIMITS.doors)
    turned_away = await busy.post("/api/v1/enrolments", json={})
    assert turned_away.status_code == 429
    assert (await busy.get(HALL)).status_code == 200
    gateway.gate.set()
    assert (await change(busy, "k-known")).status_code == 201
    done.set()
    assert {answer.status_code for answer in await asyncio.gather(*knocking)} == {422}
