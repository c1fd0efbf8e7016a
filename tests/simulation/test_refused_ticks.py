"""Whole chains whose store refuses units of single sessions now and then: nobody else notices."""

import zlib
from collections import Counter

import orjson
import pytest

from actors.store import Unit, UnitOutcome, UnitStatus
from actors.store_memory_chain import MemoryChain
from controller.simulation.simulation import SeedRunner

SEEDS = 10
ONE_IN = 25
REFUSED_TIMES = 2


def test_what_the_store_refuses_for_a_while_changes_nothing_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every twenty-fifth step of a session is refused twice, as from an account that is full,
    under all other faults; and all that must hold of a chain holds."""
    honest, refused = MemoryChain._wrong_money, Counter[str]()

    def refuse(chain: MemoryChain, unit: Unit) -> UnitOutcome | None:
        if unit.idempotency is None and unit.transactions:
            name = orjson.loads(unit.transactions[0])["id"]
            chosen = zlib.crc32(name.encode()) % ONE_IN == 0
            if chosen and refused[name] < REFUSED_TIMES:
                refused[name] += 1
                return UnitOutcome(UnitStatus.OUT_OF_RANGE, name="EUR:desk:north:cash")
        return honest(chain, unit)

    monkeypatch.setattr(MemoryChain, "_wrong_money", refuse)
    runner, total = SeedRunner(), 0
    for seed in range(SEEDS):
        assert not runner.play(seed).violations, seed
        total += refused.total()
        refused.clear()
    runner.close()
    assert total > SEEDS
