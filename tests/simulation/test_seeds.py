"""Random lives of a chain under random faults, and that each can be lived again."""

import os
import subprocess
import sys

import pytest

from controller.simulation.simulation import SeedRunner

PARTS = 10
SEEDS_PER_PART = 15
"""More of them: ``clubctl sim soak``."""
REPLAYED = ("3", "11", "30", "100", "7")
REPLAY = """
import sys
from controller.simulation.simulation import SeedRunner
runner = SeedRunner()
played = {int(seed): runner.play(int(seed)) for seed in sys.argv[1:]}
print([(seed, result.digest, result.violations) for seed, result in sorted(played.items())])
"""


@pytest.mark.parametrize("part", range(PARTS))
def test_no_seed_breaks_a_promise(part: int) -> None:
    runner = SeedRunner()
    for seed in range(part * SEEDS_PER_PART, (part + 1) * SEEDS_PER_PART):
        result = runner.play(seed)
        assert not result.violations, f"clubctl sim soak --seed {seed}: {result.violations}"
    runner.close()


def test_a_seed_is_lived_the_same_way_in_every_process_and_after_any_other() -> None:
    told = set()
    for hash_seed, seeds in (("1", REPLAYED), ("2", REPLAYED[::-1])):
        ended = subprocess.run(
            [sys.executable, "-c", REPLAY, *seeds],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        told.add(ended.stdout)
    assert len(told) == 1, told
