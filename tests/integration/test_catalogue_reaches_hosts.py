"""Edits over the API on a real store: a working host obeys within a second, and what runs keeps
its version."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from api_under_test import CHAIN, CLUB, KEY, serving
from editors_under_test import Editor, code_of
from stores_under_test import running_server
from whole_club import whole_club

from actors.store_redis import RedisStore
from controller.api.instants import parse_instant
from schemas.catalogue import PcAdministrativeState, PcDocument

pytestmark = [pytest.mark.integration]

WITHIN_S: Final = 1.0
SESSIONS: Final = f"/clubs/{CLUB}/sessions"


@pytest.fixture
async def editor(tmp_path: Path) -> AsyncIterator[Editor]:
    """The seeded club at work on Valkey: host, PCs, API."""
    with running_server(tmp_path) as server:
        store = RedisStore.open(server.url)
        try:
            async with (
                whole_club(store=store) as club,
                serving(club.app) as address,
                httpx.AsyncClient(base_url=address, trust_env=False, timeout=20) as client,
            ):
                client.headers["Authorization"] = f"Bearer {KEY}"
                made = Editor(client, store)
                await made.made(
                    f"/clubs/{CLUB}/players/anna/wallet/top-ups", {"amountMinor": 900_000}
                )
                yield made
        finally:
            await store.close()


async def soon(check: Callable[[], Awaitable[bool]]) -> None:
    """Wait for it as long as the promise says, on the machine's clock."""
    until_s = time.monotonic() + WITHIN_S
    while not await check():
        assert time.monotonic() < until_s, "not within a second"
        await asyncio.sleep(0.02)


async def play(editor: Editor, pc_id: str, **changes: object) -> dict[str, Any]:
    body = {"pcId": pc_id, "playerId": "anna", "tariffId": "minute", "start": True}
    return await editor.made(SESSIONS, body | changes)


async def tile(editor: Editor, pc_id: str) -> dict[str, Any]:
    hall = await editor.read(f"/clubs/{CLUB}/hall")
    return next(one for one in hall["tiles"] if one["pcId"] == pc_id)


async def test_an_edited_player_is_seen_by_the_host_that_runs_the_session(editor: Editor) -> None:
    await play(editor, "pc-1")
    await editor.edit("/players/anna", {"label": "Anna the Second"})

    async def is_shown() -> bool:
        return (await tile(editor, "pc-1"))["playerLabel"] == "Anna the Second"

    await soon(is_shown)


async def test_a_published_version_is_for_who_comes_next(editor: Editor) -> None:
    await editor.edit(f"/clubs/{CLUB}/settings", {"allowsParallelSessions": True})
    running = await play(editor, "pc-1")
    draft = await editor.read("/tariffs/minute/draft")
    content = draft["content"] | {"prices": [{"name": "dear", "pricePerHourMinor": 600_000}]}
    put = await editor.ask("PUT", "/tariffs/minute/draft", {"content": content}, etag=draft["etag"])
    done = await editor.ask("POST", "/tariffs/minute/publish", etag=put.json()["etag"])
    assert done.json()["version"] == 2

    async def is_sold() -> bool:
        probe = {"pcId": "pc-2", "playerId": "anna", "tariffId": "minute"}
        made = await editor.made(SESSIONS, probe)
        started = await editor.ask("POST", f"/sessions/{made['sessionId']}/start")
        version: int = started.json()["segments"][0]["tariffVersion"]
        await editor.ask("POST", f"/sessions/{made['sessionId']}/end")
        return version == 2

    await soon(is_sold)
    ended = await editor.ask("POST", f"/sessions/{running['sessionId']}/end")
    assert [one["tariffVersion"] for one in ended.json()["segments"]] == [1]
    assert ended.json()["amount"]["amountMinor"] == 200


async def test_a_pc_somebody_plays_on_is_not_retired_and_a_race_ends_the_session(
    editor: Editor,
) -> None:
    session = await play(editor, "pc-1")
    refused = await editor.ask(
        "PATCH", f"/clubs/{CLUB}/pcs/pc-1", {"administrativeState": "RETIRED"}, etag="*"
    )
    assert code_of(refused) == (409, "pc-in-use")
    retired = PcDocument(
        pc_id="pc-1",
        club_id=CLUB,
        zone_id="std",
        name="PC 01",
        state=PcAdministrativeState.RETIRED,
    )
    await editor.store.put(CHAIN, {"pc:pc-1": retired.model_dump_json().encode()})

    async def is_over() -> bool:
        found = await editor.read(f"/sessions/{session['sessionId']}")
        return (found["status"], found["endedReason"]) == ("ENDED", "DeviceRetired")

    await soon(is_over)
    body = {"pcId": "pc-1", "playerId": "anna", "tariffId": "minute", "start": True}
    assert code_of(await editor.ask("POST", SESSIONS, body)) == (409, "pc-retired")


async def test_a_club_that_closes_earlier_shortens_what_is_covered(editor: Editor) -> None:
    """Down to the minute that has begun, which is paid for."""
    session = await play(editor, "pc-1")
    assert session["coverageCause"] == "BALANCE"
    closed = {"windows": ["2020-01-01..2020-01-02"]}
    await editor.edit(f"/clubs/{CLUB}/settings", {"opening": closed})

    async def is_short() -> bool:
        found = await editor.read(f"/sessions/{session['sessionId']}")
        covered_ms = parse_instant(found["coverageUntilAt"])
        began_ms = parse_instant(found["actualStartAt"])
        return found["coverageCause"] == "CLUB_CLOSING" and covered_ms - began_ms <= 60_000

    await soon(is_short)


async def test_a_new_pc_takes_a_session_at_once(editor: Editor) -> None:
    await editor.made(f"/clubs/{CLUB}/pcs", {"pcId": "pc-9", "zoneId": "vip", "name": "09"})

    async def is_known() -> bool:
        body = {"pcId": "pc-9", "playerId": "anna", "tariffId": "minute"}
        return (await editor.ask("POST", SESSIONS, body)).status_code == 201

    await soon(is_known)
    assert (await tile(editor, "pc-9"))["zoneName"] == "VIP"
