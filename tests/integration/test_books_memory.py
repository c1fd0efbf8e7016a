"""A check of the books holds a bounded part of history, however much there is."""

import gc
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from clubs_under_test import CHAIN, seed
from day_under_test import created, told
from shard_under_test import ShardUnderTest

from actors.clock import ManualClock
from actors.store_memory import MemoryStore
from controller.archive import ArchiveConsumer, open_archive
from controller.verify import verify
from controller.verify.chain_check import STEPS_PER_PIECE
from controller.verify.history import History
from controller.verify.watch import BooksWatch
from schemas.commands import EndSession, TopUpWallet

PLAYERS = tuple(f"p{number}" for number in range(24))
MINUTES = 60
LATER = ManualClock(wall_ms=2**45)


async def played_long(store: MemoryStore, *, ended: bool) -> None:
    """Everybody plays for an hour: more steps than one part of a check takes."""
    await seed(store, pcs_per_zone=len(PLAYERS), players=PLAYERS)
    shard = await ShardUnderTest(store).take()
    for number, player_id in enumerate(PLAYERS):
        await told(shard, TopUpWallet(player_id=player_id, amount_minor=1_000_00))
        pc_id = f"north-main-{number}"
        await told(shard, created(f"s-{player_id}", pc_id, "standard", player_id))
    await shard.wait(minutes=MINUTES)
    for player_id in PLAYERS if ended else ():
        await told(shard, EndSession(session_id=f"s-{player_id}"))


def steps_held() -> int:
    """How many transactions of steps this process has unpacked in memory."""
    gc.collect()
    dicts = [one for one in gc.get_objects() if type(one) is dict]
    return sum(1 for one in dicts if type(one.get("step_index")) is int)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What was held each time when a part of history had been read."""
    counts: list[int] = []
    read = History.transactions_of

    async def counted(self: History, ids: Collection[str], until: str) -> Any:
        found = await read(self, ids, until)
        counts.append(steps_held())
        return found

    monkeypatch.setattr(History, "transactions_of", counted)
    return counts


@pytest.mark.parametrize("where", ["running", "closed", "archived"])
async def test_a_check_holds_a_bounded_part_of_history(
    tmp_path: Path, held: list[int], where: str
) -> None:
    # Tests of the same process may still hold a transaction of their own.
    before = steps_held()
    store, archive = MemoryStore(), open_archive(f"sqlite:///{tmp_path / 'archive.db'}")
    await played_long(store, ended=where != "running")
    kept_ms = 0 if where == "archived" else 2**44
    clock = LATER if where == "archived" else ManualClock()
    kept = {"stream_kept_ms": kept_ms, "closed_kept_ms": kept_ms}
    await ArchiveConsumer(store, archive, clock, **kept).step()
    assert len(await store.closed_ids(CHAIN)) == (len(PLAYERS) if where == "closed" else 0)
    for report in (await BooksWatch(store, archive).check(), await verify(store, archive)):
        assert report.ok, report.rows
        assert report.sessions == len(PLAYERS)
    assert len(held) >= 2 * 2
    assert MINUTES < max(held) - before <= STEPS_PER_PIECE + MINUTES + 1
    assert steps_held() <= before
    archive.close()
