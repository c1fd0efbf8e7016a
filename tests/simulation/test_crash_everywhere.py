"""A host that dies before or after any write of a day leaves the books of an undisturbed day."""

from functools import cache
from typing import get_args

import pytest
from reference_day import DAYS, CrashAt, Day, lived

from controller.simulation.swarm import CallFate
from schemas.commands import Command, CommandPc, CreateSession, ResolveOutage

PARTS = 8
ELSEWHERE = {CommandPc, ResolveOutage}
"""An order to a PC is lost with its host by design; an outage needs a PC that was silent."""


@cache
def undisturbed(name: str) -> Day:
    return lived(DAYS[name], CrashAt(None, CallFate.SERVED))


@pytest.mark.parametrize("name", DAYS)
def test_everything_that_is_asked_of_a_reference_day_succeeds(name: str) -> None:
    day = undisturbed(name)
    assert day.violations == []
    assert {answer for answer in day.answers if answer[0] != "ok"} == set()
    created = {deed.session_id for deed in DAYS[name].deeds if isinstance(deed, CreateSession)}
    assert set(day.closed) == created
    assert day.calls.count("commit") > 30


def test_the_reference_days_hold_every_operation_on_sessions_orders_and_seats() -> None:
    union, _discriminator = get_args(Command)
    asked = {type(deed) for plan in DAYS.values() for deed in plan.deeds} - {int}
    assert asked | ELSEWHERE == set(get_args(union))


def test_the_reference_days_hold_what_time_does_too() -> None:
    ended = {closed["state"]["ended_reason"] for closed in undisturbed("selling").closed.values()}
    assert "NoShow" in ended
    causes = [
        segment["cause"]
        for closed in undisturbed("selling").closed.values()
        for segment in closed["state"]["segments"]
    ]
    assert "renewal" in causes


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("fate", [CallFate.CRASH_BEFORE, CallFate.CRASH_AFTER])
@pytest.mark.parametrize("name", DAYS)
def test_a_crash_at_any_call_changes_nothing_in_the_books(
    name: str, fate: CallFate, part: int
) -> None:
    whole = undisturbed(name)
    for number in range(part, len(whole.calls), PARTS):
        crashed = lived(DAYS[name], CrashAt(number, fate))
        where = f"{fate} {whole.calls[number]} ({number} of {len(whole.calls)})"
        assert crashed.violations == [], where
        assert crashed.answers == whole.answers, where
        assert crashed.ledger == whole.ledger, where
        assert crashed.closed == whole.closed, where
        assert crashed.balances == whole.balances, where
        assert crashed.events == whole.events, where
