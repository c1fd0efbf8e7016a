"""Many seeds on many cores, with what they covered and which of them failed."""

import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from controller.simulation.simulation import Result, SeedRunner

SEEDS_PER_TASK: Final = 5


@dataclass(frozen=True, slots=True)
class Soak:
    """What all seeds together covered; ``failed`` are the results with violations."""

    seeds: int = 0
    club_hours: float = 0.0
    sessions: int = 0
    transactions: int = 0
    batches: int = 0
    failed: tuple[Result, ...] = ()

    def plus(self, result: Result) -> "Soak":
        """One seed more."""
        return Soak(
            seeds=self.seeds + 1,
            club_hours=self.club_hours + result.club_hours,
            sessions=self.sessions + result.sessions,
            transactions=self.transactions + result.transactions,
            batches=self.batches + result.batches,
            failed=(*self.failed, result) if result.violations else self.failed,
        )


def soak(
    seeds: Sequence[int], *, workers: int, each: Callable[[Soak], None] = lambda _soak: None
) -> Soak:
    """Play seeds; ``each`` hears after every one of them."""
    total = Soak()
    if workers == 1:
        runner = SeedRunner()
        try:
            for seed in seeds:
                total = total.plus(runner.play(seed))
                each(total)
        finally:
            runner.close()
        return total
    parts = [seeds[at : at + SEEDS_PER_TASK] for at in range(0, len(seeds), SEEDS_PER_TASK)]
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for results in pool.imap(_played, parts):
            for result in results:
                total = total.plus(result)
                each(total)
    return total


def _played(seeds: Sequence[int]) -> list[Result]:
    runner = SeedRunner()
    try:
        return [runner.play(seed) for seed in seeds]
    finally:
        runner.close()
