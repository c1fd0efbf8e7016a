"""Every row of the scenario tables, ticked at every due instant and not ticked at all."""

import re
from pathlib import Path

import pytest
from club_world import World
from scenario_play import Play, Reading
from scenario_table import Row, read_tables

from billing_core.receipt import receipt_of

ROWS = read_tables()
EDGE_CASES = 70
ROOT = Path(__file__).parents[2]
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
    if late.ledger != eager.ledger:
        # A row that ends in a refusal leaves the late world behind; a tick catches it up.
        last_ms = max(transaction.at_ms for transaction in eager.ledger.values()) + 1
        late.tick(last_ms)
    assert late.ledger == eager.ledger


def test_there_are_enough_rows() -> None:
    """The tables are the specification an operator reads."""
    assert len(ROWS) >= LEAST_ROWS
    numbers = [row.number for row in ROWS]
    assert len(set(numbers)) == len(numbers)


def test_every_edge_case_is_answered() -> None:
    """Each numbered edge case has an answer, and rows or a file of tests that exist."""
    rows: dict[int, list[str]] = {}
    for row in ROWS:
        for number in re.findall(r"\be(\d+)\b", row.number):
            rows.setdefault(int(number), []).append(row.number.split()[0])
    answered = {}
    for line in (ROOT / "docs" / "billing-edge-cases.md").read_text().splitlines():
        if match := re.fullmatch(r"\| (\d+) \| (.+) \| (.+) \|", line):
            answered[int(match[1])] = match[3].split(", ")
    assert set(answered) == set(range(1, EDGE_CASES + 1))
    for number, shown in answered.items():
        files = [item.strip("`") for item in shown if item.startswith("`")]
        assert [item for item in shown if not item.startswith("`")] == rows.get(number, [])
        assert all((ROOT / name).is_file() for name in files)
