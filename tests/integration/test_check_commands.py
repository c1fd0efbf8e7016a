"""``clubctl verify`` and ``clubctl doctor`` as people and machines call them."""

import asyncio
from pathlib import Path

import orjson
import pytest
from clubs_under_test import CHAIN
from day_under_test import played_day
from stores_under_test import running_server, tell
from typer.testing import CliRunner

from actors.clock import ManualClock
from actors.store_redis import RedisStore
from controller.archive import ArchiveConsumer, open_archive
from controller.cli import app

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("REDIS_URL", "MQTT_URL", "CONFIG", "ARCHIVE_URL", "ENV"):
        monkeypatch.delenv(f"CLUBCTL_{name}", raising=False)
    monkeypatch.setenv("CLUBCTL_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


async def play(url: str) -> None:
    store = RedisStore.open(url)
    await played_day(store)
    await store.close()


def test_verify_passes_a_sound_day_and_shows_a_tampered_wallet(state_dir: Path) -> None:
    runner = CliRunner()
    with running_server(state_dir / "demo") as server:
        asyncio.run(play(server.url))
        sound = runner.invoke(app, ["verify", "--json"])
        assert sound.exit_code == 0, sound.output
        document = orjson.loads(sound.stdout)
        assert (document["ok"], document["rows"], document["sessions"]) == (True, [], 4)
        balances = f"clubctl:{{{CHAIN}}}:balances"
        reply = tell(server.port, "HINCRBY", balances, "EUR:wallet:ann:cash", "1")
        assert reply.startswith(b":"), reply
        wrong = runner.invoke(app, ["verify", "--json"])
        assert wrong.exit_code == 1
        rows = orjson.loads(wrong.stdout)["rows"]
        assert f"{CHAIN} EUR:wallet:ann:cash" in [row["subject"] for row in rows]
        shown = runner.invoke(app, ["verify"])
        assert shown.exit_code == 1
        assert "rows differ" in shown.output


def test_verify_finds_the_archive_beside_the_server(state_dir: Path) -> None:
    """What was archived and trimmed is not missing."""

    async def archived(url: str) -> None:
        store = RedisStore.open(url)
        archive = open_archive(f"sqlite:///{state_dir / 'demo' / 'archive.db'}")
        late = ManualClock(wall_ms=2**45)
        await ArchiveConsumer(store, archive, late, stream_kept_ms=0, closed_kept_ms=0).step()
        assert await store.closed_sessions(CHAIN) == ()
        archive.close()
        await store.close()

    with running_server(state_dir / "demo") as server:
        asyncio.run(play(server.url))
        asyncio.run(archived(server.url))
        result = CliRunner().invoke(app, ["verify", "--json"])
        assert result.exit_code == 0, result.output
        assert orjson.loads(result.stdout)["sessions"] == 4


def test_verify_without_a_server_says_what_to_set() -> None:
    result = CliRunner().invoke(app, ["verify"])
    assert result.exit_code == 2
    assert "CLUBCTL_REDIS_URL" in result.output


def test_verify_of_a_server_that_is_gone_is_not_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUBCTL_REDIS_URL", "redis://127.0.0.1:1/0")
    result = CliRunner().invoke(app, ["verify"])
    assert result.exit_code == 2
    assert "cannot be verified" in result.output


def test_doctor_reports_to_machines_and_people(monkeypatch: pytest.MonkeyPatch) -> None:
    healthy = CliRunner().invoke(app, ["doctor", "--json"])
    assert healthy.exit_code == 0, healthy.output
    document = orjson.loads(healthy.stdout)
    assert document["ok"]
    assert {"name", "health", "detail", "remedy"} == set(document["findings"][0])
    monkeypatch.setenv("CLUBCTL_REDIS_URL", "redis://127.0.0.1:1/0")
    ill = CliRunner().invoke(app, ["doctor"])
    assert ill.exit_code == 1
    assert "missing" in ill.output
