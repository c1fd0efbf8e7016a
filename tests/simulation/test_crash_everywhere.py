"""A host that dies before or after any write of a day leaves the books of an undisturbed day."""

from functools import cache

import pytest
from reference_day import DAY, CrashAt, Day, lived

from controller.simulation.swarm import CallFate
from schemas.commands import CreateSession

PARTS = 8


@cache
def undisturbed() -> Day:
    return lived(CrashAt(None, CallFate.SERVED))


def test_the_reference_day_holds_every_session_operation_and_all_succeed() -> None:
    day = undisturbed()
    assert day.violations == []
    assert {status for status, _ in day.answers} == {"ok"}
    kinds = {type(deed).__name__ for deed in DAY if not isinstance(deed, int)}
    assert len(kinds) == 7
    created = {deed.session_id for deed in DAY if isinstance(deed, CreateSession)}
    assert set(day.closed) == created
    assert day.calls.count("commit") > 30


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("fate", [CallFate.CRASH_BEFORE, CallFate.CRASH_AFTER])
def test_a_crash_at_any_call_changes_nothing_in_the_books(fate: CallFate, part: int) -> None:
    whole = undisturbed()
    for number in range(part, len(whole.calls), PARTS):
        crashed = lived(CrashAt(number, fate))
        where = f"{fate} {whole.calls[number]} ({number} of {len(whole.calls)})"
        assert crashed.violations == [], where
        assert crashed.answers == whole.answers, where
        assert crashed.ledger == whole.ledger, where
        assert crashed.closed == whole.closed, where
        assert crashed.balances == whole.balances, where
        assert crashed.events == whole.events, where
