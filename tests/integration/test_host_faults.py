"""Hosts that die, freeze and come back: real processes, real store, real broker."""

import asyncio
import signal
from collections.abc import AsyncIterator

import orjson
import pytest
import pytest_asyncio
from clubs_under_test import CHAIN
from stack_under_test import Stack, running_stack, send_signal, until

from actors.store import ChainStream
from controller.verify import verify

pytestmark = [
    pytest.mark.faults,
    pytest.mark.integration,
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
]
SPEED = 30.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with running_stack(tmp_path_factory.mktemp("stack") / "state", speed=SPEED) as running:
        yield running


async def steps_of(stack: Stack, session_id: str) -> list[int]:
    entries = await stack.store.stream(CHAIN, ChainStream.LEDGER, count=10_000)
    rows = [orjson.loads(entry.payload) for entry in entries]
    return [row["step_index"] for row in rows if row["session_id"] == session_id]


async def test_a_killed_host_loses_no_minute_and_doubles_none(stack: Stack) -> None:
    session_id = await stack.play("p0", "north-main-0")
    for _ in range(3):
        before = len(await steps_of(stack, session_id))
        send_signal(await stack.owner_of("north"), signal.SIGKILL)

        async def ticks_again(seen: int = before) -> bool:
            return len(await steps_of(stack, session_id)) > seen

        await until(ticks_again, within_s=20, what="the next tick")
        await asyncio.sleep(2)
    reply = await stack.end(session_id)
    steps = await steps_of(stack, session_id)
    assert steps == list(range(len(steps)))
    assert reply["receipt"]["total"]["amountMinor"] == len(steps) * 2_00
    assert await stack.wallet("p0") == (5_000_00 - len(steps) * 2_00, 0)
    assert (await verify(stack.store, None)).ok


async def test_a_frozen_host_writes_nothing_once_its_shards_are_taken(stack: Stack) -> None:
    session_id = await stack.play("p1", "north-main-0")
    frozen = await stack.owner_of("north")
    send_signal(frozen, signal.SIGSTOP)

    async def taken_over() -> bool:
        owners = await stack.store.owners(list(await stack.store.assignments()))
        return all(owner.host != frozen.name for owner in owners.values())

    try:
        await until(taken_over, within_s=30, what="the takeover")
        await stack.end(session_id)
        ledger = await stack.store.stream(CHAIN, ChainStream.LEDGER, count=10_000)
        closed = await stack.store.session(CHAIN, session_id)
    finally:
        send_signal(frozen, signal.SIGCONT)

    async def back() -> bool:
        record = await stack.host(frozen.name)
        return record is not None

    await until(back, within_s=30, what="the frozen host's return")
    await asyncio.sleep(3)
    assert await stack.store.session(CHAIN, session_id) == closed
    assert await stack.store.stream(CHAIN, ChainStream.LEDGER, count=10_000) == ledger
    assert (await stack.tile("north", "north-main-0"))["use"] == "FREE"
    assert (await stack.tile("north", "north-main-0"))["locked"] is True
    assert (await verify(stack.store, None)).ok
