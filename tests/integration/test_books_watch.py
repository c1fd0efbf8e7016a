"""The check in the background finds what the whole one finds, and tells."""

import asyncio
from pathlib import Path

import pytest
from clubs_under_test import CHAIN
from day_under_test import played_day
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs
from test_verify_books import TAMPERED

from actors.clock import ManualClock
from actors.store_memory import MemoryStore
from actors.store_memory_server import MemoryServer
from controller.archive import Archive, ArchiveConsumer, open_archive
from controller.verify import watch as watch_module
from controller.verify.history import ArchiveBehindError
from controller.verify.watch import BooksWatch
from controller.verify.watching import METRICS_SNAPSHOT, watch_books

LATER = ManualClock(wall_ms=2**45)
UNSEEN = {
    # What takes reading all of history is the whole check's to find.
    *("a PC that lost count of its events", "an event of no session"),
    "a transaction of no session",
}


def archive_at(folder: Path) -> Archive:
    return open_archive(f"sqlite:///{folder / 'archive.db'}")


@pytest.mark.parametrize("archived", ["nothing", "all", "trimmed"])
async def test_a_sound_day_is_found_sound(tmp_path: Path, archived: str) -> None:
    store, archive = MemoryStore(), archive_at(tmp_path)
    await played_day(store)
    if archived == "all":
        await ArchiveConsumer(store, archive, ManualClock()).step()
    elif archived == "trimmed":
        kept = {"stream_kept_ms": 0, "closed_kept_ms": 0}
        await ArchiveConsumer(store, archive, LATER, **kept).step()
    report = await BooksWatch(store, archive).check()
    assert report.ok, report.rows
    assert report.sessions == 4
    archive.close()


@pytest.mark.parametrize("case", sorted(TAMPERED.keys() - UNSEEN))
async def test_what_is_wrong_is_found_and_named_without_an_archive(
    tmp_path: Path, case: str
) -> None:
    tamper, check, subject = TAMPERED[case]
    server = MemoryServer()
    store, archive = MemoryStore(server), archive_at(tmp_path)
    await played_day(store)
    tamper(server.chain(CHAIN))
    report = await BooksWatch(store, archive).check()
    named = [(row.check, row.subject) for row in report.rows]
    assert any(c == check and s.startswith(f"{CHAIN} {subject}") for c, s in named), named
    archive.close()


async def test_sessions_only_the_archive_holds_are_swept_in_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "SWEPT_PER_CHECK", 2)
    store, archive = MemoryStore(), archive_at(tmp_path)
    await played_day(store)
    kept = {"stream_kept_ms": 0, "closed_kept_ms": 0}
    await ArchiveConsumer(store, archive, LATER, **kept).step()
    watch = BooksWatch(store, archive)
    looked_at = [(await watch.check()).sessions for _ in range(4)]
    # One session is open; of the three that ended two are looked at, then one, then two again.
    assert looked_at == [3, 2, 3, 2]
    archive.close()


async def test_an_archive_far_behind_is_not_read_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "TAIL_MAX", 10)
    store, archive = MemoryStore(), archive_at(tmp_path)
    await played_day(store)
    with pytest.raises(ArchiveBehindError):
        await BooksWatch(store, archive).check()
    archive.close()


async def test_a_mismatch_is_logged_and_measured(tmp_path: Path) -> None:
    server = MemoryServer()
    store, archive = MemoryStore(server), archive_at(tmp_path)
    await played_day(store)
    TAMPERED["a wallet with a cent too much"][0](server.chain(CHAIN))
    stop = asyncio.Event()
    with capture_logs() as logs:
        watching = asyncio.create_task(watch_books(store, archive, stop, every_s=0.05))
        while not (found := await store.snapshots(METRICS_SNAPSHOT)):  # noqa: ASYNC110 - polled
            await asyncio.sleep(0.02)
        stop.set()
        await watching
    text = found[METRICS_SNAPSHOT].decode()
    values = {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    # The account, and the currency that does not sum to zero any more.
    assert values["clubctl_verify_mismatches"] == 2
    assert values["clubctl_verify_runs_total"] >= 1
    assert values["clubctl_archive_conflicts"] == values["clubctl_archive_rewinds"] == 0
    assert values["clubctl_archive_webhooks_behind_seconds"] == 0
    assert {"books_differ", "books_row"} <= {line["event"] for line in logs}
    archive.close()
