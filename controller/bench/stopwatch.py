"""Durations for benchmarks, on the steady clock and in CPU time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter, process_time


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


@contextmanager
def cpu_watch() -> Iterator[Lap]:
    """What this process computes in a block, in user and kernel, whoever else has the cores."""
    lap = Lap()
    began_s = process_time()
    yield lap
    lap.seconds = process_time() - began_s
