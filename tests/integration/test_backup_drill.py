"""Yesterday's backup, restored into an empty store, is yesterday; and nothing less is taken."""

import asyncio
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import orjson
import pytest
from clubs_under_test import CHAIN, wallet_of
from databases_under_test import Urls
from day_under_test import created, played_day
from shard_under_test import ShardUnderTest
from stores_under_test import running_server

from actors.clock import ManualClock
from actors.placement import shard_of_club
from actors.store import ChainImage, ChainStream
from actors.store_backup import RedisBackup
from actors.store_keys import clubs_among
from actors.store_redis import RedisStore
from controller.archive import (
    Archive,
    ArchiveConsumer,
    ArchiveError,
    open_archive,
    replaying,
    sums,
)
from controller.backup import BackupError, back_up, replay, restore
from controller.terminal_audit import Terminal
from controller.verify import verify
from schemas.commands import TopUpWallet

pytestmark = pytest.mark.integration
DAY_MINUTES = 24 * 60
BY = Terminal("cli:ann", "desk")


@dataclass
class Site:
    """A store and an archive of their own."""

    store: RedisStore
    direct: RedisBackup
    archive: Archive
    url: str

    async def close(self) -> None:
        await self.store.close()
        await self.direct.close()
        self.archive.close()


@contextmanager
def site(folder: Path, kind: str = "valkey", sql_url: str | None = None) -> Iterator[Site]:
    folder.mkdir()
    with running_server(folder / "state", kind) as server:
        yield Site(
            RedisStore.open(server.url),
            RedisBackup.open(server.url),
            open_archive(sql_url or f"sqlite:///{folder / 'archive.db'}"),
            server.url,
        )


async def backed_up(here: Site, path: Path) -> None:
    await back_up(
        path,
        store=here.store,
        source=here.direct,
        archive=here.archive,
        clock=ManualClock(1_000),
    )


async def restored(there: Site, path: Path) -> None:
    await restore(path, store=there.store, target=there.direct, archive=there.archive)


async def in_order(there: Site) -> ChainImage:
    """The chain's image; servers keep the fields of a hash in an order of their own."""
    image = await there.store.image(CHAIN)
    return replace(image, entities=tuple(sorted(image.entities, key=lambda e: e.key)))


