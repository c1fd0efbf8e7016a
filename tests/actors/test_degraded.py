"""A PC that answers and is not whole: marked in the hall, told of once, and so is its recovery."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from clubs_under_test import CHAIN, seed
from shard_under_test import ShardUnderTest

from actors.evidence import ClockTie
from actors.pc_actor import BEHIND_AFTER_MS, CLONED_FOR_MS
from actors.store import ChainStream
from actors.store_memory import MemoryStore
from actors.turn import AppliedTarget, PcInput
from schemas.device import AgentFault

PC = "north-main-0"
ALL = (PC, "north-main-1", "north-vip-0", "north-vip-1")


@pytest.fixture
async def shard() -> ShardUnderTest:
    store = MemoryStore()
    await seed(store)
    rig = await ShardUnderTest(store).take()
    await rig.beat()
    return rig


async def say(shard: ShardUnderTest, **said: Any) -> None:
    """The PC beats and says more; the others beat too."""
    words: list[PcInput] = [shard.heard(pc_id) for pc_id in ALL if pc_id != PC]
    await shard.turn(*words, replace(shard.heard(PC), **said))


async def mark(shard: ShardUnderTest) -> str | None:
    _, tiles = await shard.store.hall(CHAIN, "north")
    found: str | None = orjson.loads(tiles[PC])["degraded"]
    return found


async def told(shard: ShardUnderTest) -> list[tuple[str, str | None]]:
    entries = await shard.store.stream(CHAIN, ChainStream.OUTBOX)
    events = [orjson.loads(entry.payload)["event"] for entry in entries]
    return [
        (event["kind"], event["payload"].get("reasons"))
        for event in events
        if event["kind"] in ("pc_degraded", "pc_whole")
    ]


async def test_a_dead_screen_is_marked_and_told_once_and_so_is_its_return(
    shard: ShardUnderTest,
) -> None:
    for _ in range(3):
        await say(shard, ui_ok=False)
    assert await mark(shard) == "locker-failed"
    await say(shard, ui_ok=True)
    assert await mark(shard) is None
    assert await told(shard) == [("pc_degraded", "locker-failed"), ("pc_whole", None)]


async def test_what_a_pc_refuses_is_marked_until_it_says_otherwise(shard: ShardUnderTest) -> None:
    await say(shard, faults=(AgentFault.LEASE_FORGED, AgentFault.JOURNAL_FAILED))
    await say(shard, ui_ok=True)
    assert await mark(shard) == "journal-failed,lease-forged"
    # Its time is over: that is how it should be.
    await say(shard, faults=(AgentFault.LEASE_ENDED,))
    assert await mark(shard) is None


async def test_the_mark_outlives_the_host_that_made_it(shard: ShardUnderTest) -> None:
    await say(shard, ui_ok=False)
    await shard.take("h1")
    await say(shard)
    assert await mark(shard) == "locker-failed"
    await say(shard, ui_ok=True)
    assert await told(shard) == [("pc_degraded", "locker-failed"), ("pc_whole", None)]


async def test_a_pc_that_does_not_apply_what_it_is_sent_is_behind(shard: ShardUnderTest) -> None:
    stale = AppliedTarget((0, 0), locked=True)
    await say(shard, applied=stale)
    shard.clock.advance(BEHIND_AFTER_MS)
    await say(shard, applied=stale)
    assert await mark(shard) is None
    shard.clock.advance(1_000)
    await say(shard, applied=stale)
    assert await mark(shard) == "behind"
    await say(shard)
    assert await mark(shard) is None


async def test_a_boot_that_comes_back_after_another_is_a_second_machine(
    shard: ShardUnderTest,
) -> None:
    for boot_id in ("b1", "b2", "b3"):
        await say(shard, tie=ClockTie(boot_id, 0))
    assert await mark(shard) is None
    await say(shard, tie=ClockTie("b2", 0))
    assert await mark(shard) == "cloned"
    shard.clock.advance(CLONED_FOR_MS)
    await say(shard, tie=ClockTie("b2", 0))
    assert await mark(shard) is None
