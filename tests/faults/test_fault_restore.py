"""Both disks are lost: how long a backup takes to come back, books checked, for so much history."""

import asyncio
import os
import sys
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from clubs_under_test import CHAIN, seed
from day_under_test import created, told
from faulted_house import FaultReport
from shard_under_test import ShardUnderTest
from stores_under_test import running_server

from actors.clock import SystemClock
from actors.store_redis import RedisStore
from controller.archive import ArchiveConsumer, open_archive
from schemas.commands import TopUpWallet

pytestmark = [pytest.mark.faults, pytest.mark.integration, pytest.mark.timeout(900)]
CROWD = 40
MINUTES = 500
PAID_MINOR = 100_000_00


async def lived(redis_url: str, sql_url: str) -> int:
    """A full club plays for hours; how many transactions that was."""
    players = tuple(f"p{number}" for number in range(CROWD))
    store = RedisStore.open(redis_url)
    try:
        await seed(store, pcs_per_zone=CROWD // 2, players=players)
        shard = await ShardUnderTest(store).take()  # type: ignore[arg-type]
        for number, player_id in enumerate(players):
            zone = ("main", "vip")[number % 2]
            await told(shard, TopUpWallet(player_id=player_id, amount_minor=PAID_MINOR))
            seat = f"north-{zone}-{number // 2}"
            await told(shard, created(f"s{number}", seat, "standard", player_id))
        await shard.wait(minutes=MINUTES)
        with closing(open_archive(sql_url)) as archive:
            consumer = ArchiveConsumer(store, archive, shard.clock)
            while await consumer.step():
                continue
            return len(await archive.transactions(CHAIN))
    finally:
        await store.close()


async def timed(redis_url: str, sql_url: str, *words: str) -> float:
    """Seconds that a command takes from its start to its end."""
    environment = {"CLUBCTL_REDIS_URL": redis_url, "CLUBCTL_ARCHIVE_URL": sql_url}
    clock = SystemClock()
    began_at_ms = clock.mono_ms()
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "controller.cli", *words), env={**os.environ, **environment}
    )
    assert await command.wait() == 0
    return (clock.mono_ms() - began_at_ms) / 1_000


async def test_a_backup_of_a_full_day_is_restored(tmp_path: Path, report: FaultReport) -> None:
    path = tmp_path / "backup"
    with ExitStack() as running:
        here, there, beside = (
            running.enter_context(running_server(tmp_path / name)).url
            for name in ("here", "there", "beside")
        )
        sql_url, other_sql_url = (f"sqlite:///{tmp_path / name}.db" for name in ("here", "there"))
        transactions = await lived(here, sql_url)
        assert transactions > CROWD * MINUTES
        backup_s = await timed(here, sql_url, "backup", str(path))
        restore_s = await timed(there, other_sql_url, "restore", str(path))
        store_only_s = await timed(beside, sql_url, "restore", "--store-only", str(path))
    report.note(
        "backup restored and verified",
        [restore_s],
        sessions=CROWD,
        speed=1.0,
        transactions=transactions,
        file_bytes=path.stat().st_size,
        backup_s=round(backup_s, 2),
        store_only_s=round(store_only_s, 2),
    )