@pytest.mark.parametrize("kind", ["valkey", "redis"])
async def test_what_is_restored_is_what_was_there(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "backup"
    with site(tmp_path / "a") as here, site(tmp_path / "b", kind) as there:
        await played_day(here.store)
        await ArchiveConsumer(here.store, here.archive, ManualClock(), stream_kept_ms=0).step()
        await backed_up(here, path)
        await restored(there, path)
        assert await in_order(there) == await in_order(here)
        catalogue = await here.store.catalogue(CHAIN)
        assert await there.store.catalogue(CHAIN) == catalogue
        for club_id in clubs_among(catalogue):
            assert await there.store.chain_of_club(club_id) == CHAIN
        assert await there.store.documents_by_prefix(
            CHAIN, ""
        ) == await here.store.documents_by_prefix(CHAIN, "")
        for stream in ChainStream:
            assert await there.store.stream(CHAIN, stream) == await here.store.stream(CHAIN, stream)
            assert await there.archive.cursor(CHAIN, stream) == await here.archive.cursor(
                CHAIN, stream
            )
        assert await there.archive.transactions(CHAIN) == await here.archive.transactions(CHAIN)
        assert await there.archive.events(CHAIN) == await here.archive.events(CHAIN)
        assert await there.archive.sessions(CHAIN) == await here.archive.sessions(CHAIN)
        assert (await verify(there.store, there.archive)).ok
        await here.close()
        await there.close()


async def test_a_day_goes_on_from_yesterdays_backup(tmp_path: Path) -> None:
    """Sessions of yesterday catch up, and PCs obey: no epoch is given out twice."""
    path = tmp_path / "backup"
    with site(tmp_path / "a") as here, site(tmp_path / "b") as there:
        day = await played_day(here.store)
        await backed_up(here, path)
        await restored(there, path)
        shard = shard_of_club(CHAIN, "north")
        before = await here.store.acquire(shard, host="h", nonce="n")
        again = ShardUnderTest(there.store, clock=day.clock)  # type: ignore[arg-type]
        await again.take()
        await again.wait(minutes=DAY_MINUTES)
        after = await there.store.acquire(shard, host="h", nonce="n")
        assert after.epoch > before.epoch
        consumer = ArchiveConsumer(there.store, there.archive, ManualClock(), stream_kept_ms=0)
        assert await consumer.step() > 0
        report = await verify(there.store, there.archive)
        assert report.ok, report.rows
        assert report.sessions == 4
        await here.close()
        await there.close()


async def test_a_store_or_an_archive_in_use_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "backup"
    with site(tmp_path / "a") as here, site(tmp_path / "b") as there:
        await played_day(here.store)
        await ArchiveConsumer(here.store, here.archive, ManualClock()).step()
        await backed_up(here, path)
        with pytest.raises(BackupError, match="holds nightshift already"):
            await restored(here, path)
        with pytest.raises(Exception, match="holds rows of nightshift already"):
            await restore(path, store=there.store, target=there.direct, archive=here.archive)
        assert await there.direct.is_empty(CHAIN)
        with pytest.raises(BackupError, match="holds an archive"):
            await restore(path, store=there.store, target=there.direct, archive=None)
        assert await there.direct.is_empty(CHAIN)
        await here.close()
        await there.close()


async def test_a_lost_store_is_restored_beside_the_archive_that_outlived_it(
    tmp_path: Path, sql_urls: Urls
) -> None:
    """Yesterday's backup, money replayed from the archive, hosts that catch up, sound books."""
    path, sql_url = tmp_path / "backup", sql_urls("archive")
    with site(tmp_path / "a", sql_url=sql_url) as here, site(tmp_path / "b") as there:
        day = await played_day(here.store)
        consumer = ArchiveConsumer(here.store, here.archive, day.clock, stream_kept_ms=0)
        await consumer.step()
        await backed_up(here, path)
        for player_id, amount_minor in (("ann", 70_00), ("bob", 20_00)):
            await day.command(TopUpWallet(player_id=player_id, amount_minor=amount_minor))
        await day.command(created("s5", "north-main-1", "standard", "bob"))
        await day.wait(minutes=DAY_MINUTES)
        await consumer.step()
        # The disk of the store is lost; what follows knows its backup and the archive only.
        store, archive = there.store, here.archive
        await restore(path, store=store, target=there.direct, archive=archive, store_only=True)
        before_minor = sum(await wallet_of(store, "bob"))
        again = ShardUnderTest(store, clock=day.clock)  # type: ignore[arg-type]
        await again.take()
        consumer = ArchiveConsumer(store, archive, day.clock, stream_kept_ms=0)
        await consumer.step()
        odd = await archive.look(sums.oddities, CHAIN)
        assert odd.rewinds == 2
        assert odd.unsettled > 2
        done = await replay(store, archive, clock=day.clock, by=BY)
        assert done.replayed == 2
        assert sum(await wallet_of(store, "bob")) == before_minor + 20_00
        assert {one.session_id for one in done.left} >= {"s5"}
        await again.wait(minutes=DAY_MINUTES)
        await consumer.step()
        once_more = await replay(store, archive, clock=day.clock, by=BY, dismiss=True)
        assert once_more.replayed == 0
        assert done.redone + once_more.redone > 0, "the steps of s4 happened again"
        await consumer.step()
        report = await verify(store, archive)
        assert report.ok, report.rows
        assert (await archive.look(sums.oddities, CHAIN)).unsettled == 0
        dismissed, *replayed = await told_by_the_terminal(store)
        assert dismissed["operation"] == "dismissLostTransactions"
        assert orjson.loads(dismissed["asked"]) == {"left": once_more.dismissed}
        assert [one["operation"] for one in replayed] == ["replayTransaction"] * 2
        paid = [orjson.loads(one["asked"])["amounts_minor"] for one in replayed]
        assert all(sum(amounts.values()) == 0 and len(amounts) == 2 for amounts in paid)
        assert len({orjson.loads(one["asked"])["transaction_id"] for one in replayed}) == 2
        await here.close()
        await there.close()


async def told_by_the_terminal(store: RedisStore) -> list[dict[str, str]]:
    """Entries of the chain's audit that were written by ``BY``, newest first."""
    entries = [orjson.loads(one.payload) for one in await store.audit(CHAIN, count=500)]
    return [one for one in entries if one["principal"] == BY.principal]


async def test_a_replay_that_dies_halfway_pays_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "backup"
    with site(tmp_path / "a") as here, site(tmp_path / "b") as there:
        day = await played_day(here.store)
        await backed_up(here, path)
        await day.command(TopUpWallet(player_id="ann", amount_minor=70_00))
        await ArchiveConsumer(here.store, here.archive, day.clock).step()
        store, archive = there.store, here.archive
        await restore(path, store=store, target=there.direct, archive=archive, store_only=True)
        await ArchiveConsumer(store, archive, day.clock).step()
        before_minor = sum(await wallet_of(store, "ann"))

        def dies(*_: object) -> None:
            raise ArchiveError("the database was killed")

        with monkeypatch.context() as patched:
            patched.setattr(replaying, "settle", dies)
            with pytest.raises(ArchiveError):
                await replay(store, archive, clock=day.clock, by=BY)
        assert sum(await wallet_of(store, "ann")) == before_minor + 70_00
        done = await replay(store, archive, clock=day.clock, by=BY)
        assert (done.redone, done.replayed) == (1, 0)
        assert len(await told_by_the_terminal(store)) == 1
        assert sum(await wallet_of(store, "ann")) == before_minor + 70_00
        await ArchiveConsumer(store, archive, day.clock).step()
        report = await verify(store, archive)
        assert report.ok, report.rows
        await here.close()
        await there.close()


async def test_a_backup_of_the_release_before_is_restored(tmp_path: Path) -> None:
    """It did not write down where entries stand, nor the totals, nor what was set aside."""
    path = tmp_path / "backup"
    with site(tmp_path / "a") as here, site(tmp_path / "b") as there:
        await played_day(here.store)
        await ArchiveConsumer(here.store, here.archive, ManualClock()).step()
        await backed_up(here, path)
        _as_the_release_before_wrote(path)
        await restored(there, path)
        report = await verify(there.store, there.archive)
        assert report.ok, report.rows
        assert report.transactions > 30
        await here.close()
        await there.close()


def _as_the_release_before_wrote(path: Path) -> None:
    lines = [orjson.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    kept = []
    for line in lines[:-1]:
        for row in line.get("rows", ()):
            if "entry_id" not in row:
                continue
            for name in ("place_ms", "place_no", "digest"):
                row.pop(name, None)
        kept.append(orjson.dumps(line) + b"\n")
    whole = b"".join(kept)
    end = {"kind": "end", "lines": len(kept), "sha256": sha256(whole).hexdigest()}
    path.write_bytes(gzip.compress(whole + orjson.dumps(end) + b"\n"))


@pytest.mark.parametrize("damage", ["cut", "a digit", "a line", "no end", "empty"])
async def test_a_damaged_file_restores_nothing(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "backup"
    with site(tmp_path / "a") as here, site(tmp_path / "b") as there:
        await played_day(here.store)
        await backed_up(here, path)
        _damage(path, damage)
        with pytest.raises(BackupError):
            await restored(there, path)
        assert await there.direct.is_empty(CHAIN)
        assert await there.store.chains() == ()
        await here.close()
        await there.close()


def _damage(path: Path, damage: str) -> None:
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
        return
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    if damage == "a digit":
        number = next(n for n, line in enumerate(lines) if b'"balances"' in line)
        lines[number] = lines[number].replace(b"00", b"01", 1)
    elif damage == "a line":
        del lines[len(lines) // 2]
    elif damage == "no end":
        del lines[-1]
    else:
        lines = []
    path.write_bytes(gzip.compress(b"".join(lines)))


async def test_a_backup_under_load_is_one_instant(tmp_path: Path) -> None:
    """Balances, ledger and sessions agree in the copy, though they change while it is taken."""
    path = tmp_path / "backup"
    with site(tmp_path / "a") as here, site(tmp_path / "b") as there:
        day = await played_day(here.store)
        stop = asyncio.Event()

        async def play_on() -> None:
            while not stop.is_set():
                await day.wait(minutes=1)
                await ArchiveConsumer(here.store, here.archive, ManualClock()).step()

        playing = asyncio.create_task(play_on())
        for _ in range(5):
            await backed_up(here, path)
        stop.set()
        await playing
        await restored(there, path)
        report = await verify(there.store, there.archive)
        assert report.ok, report.rows
        await here.close()
        await there.close()
