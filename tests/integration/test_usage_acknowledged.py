"""Real agents over a real broker: their usage is made durable, acknowledged, and not sent again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from api_under_test import CHAIN, CLUB, KEY
from brokers_under_test import Listener, MosquittoUnderTest, eventually
from whole_club import WholeClub, whole_club

from actors.store import ChainStream
from schemas.codec import decode
from schemas.device import UsageAck, UsageBatch
from schemas.events import published
from schemas.topics import club_up_filter, parse_pc_topic, pc_down_filter

pytestmark = pytest.mark.integration

PC = "pc-1"
NAME = f"{CLUB}/{PC}"


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MosquittoUnderTest]:
    under_test = MosquittoUnderTest(tmp_path)
    await under_test.start()
    yield under_test
    await under_test.aclose()


class Front:
    """The desk: commands over HTTP, each with a key of its own."""

    def __init__(self, club: WholeClub) -> None:
        transport = httpx.ASGITransport(app=club.app)
        headers = {"Authorization": f"Bearer {KEY}"}
        self._client = httpx.AsyncClient(
            transport=transport, base_url="http://club/api/v1", headers=headers
        )
        self._number = 0

    async def post(self, path: str, body: dict[str, object] | None = None) -> dict[str, Any]:
        self._number += 1
        headers = {"Idempotency-Key": f"front-{self._number}"}
        response = await self._client.post(path, json=body, headers=headers)
        assert response.is_success, response.text
        decoded: dict[str, Any] = response.json()
        return decoded

    async def play(self) -> str:
        session = await self.post(
            f"/clubs/{CLUB}/sessions",
            {"pcId": PC, "tariffId": "minute", "playerId": "anna", "start": True},
        )
        session_id: str = session["sessionId"]
        return session_id


def sent(heard: Listener, kind: type[UsageBatch | UsageAck]) -> list[UsageBatch | UsageAck]:
    found = []
    for topic, payload, _ in heard.messages:
        address = parse_pc_topic(topic)
        assert address is not None
        message = decode(address.leaf, payload)
        if isinstance(message, kind):
            found.append(message)
    return found


async def usage_events(club: WholeClub) -> list[dict[str, Any]]:
    entries = await club.store.stream(CHAIN, ChainStream.OUTBOX)
    messages = [published(orjson.loads(entry.payload)) for entry in entries]
    return [message["data"] for message in messages if message["type"] == "pc_usage"]


async def test_each_record_is_told_once_and_forgotten_by_its_pc(
    broker: MosquittoUnderTest,
) -> None:
    _, heard = await broker.up("watch", club_up_filter(CLUB), pc_down_filter(CLUB, PC))
    url = f"mqtt://127.0.0.1:{broker.port}"
    async with whole_club(mqtt_url=url, heartbeat_s=0.1) as club:
        front = Front(club)
        await front.post(f"/clubs/{CLUB}/players/anna/wallet/top-ups", {"amountMinor": 90_000})
        sessions = []
        for _ in range(2):
            sessions.append(await front.play())
            await eventually(lambda: club.fleet.counts().unlocked == 1)
            await front.post(f"/sessions/{sessions[-1]}/end")
            await eventually(lambda: club.fleet.counts().unlocked == 0)
        # One for the start of the PC, one for each stretch.
        await eventually(lambda: len(sent(heard, UsageAck)) == 3)
        batches = len(sent(heard, UsageBatch))
        # Long enough for an agent that was not answered to offer its records again.
        await asyncio.sleep(3)
        assert len(sent(heard, UsageBatch)) == batches
        told = await usage_events(club)
        assert [one["sessionId"] for one in told] == sessions
        assert told[1]["recordSequence"] == told[0]["recordSequence"] + 1
        state = club.fleet.state_of(NAME)
        assert state is not None
        assert state.usage.entries == ()


async def test_what_a_pc_did_alone_is_told_when_it_is_heard_again(
    broker: MosquittoUnderTest,
) -> None:
    url = f"mqtt://127.0.0.1:{broker.port}"
    async with whole_club(mqtt_url=url, heartbeat_s=0.1) as club:
        front = Front(club)
        await front.post(f"/clubs/{CLUB}/players/anna/wallet/top-ups", {"amountMinor": 90_000})
        session_id = await front.play()
        await eventually(lambda: club.fleet.counts().unlocked == 1)
        await club.fleet.cut(NAME)
        await club.fleet.boot(NAME)

        def forgotten() -> bool:
            state = club.fleet.state_of(NAME)
            return state is not None and state.usage.entries == ()

        await eventually(forgotten)
        (told,) = await usage_events(club)
        assert (told["sessionId"], told["end"]) == (session_id, "INTERRUPTED")
