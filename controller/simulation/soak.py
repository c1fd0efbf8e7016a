"""Many seeds on many cores, with what they covered and which of them failed."""

import multiprocessing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from controller.simulation.simulation import Result, SeedRunner

SEEDS_PER_RUNNER: Final = 50
"""So many seeds share an archive in memory, then a fresh one is opened."""


@dataclass(frozen=True, slots=True)
class Soak:
    """What all seeds together covered; ``failed`` are the results with violations.

    ``done`` and ``refused`` count answers to commands by kind.
    """

    seeds: int = 0
    club_hours: float = 0.0
    sessions: int = 0
    transactions: int = 0
    batches: int = 0
    done: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    failed: tuple[Result, ...] = ()

    def plus(self, result: Result) -> "Soak":
        """One seed more."""
        return Soak(
            seeds=self.seeds + 1,
            club_hours=self.club_hours + result.club_hours,
            sessions=self.sessions + result.sessions,
            transactions=self.transactions + result.transactions,
            batches=self.batches + result.batches,
            done=_sum(self.done, result.done),
            refused=_sum(self.refused, result.refused),
            failed=(*self.failed, result) if result.violations else self.failed,
        )


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {kind: one.get(kind, 0) + other.get(kind, 0) for kind in sorted({*one, *other})}


def soak(
    seeds: Sequence[int],
    *,
    jobs: int,
    each: Callable[[Soak, Result], None] = lambda _soak, _result: None,
) -> Soak:
    """Play seeds on ``jobs`` cores; ``each`` hears of every one of them, in order."""
    parts = [seeds[at : at + SEEDS_PER_RUNNER] for at in range(0, len(seeds), SEEDS_PER_RUNNER)]
    if jobs == 1:
        return _added(map(_played, parts), each)
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        return _added(pool.imap(_played, parts), each)


def _added(parts: Iterable[Sequence[Result]], each: Callable[[Soak, Result], None]) -> Soak:
    total = Soak()
    for results in parts:
        for result in results:
            total = total.plus(result)
            each(total, result)
    return total


def _played(seeds: Sequence[int]) -> list[Result]:
    runner = SeedRunner()
    try:
        return [runner.play(seed) for seed in seeds]
    finally:
        runner.close()
