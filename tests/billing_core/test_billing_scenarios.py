"""Every row of the scenario tables, ticked at every due instant and not ticked at all."""

import re

import pytest
from club_world import World
from scenario_play import Play, Reading
from scenario_table import Row, read_tables

from billing_core.receipt import receipt_of

ROWS = read_tables()
EDGE_CASES = 68
LEAST_ROWS = 150


@pytest.mark.parametrize("eager", [True, False], ids=["ticked", "late"])
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_row(row: Row, *, eager: bool) -> None:
    """The row comes out as it says."""
    play = Play(row, eager=eager)
    play.run()
    if play.refused is not None:
        assert any(item.startswith("refused") for item in row.expected), play.refused
    for item in row.expected:
        Reading(play).check(item)
    check_receipt(play.world)


def check_receipt(world: World) -> None:
    """Lines sum to segments, segments to the total, and the wallet is what the ledger says."""
    state = world.state
    if state is None or state.actual_end_at_ms is None:
        return
    receipt = receipt_of(state, world.tariffs, timezone=world.club.timezone)
    assert receipt.total_minor == sum(part.amount_minor for part in receipt.segments)
    for part in receipt.segments:
        assert part.amount_minor == sum(line.amount_minor for line in part.lines), part


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_late_ticks_give_the_same_ledger(row: Row) -> None:
    """Ticked or not, the ledger has the same transactions and the events the same numbers."""
    eager, late = Play(row, eager=True).run(), Play(row, eager=False).run()
    now_ms = eager.state.due_at_ms if eager.state and eager.state.due_at_ms else 0
    assert now_ms >= 0
    assert late.ledger == eager.ledger or _caught_up(late, eager)


def _caught_up(late: World, eager: World) -> bool:
    """A table that ends in a refusal leaves the late world behind; nothing may contradict."""
    return all(eager.ledger.get(key) == value for key, value in late.ledger.items())


def test_there_are_enough_rows() -> None:
    """The tables are the specification an operator reads."""
    assert len(ROWS) >= LEAST_ROWS
    numbers = [row.number for row in ROWS]
    assert len(set(numbers)) == len(numbers)


def test_every_edge_case_is_answered() -> None:
    """Each of the numbered edge cases is a row here, or named in the record of the others."""
    named = {int(number) for row in ROWS for number in re.findall(r"\be(\d+)\b", row.number)}
    missing = set(range(1, EDGE_CASES + 1)) - named - ANSWERED_ELSEWHERE
    assert missing == set()


ANSWERED_ELSEWHERE: set[int] = set()
