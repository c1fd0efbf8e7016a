"""The broker is told of new rules, whoever dies or fails between writing them and telling it."""

from pathlib import Path

import pytest

from actors.store_memory import MemoryStore
from controller.broker.access import KnownPc
from controller.broker.config import write_rules
from controller.broker.follow import RulesKeeper


async def test_rules_that_were_written_and_not_told_are_told_by_the_next(tmp_path: Path) -> None:
    write_rules(tmp_path, [KnownPc("arena", "pc1", "$7$101$c2FsdA==$aGFzaA==")])
    told: list[int] = []
    store = MemoryStore()
    assert await RulesKeeper(store, tmp_path, lambda: None).refresh()
    keeper = RulesKeeper(store, tmp_path, lambda: told.append(1))
    assert not await keeper.refresh(), "nothing differs: the one before has written it"
    assert not await keeper.refresh()
    assert told == [1]


async def test_a_broker_that_could_not_be_told_is_told_again(tmp_path: Path) -> None:
    write_rules(tmp_path, [KnownPc("arena", "pc1", "$7$101$c2FsdA==$aGFzaA==")])
    told: list[int] = []

    def reload() -> None:
        told.append(1)
        if len(told) == 1:
            raise PermissionError("not ours")

    keeper = RulesKeeper(MemoryStore(), tmp_path, reload)
    with pytest.raises(PermissionError):
        await keeper.refresh()
    assert not await keeper.refresh()
    assert len(told) == 2
