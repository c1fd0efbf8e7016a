"""Durations for benchmarks, on the steady clock."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter


@dataclass(slots=True)
class Lap:
    """How long a block took; 0 while it runs."""

    seconds: float = 0.0


@contextmanager
def stopwatch() -> Iterator[Lap]:
    """Time a block."""
    lap = Lap()
    began_s = perf_counter()
    yield lap
    lap.seconds = perf_counter() - began_s
