"""On which line of a TOML file a path such as ``tariffs[2].prices[0].zones`` is written.

The standard parser tells no lines of values, so this looks at the text; what is written in an
unusual way has no line rather than a wrong one.
"""

import re
from typing import Final

_HEADER: Final = re.compile(r"\s*\[\[?[A-Za-z0-9_.\- ]+\]\]?\s*(#.*)?$")
_STEP: Final = re.compile(r"([A-Za-z0-9_-]+)((?:\[\d+\])*)")


def line_of(text: str, path: str) -> int | None:
    """The line (from 1) of the innermost part of the path that can be found; None without one."""
    lines = text.splitlines()
    first, last, found = 0, len(lines), None
    table = ""
    for name, index in _steps(path):
        header = f"{table}.{name}" if table else name
        section = _section(lines, header, index or 0, first=first, last=last)
        if section is not None:
            first, last = section
            found, table = first + 1, header
            continue
        key = _key(lines, name, first=first, last=last, table=table)
        return found if key is None else key + 1
    return found


def _steps(path: str) -> list[tuple[str, int | None]]:
    steps = []
    for match in _STEP.finditer(path):
        digits = re.findall(r"\d+", match[2])
        steps.append((match[1], int(digits[0]) if digits else None))
    return steps


def _section(
    lines: list[str], header: str, index: int, *, first: int, last: int
) -> tuple[int, int] | None:
    """Where the table of this header begins and the next one of its level or above."""
    wanted = re.compile(rf"\s*\[\[?\s*{re.escape(header)}\s*\]\]?\s*(#.*)?$")
    inner = re.compile(rf"\s*\[\[?\s*{re.escape(header)}\.")
    starts = [number for number in range(first, last) if wanted.match(lines[number])]
    if index >= len(starts):
        return None
    start = starts[index]
    for number in range(start + 1, last):
        if _HEADER.match(lines[number]) and not inner.match(lines[number]):
            return start, number
    return start, last


def _key(lines: list[str], name: str, *, first: int, last: int, table: str) -> int | None:
    wanted = re.compile(rf"\s*{re.escape(name)}\s*=")
    begin = first + 1 if table else first
    for number in range(begin, last):
        if _HEADER.match(lines[number]):
            return None
        if wanted.match(lines[number]):
            return number
    return None
