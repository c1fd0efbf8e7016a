"""An operator asks what is set aside, and why."""

import asyncio
from pathlib import Path

import pytest
from stores_under_test import running_server
from typer.testing import CliRunner

from actors.quarantine import (
    FAILURES_MAX,
    LISTED_MAX,
    QUARANTINE_SNAPSHOT,
    Quarantine,
    snapshot_of,
)
from actors.store import ShardId
from actors.store_redis import RedisStore
from actors.turn import Now
from controller.cli import app

SHARD = ShardId("orbit", 7)


def failing(*keys: str) -> Quarantine:
    quarantine = Quarantine()
    for key in keys:
        for number in range(FAILURES_MAX):
            quarantine.failed(key, Now(1_800_000_000_000, 1_000 * number), "KeyError('rate')")
    return quarantine


async def told(url: str, quarantine: Quarantine) -> None:
    store = RedisStore.open(url)
    snapshot = snapshot_of([(SHARD, quarantine)])
    await store.put_snapshot(f"{QUARANTINE_SNAPSHOT}host-1", snapshot, ttl_ms=60_000)
    await store.close()


def test_what_is_parked_is_listed_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_server(tmp_path / "state") as server:
        monkeypatch.setenv("CLUBCTL_REDIS_URL", server.url)
        runner = CliRunner(env={"COLUMNS": "200"})
        assert "nothing is set aside" in runner.invoke(app, ["quarantine"]).output
        asyncio.run(told(server.url, failing("session:s1")))
        shown = runner.invoke(app, ["quarantine"]).output
        for part in ("session:s1", "orbit/7", "host-1", "2027-01-15T08:00:00", "KeyError('rate')"):
            assert part in shown


def test_a_list_is_bounded() -> None:
    many = failing(*(f"session:{number}" for number in range(LISTED_MAX + 5)))
    assert snapshot_of([(SHARD, many)]).count(b'"entity"') == LISTED_MAX
