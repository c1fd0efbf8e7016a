"""What a CRM is shown of a session: what is planned of it beside what has happened."""

from typing import Any

import pytest
from shard_under_test import MINUTE_MS, START_AT_MS, ShardUnderTest, opened_club

from schemas.commands import (
    CancelSession,
    CreateSession,
    EndSession,
    ExtendSession,
    StartSession,
    SwitchSessionDevice,
)

PC = "north-main-0"
HOUR_MS = 60 * MINUTE_MS


@pytest.fixture
async def shard() -> ShardUnderTest:
    return await opened_club(ann_minor=1_000_00)


async def shown(shard: ShardUnderTest, command: Any) -> dict[str, Any]:
    reply = await shard.command(command)
    assert reply.code is None, reply
    session: dict[str, Any] = reply.result["session"]  # type: ignore[index, assignment]
    return session


def instants(segment: dict[str, Any]) -> list[int | None]:
    """Planned start and end, actual start and end, in minutes of the day."""
    names = ("planned_start", "planned_end", "actual_start", "actual_end")
    found = [segment[f"{name}_at_ms"] for name in names]
    return [None if ms is None else (ms - START_AT_MS) // MINUTE_MS for ms in found]


def seat(tariff_id: str, **more: object) -> CreateSession:
    fields = {"session_id": "s1", "pc_id": PC, "player_id": "ann", "tariff_id": tariff_id}
    return CreateSession.model_validate(fields | more)


async def test_a_booking_shows_its_tariff_and_when_it_is_for(shard: ShardUnderTest) -> None:
    planned = {
        "planned_start_at_ms": START_AT_MS + HOUR_MS,
        "planned_end_at_ms": START_AT_MS + 2 * HOUR_MS,
    }
    booked = await shown(shard, seat("standard", start=False, **planned))
    (segment,) = booked["segments"]
    assert (segment["index"], segment["tariff_name"]) == (0, "Standard")
    assert instants(segment) == [60, 120, None, None]
    assert segment["amount_minor"] == 0
    assert booked["devices"] == []
    started = await shown(shard, StartSession(session_id="s1"))
    (segment,) = started["segments"]
    assert instants(segment)[0] == 60, "what was planned stays beside what happened"
    assert instants(segment)[2:] == [0, None]


async def test_a_cancelled_booking_shows_what_it_was_for(shard: ShardUnderTest) -> None:
    await shown(shard, seat("standard", start=False, planned_start_at_ms=START_AT_MS + HOUR_MS))
    cancelled = await shown(shard, CancelSession(session_id="s1"))
    assert [instants(one) for one in cancelled["segments"]] == [[60, None, None, None]]


async def test_what_an_extension_added_is_shown_before_its_turn(shard: ShardUnderTest) -> None:
    playing = await shown(shard, seat("block", start=True))
    assert [instants(one) for one in playing["segments"]] == [[0, 120, 0, None]]
    extended = await shown(shard, ExtendSession(session_id="s1", tariff_id="block"))
    first, second = extended["segments"]
    assert [instants(one) for one in (first, second)] == [
        [0, 120, 0, None],
        [120, 240, None, None],
    ]
    assert (second["index"], second["amount_minor"]) == (1, 0)
    assert second["player_tariff_id"] not in (None, first["player_tariff_id"])
    await shard.wait(minutes=121)
    ended = await shown(shard, EndSession(session_id="s1"))
    assert [instants(one)[2:] for one in ended["segments"]] == [[0, 120], [120, 121]]


async def test_a_change_of_pc_has_actual_ends(shard: ShardUnderTest) -> None:
    await shown(shard, seat("standard", start=True))
    await shard.wait(minutes=5)
    moved = await shown(shard, SwitchSessionDevice(session_id="s1", pc_id="north-main-1"))
    times = [(one["actual_start_at_ms"], one["actual_end_at_ms"]) for one in moved["devices"]]
    assert times == [
        (START_AT_MS, START_AT_MS + 5 * MINUTE_MS),
        (START_AT_MS + 5 * MINUTE_MS, None),
    ]
