"""docs/limits.md names bounds that exist, at the values they have."""

import importlib
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "limits.md"
ROW = re.compile(r"^\| [^|]+ \| `([a-z_.]+)\.([A-Z_]+)` \| (\d+) \| [^|]+ \|$", re.MULTILINE)
ROWS = ROW.findall(PAGE.read_text())


@pytest.mark.parametrize(("module", "name", "value"), ROWS, ids=[row[1] for row in ROWS])
def test_a_bound_is_what_the_page_says(module: str, name: str, value: str) -> None:
    assert getattr(importlib.import_module(module), name) == int(value)


def test_every_named_bound_of_the_page_was_read() -> None:
    assert len(ROWS) == PAGE.read_text().count("` | ") > 15
