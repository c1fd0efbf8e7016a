"""An operator looks at the hosts' time, and says that a calendar is right after all."""

import asyncio
from pathlib import Path

import pytest
from stores_under_test import running_server
from typer.testing import CliRunner

from actors.clock import SteadyClock, ThisMachine
from actors.store_redis import RedisStore
from actors.telemetry import Telemetry
from actors.timekeeping import Timekeeper, known_time
from controller.cli import app
from controller.doctor import Health, clock_finding
from controller.settings import Settings

HOUR_MS = 3_600_000
BOOT = "boot-a"


class MovedMachine(ThisMachine):
    """This machine with its calendar moved."""

    moved_ms = 0

    def utc_ms(self) -> int:
        return super().utc_ms() + self.moved_ms


def asked(*words: str) -> str:
    result = CliRunner().invoke(app, ["clock", *words], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.output


def test_a_jump_is_shown_and_can_be_adopted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_server(tmp_path / "state") as server:
        monkeypatch.setenv("CLUBCTL_REDIS_URL", server.url)
        settings = Settings(redis_url=server.url)
        machine = MovedMachine()
        clock = SteadyClock(machine)
        asyncio.run(kept(server.url, machine, clock))
        assert clock_finding(settings).health is Health.OK
        assert "+0.0 s" in asked()
        machine.moved_ms = HOUR_MS
        asyncio.run(kept(server.url, machine, clock))
        assert "+3600.0 s" in asked()
        found = clock_finding(settings)
        assert found.health is Health.WARNING
        assert "boot-a by +3600.0 s" in found.detail
        assert "1 times" in asked("--adopt", BOOT)
        asyncio.run(kept(server.url, machine, clock))
        assert "+0.0 s" in asked()


def test_a_boot_nobody_knows_cannot_be_adopted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_server(tmp_path / "state") as server:
        monkeypatch.setenv("CLUBCTL_REDIS_URL", server.url)
        result = CliRunner().invoke(app, ["clock", "--adopt", "boot-z"])
        assert result.exit_code == 2
        assert "boot-z" in result.output


async def kept(url: str, machine: MovedMachine, clock: SteadyClock) -> None:
    """A host that begins, and looks once."""
    store = RedisStore.open(url)
    try:
        known = await known_time(store)
        keeper = Timekeeper(store, machine, BOOT)
        await keeper.begin(clock)
        if BOOT in known.records:
            running = asyncio.create_task(keeper.run(clock, Telemetry()))
            await asyncio.sleep(0.2)
            running.cancel()
    finally:
        await store.close()
