"""`clubctl backup`, `restore` and `replay` as somebody at a terminal runs them."""

import asyncio
import gzip
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
from click.testing import Result
from clubs_under_test import CHAIN, wallet_of
from day_under_test import created, played_day
from stores_under_test import running_server
from typer.testing import CliRunner

from actors.store_backup import RedisBackup
from actors.store_redis import RedisStore
from controller.archive import ArchiveConsumer, open_archive
from controller.cli import app
from schemas.commands import TopUpWallet

pytestmark = pytest.mark.integration
PAID_SINCE_MINOR = 70_00
REFUSED, MISUSED = 1, 2


@dataclass
class Site:
    """A machine with a store and an archive, where commands are run."""

    redis_url: str
    sql_url: str

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(
            app,
            list(words),
            env={"CLUBCTL_REDIS_URL": self.redis_url, "CLUBCTL_ARCHIVE_URL": self.sql_url},
        )

    def done(self, *words: str) -> str:
        result = self.run(*words)
        assert result.exit_code == 0, result.output
        return result.stdout

    def refuses(self, *words: str) -> str:
        """What a command says that fails in words, not by a defect."""
        result = self.run(*words)
        assert result.exit_code == REFUSED, result.output
        assert isinstance(result.exception, SystemExit), result.exception
        return result.output

    async def is_empty(self) -> bool:
        direct = RedisBackup.open(self.redis_url)
        try:
            return await direct.is_empty(CHAIN)
        finally:
            await direct.close()

    async def cash_of(self, player_id: str) -> int:
        store = RedisStore.open(self.redis_url)
        try:
            return sum(await wallet_of(store, player_id))
        finally:
            await store.close()

    async def play(self, *, paid_after: Path | None = None) -> None:
        """A day, archived; with ``paid_after`` a backup is written, and what follows is not in it:
        Ann pays, and Bob pays and sits down."""
        store = RedisStore.open(self.redis_url)
        try:
            with closing(open_archive(self.sql_url)) as archive:
                day = await played_day(store)
                consumer = ArchiveConsumer(store, archive, day.clock, stream_kept_ms=0)
                await consumer.step()
                if paid_after is None:
                    return
                await asyncio.to_thread(self.done, "backup", str(paid_after))
                for player_id in ("ann", "bob"):
                    await day.command(
                        TopUpWallet(player_id=player_id, amount_minor=PAID_SINCE_MINOR)
                    )
                await day.command(created("s5", "north-main-1", "standard", "bob"))
                await day.wait(minutes=5)
                await consumer.step()
        finally:
            await store.close()


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[tuple[Site, Site]]:
    """A machine that had a day, and one with nothing on it."""
    with ExitStack() as running:
        both = []
        for name in ("here", "there"):
            server = running.enter_context(running_server(tmp_path / name))
            both.append(Site(server.url, f"sqlite:///{tmp_path / name}.db"))
        yield both[0], both[1]


def test_a_backup_is_written_restored_and_sound(sites: tuple[Site, Site], tmp_path: Path) -> None:
    here, there = sites
    asyncio.run(here.play())
    path = tmp_path / "backup"
    written = orjson.loads(here.done("backup", str(path), "--json"))
    assert written["chains"] == [CHAIN]
    assert path.stat().st_mode & 0o077 == 0, "others can read who played"
    assert f"restored: {CHAIN}, {written['lines']} lines" in there.done("restore", str(path))
    assert "everything agrees" in there.done("verify")
    assert asyncio.run(there.cash_of("ann")) == asyncio.run(here.cash_of("ann"))


def test_nothing_is_restored_over_what_is_there(sites: tuple[Site, Site], tmp_path: Path) -> None:
    here, there = sites
    asyncio.run(here.play())
    path = str(tmp_path / "backup")
    here.done("backup", path)
    assert f"not restored: the store holds {CHAIN} already" in here.refuses("restore", path)
    assert f"not restored: the store holds {CHAIN} already" in here.refuses(
        "restore", "--store-only", path
    )
    beside = Site(there.redis_url, here.sql_url)
    assert f"holds rows of {CHAIN} already" in beside.refuses("restore", path)
    assert asyncio.run(there.is_empty())
    assert "everything agrees" in here.done("verify")


def spoilt(path: Path, how: str) -> None:
    """The file as a bad disk, a bad copy or somebody's mistake leaves it."""
    whole = path.read_bytes()
    lines = gzip.decompress(whole).splitlines(keepends=True)
    match how:
        case "cut off":
            path.write_bytes(whole[: len(whole) // 2])
        case "a byte":
            place = len(whole) // 2
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        case "another sum":
            path.write_bytes(gzip.compress(b"".join(lines).replace(b"500", b"501", 1)))
        case "another program's":
            path.write_bytes(gzip.compress(b'{"kind": "dump"}\n'))
        case "no object":
            path.write_bytes(gzip.compress(b"[1]\n[2]\n"))
        case "a text":
            path.write_text("dear diary\n")
        case "empty":
            path.write_bytes(b"")


@pytest.mark.parametrize(
    "how", ["cut off", "a byte", "another sum", "another program's", "no object", "a text", "empty"]
)
def test_a_file_that_is_no_whole_backup_restores_nothing(
    sites: tuple[Site, Site], tmp_path: Path, how: str
) -> None:
    here, there = sites
    asyncio.run(here.play())
    path = tmp_path / "backup"
    here.done("backup", str(path))
    spoilt(path, how)
    assert "not restored: " in there.refuses("restore", str(path))
    assert "not restored: " in there.refuses("restore", "--store-only", str(path))
    assert asyncio.run(there.is_empty())


def test_a_command_without_its_file_or_its_store_says_so(
    sites: tuple[Site, Site], tmp_path: Path
) -> None:
    here, there = sites
    missing = there.run("restore", str(tmp_path / "nowhere"))
    assert missing.exit_code == MISUSED
    assert "does not exist" in missing.output
    assert "not written: " in here.refuses("backup", str(tmp_path / "no" / "folder"))
    unset = CliRunner().invoke(app, ["replay"], env={"CLUBCTL_REDIS_URL": None})
    assert unset.exit_code == MISUSED
    assert "CLUBCTL_REDIS_URL" in unset.output


def test_a_lost_store_comes_back_beside_its_archive_and_what_was_paid_is_paid_in_once(
    sites: tuple[Site, Site], tmp_path: Path
) -> None:
    here, there = sites
    path = tmp_path / "backup"
    asyncio.run(here.play(paid_after=path))
    after = Site(there.redis_url, here.sql_url)
    after.done("restore", "--store-only", str(path))
    before_minor = asyncio.run(after.cash_of("bob"))
    # The charges of Bob's lost session are left for people, so it is not over yet.
    first = after.refuses("replay")
    assert "replayed: 2, dismissed: 0, left: " in first
    assert "s5" in first
    assert asyncio.run(after.cash_of("bob")) == before_minor + PAID_SINCE_MINOR
    again = orjson.loads(after.refuses("replay", "--json"))
    assert again["replayed"] == 0
    assert again["left"]
    assert asyncio.run(after.cash_of("bob")) == before_minor + PAID_SINCE_MINOR
    assert f"dismissed: {len(again['left'])}, left: 0" in after.done("replay", "--dismiss")
    assert "replayed: 0, dismissed: 0, left: 0" in after.done("replay")
    assert asyncio.run(after.cash_of("bob")) == before_minor + PAID_SINCE_MINOR
