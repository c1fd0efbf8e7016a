"""What is written down, word for word: refusals, events and entries of some scenario rows.

``records/*.txt`` are read by people and compared here; ``CLUBCTL_WRITE_RECORDS=1`` writes them
again after a deliberate change, and the difference is reviewed like code.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from scenario_play import Play
from scenario_table import Row, read_tables

from billing_core.receipt import receipt_of

FOLDER = Path(__file__).parent / "records"
TOLD = frozenset({
    "m17", "l02", "l05", "l06", "l12", "l19", "l22", "w34", "w40", "w41", "w43", "d14", "x02",
    "x05", "r02", "r12", "z01", "z03", "z13", "f04", "f07", "f08", "p02", "p16", "p18", "p19",
    "h07", "h09", "o01", "z19", "z25", "z26", "x15", "w28", "f11", "p12", "p14", "w45", "w08",
    "x01", "z15", "f09", "x08", "x23", "x24", "x25", "x28", "x30", "p03",
    "m12", "m22", "m25", "m27", "m28", "m31", "m41", "d12", "d13", "d16", "z12", "z27", "z31",
    "p26", "p27", "m34", "d26",
})  # fmt: skip
"""Rows whose events and entries are kept in full."""


def number(row: Row) -> str:
    """The row's own number, without the edge cases it answers."""
    return row.number.split()[0]


def refusals(rows: list[Row]) -> list[str]:
    """Each refused row: code, field, message."""
    lines = []
    for row in rows:
        play = Play(row, eager=True)
        play.run()
        if play.refused is not None:
            refused = play.refused
            lines.append(f"{number(row)} {refused.code} {refused.field} | {refused.message}")
    return lines


def events(rows: list[Row]) -> list[str]:
    """Each event of the told rows, its payload by name."""
    lines = []
    for row in rows:
        if number(row) in TOLD:
            play = Play(row, eager=True)
            for event in play.run().events:
                said = " ".join(f"{name}={value}" for name, value in event.payload.items())
                lines.append(f"{number(row)} {event.seq} {event.kind} {event.at_ms} {said}")
    return lines


def entries(rows: list[Row]) -> list[str]:
    """Each transaction of the told rows; of a long run of steps the first and the last."""
    lines = []
    for row in rows:
        if number(row) in TOLD:
            play = Play(row, eager=True)
            ledger = list(play.run().ledger.values())
            steps = [one for one in ledger if one.step_index is not None]
            for one in ledger:
                if one.step_index is None or one in (steps[0], steps[-1]):
                    moved = " ".join(
                        f"{part.account}{part.amount_minor:+d}" for part in one.entries
                    )
                    where = f"{one.session_id} {one.segment_index} {one.step_index}"
                    lines.append(f"{number(row)} {one.id} {one.kind} {one.at_ms} {where} | {moved}")
    return lines


def receipts(rows: list[Row]) -> list[str]:
    """Each line of the told rows' receipts."""
    lines = []
    for row in rows:
        play = Play(row, eager=True)
        state = play.run().state if number(row) in TOLD else None
        if state is None or state.actual_end_at_ms is None:
            continue
        receipt = receipt_of(state, play.world.tariffs, timezone=row.grid.club.timezone)
        lines.append(
            f"{number(row)} {receipt.session_id} {receipt.club_id} {receipt.issued_at_ms} "
            f"{receipt.total_minor} {receipt.bonus_minor} {receipt.cash_minor} {receipt.currency}"
        )
        for part in receipt.segments:
            lines.append(
                f"{number(row)} {part.index} {part.tariff.id}/{part.tariff.version} "
                f"{part.tariff_name} {part.cause} {part.zone_id} {part.player_tariff_id} "
                f"{part.start_at_ms} {part.end_at_ms} "
                f"{part.amount_minor} {part.bonus_minor} {part.cash_minor}"
            )
            lines += [
                f"{number(row)} - {line.kind} {line.rule} v{line.tariff_version} "
                f"{line.from_at_ms} {line.until_at_ms} {line.steps} "
                f"{line.price_per_hour_minor} {line.amount_minor} | {line.explanation}"
                for line in part.lines
            ]
    return lines


@pytest.mark.parametrize(
    "record", [refusals, events, entries, receipts], ids=lambda one: one.__name__
)
def test_records_are_as_written(record: Callable[[list[Row]], list[str]]) -> None:
    """Word for word."""
    found = record(read_tables())
    path = FOLDER / f"{record.__name__}.txt"
    if os.environ.get("CLUBCTL_WRITE_RECORDS") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(found) + "\n")
    assert found == path.read_text().splitlines()
