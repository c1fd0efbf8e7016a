"""Whatever fails is tried again, of every kind; what keeps failing costs no time of the host's."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from clubs_under_test import CHAIN, seed
from shard_under_test import ShardUnderTest
from stored_shapes import GOLDEN

from actors.alerts import tell_of_link
from actors.club_events import club_key
from actors.outages import OutageDesk
from actors.quarantine import FAILURES_MAX, PARKED_RETRY_MS
from actors.store import StoredEntity
from actors.store_memory import MemoryStore
from actors.turn import LinkEvent, LinkInput


def failing(real: Callable[..., Any], times: int) -> tuple[Callable[..., Any], list[int]]:
    """The same, but it raises so many times first; how often it was asked."""
    asked: list[int] = []

    def called(*args: object, **named: object) -> object:
        asked.append(1)
        if len(asked) <= times:
            raise ArithmeticError("a defect")
        return real(*args, **named)

    return called, asked


async def opened() -> ShardUnderTest:
    store = MemoryStore()
    await seed(store, club_terms={"outages": "PROPOSE"})
    return await ShardUnderTest(store).take()


async def passes(rig: ShardUnderTest, seconds: int) -> None:
    for _ in range(seconds):
        rig.clock.advance(1_000)
        await rig.turn()


async def with_an_open_end(rig: ShardUnderTest) -> str:
    """A session that has ended while its PC was silent, a day ago."""
    document = json.loads((GOLDEN / "ended.v1.json").read_text())
    key = f"ended:{document['state']['session_id']}"
    shard = rig.store._server.chain(CHAIN).shards[rig.runtime.ownership.shard.number]
    document["wait_until_ms"] = rig.now.wall_ms + 5_000
    shard[key] = StoredEntity(key, 1, json.dumps(document).encode())
    await rig.take("h2")
    return key


@pytest.mark.parametrize("times", [2, FAILURES_MAX + 1])
async def test_an_end_that_could_not_be_settled_is_tried_again(
    times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = await opened()
    key = await with_an_open_end(rig)
    called, asked = failing(OutageDesk.give_up_waiting, times)
    monkeypatch.setattr(OutageDesk, "give_up_waiting", called)
    await passes(rig, 60)
    assert (key in rig.runtime.quarantine.parked) is (times > FAILURES_MAX)
    assert len(asked) == min(times + 1, FAILURES_MAX)
    rig.clock.advance(2 * PARKED_RETRY_MS)
    await passes(rig, 2)
    rig.clock.advance(2 * PARKED_RETRY_MS)
    await passes(rig, 2)
    assert len(asked) == times + 1
    assert rig.runtime.quarantine.parked == {}
    left = rig.runtime.memory.entities.get(key)
    assert left is None or getattr(left.state, "wait_until_ms", 0) is None


async def test_a_clubs_incident_that_could_not_be_told_is_told_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = await opened()
    await rig.beat()
    called, _ = failing(tell_of_link, 2)
    monkeypatch.setattr("actors.turn_steps.tell_of_link", called)
    await rig.turn(LinkInput(LinkEvent.LOST))
    await passes(rig, 20)
    told = rig.runtime.memory.entities[club_key("north")].state
    assert getattr(told, "down_since_ms", None) is not None


async def test_what_keeps_failing_keeps_no_host_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = await opened()
    await with_an_open_end(rig)
    called, asked = failing(OutageDesk.give_up_waiting, 10**6)
    monkeypatch.setattr(OutageDesk, "give_up_waiting", called)
    await passes(rig, 1_200)
    assert FAILURES_MAX < len(asked) <= FAILURES_MAX + 1_200_000 // PARKED_RETRY_MS
