"""A session is started while the store stands still: refused for now, and once in the end."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import orjson
import pytest
from clubs_under_test import CHAIN
from stack_under_test import Stack, running_stack, until

from actors.store import SESSION_KEY_PREFIX, ChainStream
from controller.verify import verify

pytestmark = [pytest.mark.integration, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]
PAID_MINOR = 100_00
STEP_MINOR = 2_00
PATIENCE_S = 90.0
START = {"pcId": "north-main-0", "tariffId": "standard", "playerId": "p0", "start": True}


@asynccontextmanager
async def standing_still(stack: Stack) -> AsyncIterator[None]:
    pid = stack.processes.valkey.child.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def charges(stack: Stack, session_id: str) -> list[int]:
    """The steps a session was billed."""
    entries = await stack.store.stream(CHAIN, ChainStream.LEDGER, count=10_000)
    found = [orjson.loads(entry.payload) for entry in entries]
    return [one["step_index"] for one in found if one["session_id"] == session_id]


async def test_a_start_while_the_store_is_frozen_is_one_session_when_it_is_asked_for_again(
    tmp_path: Path,
) -> None:
    async with running_stack(tmp_path / "state", fleet=False) as stack:
        await stack.post("/clubs/north/players/p0/wallet/top-ups", {"amountMinor": PAID_MINOR})
        start = partial(
            stack.client.post,
            "clubs/north/sessions",
            json=START,
            headers={"Idempotency-Key": "a-start"},
            timeout=PATIENCE_S,
        )
        async with standing_still(stack):
            refused = await start()
        assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE, refused.text
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert refused.headers["Retry-After"].isdecimal()
        assert refused.json()["code"] in {"busy", "store-unavailable"}
        answers: list[httpx.Response] = []

        async def started() -> bool:
            answers.append(await start())
            return answers[-1].status_code != httpx.codes.SERVICE_UNAVAILABLE

        await until(started, within_s=PATIENCE_S, what="the start")
        first, again = answers[-1], await start()
        assert first.is_success, first.text
        assert (again.status_code, again.json()) == (first.status_code, first.json())
        session_id = first.json()["sessionId"]
        image = await stack.store.image(CHAIN)
        kept = [one.key for one in image.entities if one.key.startswith(SESSION_KEY_PREFIX)]
        assert kept == [f"{SESSION_KEY_PREFIX}{session_id}"]
        await stack.end(session_id)
        steps = await charges(stack, session_id)
        assert steps == list(range(len(steps))) != []
        assert await stack.wallet("p0") == (PAID_MINOR - len(steps) * STEP_MINOR, 0)
        asked = [orjson.loads(one.payload) for one in await stack.store.audit(CHAIN, count=500)]
        assert [one["operation"] for one in asked].count("create_session") == 1
        assert (await verify(stack.store, None)).ok
