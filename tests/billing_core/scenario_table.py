"""Scenario tables: rows of ``no | tariff | wallet | what happens | what is expected``.

What happens is a list of steps separated by ``;``, each ``<time> <verb> ...``; a time is
``YYYY-MM-DD HH:MM[:SS]``, a wall time after the step before (``18:05``), or ``+`` an offset from
the step before (``+90m``, ``+30s``, ``+2h``, ``+5d``). Lines ``club: {...}``, ``zone: {...}``
hold for the rows below them. ``#`` begins a comment.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from billing_core.grid import TariffGrid, grid_from_plain

FOLDER = Path(__file__).parent / "scenarios"
_OFFSET = re.compile(r"\+(\d+)(ms|s|m|h|d)")
_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


@dataclass(frozen=True)
class Row:
    """One scenario."""

    file: str
    line: int
    number: str
    tariff_id: str
    wallet: str
    steps: tuple[str, ...]
    expected: tuple[str, ...]
    grid: TariffGrid

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.number}"


def read_tables() -> list[Row]:
    """All rows of all tables."""
    plain = tomllib.loads((FOLDER / "grid.toml").read_text())
    return [row for path in sorted(FOLDER.glob("*.txt")) for row in _rows(path, plain)]


def _rows(path: Path, plain: dict[str, object]) -> Iterator[Row]:
    grid = grid_from_plain(plain)
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if text.startswith(("club:", "zone:")):
            grid = _directed(grid, plain, text)
            continue
        cells = [cell.strip() for cell in text.split("|")]
        assert len(cells) == 5, f"{path.name}:{number} has {len(cells)} cells"
        yield Row(
            file=path.stem,
            line=number,
            number=cells[0],
            tariff_id=cells[1],
            wallet=cells[2],
            steps=tuple(step.strip() for step in cells[3].split(";")),
            expected=tuple(item.strip() for item in cells[4].split(";")),
            grid=grid,
        )


def _directed(grid: TariffGrid, plain: dict[str, object], text: str) -> TariffGrid:
    """The grid with another club, or one zone more; ``club: {}`` is the usual club again."""
    word, _, table = text.partition(":")
    value = tomllib.loads(f"x = {table}")["x"]
    if word == "zone":
        zones = [*(plain.get("zones") or []), value]  # type: ignore[misc]
        return replace(grid, zones=grid_from_plain({**plain, "zones": zones}).zones)
    club = {key: item for key, item in value.items() if key != "timezone"}
    timezone = value.get("timezone", plain["timezone"])
    changed = grid_from_plain({**plain, "timezone": timezone, "club": club})
    return replace(changed, zones=grid.zones)


class Calendar:
    """Reads the times of a row, each after the one before."""

    def __init__(self, timezone: str) -> None:
        self.zone = ZoneInfo(timezone)
        self.now_ms = 0

    def read(self, text: str) -> tuple[int, str]:
        """(instant, the rest of the step); a step without a time happens at once."""
        words = text.split()
        if match := _OFFSET.fullmatch(words[0]):
            self.now_ms += int(match[1]) * _UNITS_MS[match[2]]
            return self.now_ms, " ".join(words[1:])
        if re.fullmatch(r"\d{4}-\d\d-\d\d", words[0]):
            self.now_ms = self.wall_ms(f"{words[0]} {words[1]}")
            return self.now_ms, " ".join(words[2:])
        if re.fullmatch(r"\d\d:\d\d(:\d\d)?", words[0]):
            self.now_ms = self.next_ms(words[0])
            return self.now_ms, " ".join(words[1:])
        return self.now_ms, text

    def wall_ms(self, text: str) -> int:
        """A date and a wall time."""
        instant = datetime.fromisoformat(text).replace(tzinfo=self.zone)
        return int(instant.timestamp() * 1_000)

    def last_ms(self, clock: str) -> int:
        """The last time the wall clock showed this, now included."""
        before = Calendar(str(self.zone))
        before.now_ms = self.now_ms - 24 * 3_600_000 + 1
        return before.next_ms(clock)

    def next_ms(self, clock: str) -> int:
        """The next time the wall clock shows this, now included."""
        local = datetime.fromtimestamp(self.now_ms / 1_000, self.zone)
        parts = [int(part) for part in clock.split(":")]
        wall = local.replace(
            hour=parts[0], minute=parts[1], second=parts[2] if parts[2:] else 0, microsecond=0
        )
        at_ms = int(wall.timestamp() * 1_000)
        if at_ms < self.now_ms:
            at_ms = int((wall + timedelta(days=1)).timestamp() * 1_000)
        return at_ms
