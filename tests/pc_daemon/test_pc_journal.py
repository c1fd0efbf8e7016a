"""What an agent remembers: whole or not at all, and readable by the agent that follows."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from agent_bench import IDENTITY, MINUTE_MS, START, Bench, lease, locked, unlocked

from pc_daemon.agent import begin
from pc_daemon.agent_state import MemoryImage
from pc_daemon.clock import Instant
from pc_daemon.journal import OLD_FILE, STATE_FILE, USAGE_FILE, FileJournal, MemoryJournal
from pc_daemon.journal_file import DEAD_BYTES_KEPT, JournalFile, decode_line, encode_line
from pc_daemon.stored_memory import read_image, write_image
from pc_daemon.usage import MAX_JOURNAL_ENTRIES, Entry, UsageBook
from schemas.device import UsageAck, UsageEnd
from schemas.journal_events import JournalEvent, JournalEventKind

GOLDEN = Path(__file__).parent / "golden"

WRITER = """
import sys
from pathlib import Path
from pc_daemon.agent_state import MemoryImage
from pc_daemon.clock import Instant
from pc_daemon.journal import FileJournal
from pc_daemon.usage import UsageBook
from schemas.journal_events import JournalEventKind
journal = FileJournal(Path(sys.argv[1]))
memory = journal.load()
seq = memory.entries[-1].seq + 1 if memory.entries else 1
while True:
    now = Instant(seq, seq)
    book = UsageBook(next_seq=seq)
    book = book.noted(JournalEventKind.FREEZE, boot_id="b", since=now, until=now)
    journal.append(book.entries)
    journal.save(MemoryImage("boot", now, connection_epoch=seq))
    if seq % 7 == 0:
        journal.forget(seq - 3)
    sys.stdout.write(f"{seq}\\n")
    sys.stdout.flush()
    seq += 1
"""


def an_eventful_life() -> tuple[MemoryImage, tuple[Entry, ...]]:
    bench = Bench()
    bench.online()
    bench.document(unlocked(1, lease()))
    bench.wait(MINUTE_MS)
    bench.document(locked(2))
    bench.document(unlocked(3, lease(seq=2)))
    assert bench.image is not None
    return bench.image, bench.entries


def events(*numbers: int) -> tuple[Entry, ...]:
    return tuple(
        JournalEvent(
            boot_id="b",
            seq=seq,
            kind=JournalEventKind.FREEZE,
            started_boot_ms=seq,
            ended_boot_ms=seq + 1,
            started_at_ms=seq,
            ended_at_ms=seq + 1,
        )
        for seq in numbers
    )


def test_what_is_saved_is_loaded_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    image, entries = an_eventful_life()
    journal = FileJournal(tmp_path / "pc")
    assert journal.load().image is None

    journal.append(entries)
    journal.save(image)

    memory = FileJournal(tmp_path / "pc").load()
    assert (memory.image, memory.entries) == (image, entries)
    files = sorted((tmp_path / "pc").iterdir())
    assert [path.name for path in files] == [STATE_FILE, USAGE_FILE]
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)


def test_a_state_cut_anywhere_is_set_aside_and_the_pc_starts_locked(tmp_path: Path) -> None:
    image, _ = an_eventful_life()
    path = tmp_path / STATE_FILE
    FileJournal(tmp_path).save(image)
    whole = path.read_bytes()
    for length in range(len(whole) - 1):
        path.write_bytes(whole[:length])
        assert FileJournal(tmp_path).load().image is None, length
        assert (tmp_path / "state.unreadable").read_bytes() == whole[:length]
    # The end of the line carries nothing.
    path.write_bytes(whole[:-1])
    assert FileJournal(tmp_path).load().image == image


@pytest.mark.parametrize("content", [b"", b"{", b'00000000 {"v": 2}', b"\x00" * 300])
def test_an_unreadable_state_is_set_aside(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / STATE_FILE
    path.write_bytes(content)

    assert FileJournal(tmp_path).load().image is None

    assert not path.exists()
    assert (tmp_path / "state.unreadable").read_bytes() == content


def test_a_journal_cut_at_any_byte_keeps_every_whole_line_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / USAGE_FILE
    entries = (*an_eventful_life()[1], *events(2**40, 2**40 + 1))
    JournalFile(path).append(entries)
    whole = path.read_bytes()
    ends = [index + 1 for index, byte in enumerate(whole) if byte == ord("\n")]
    assert len(ends) == len(entries)
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        kept = entries[: sum(end <= length for end in ends)]
        file = JournalFile(path)
        assert file.load() == kept, length
        file.append(events(2**41))
        assert JournalFile(path).load() == (*kept, *events(2**41)), length


def test_a_line_damaged_in_the_middle_is_left_out_and_the_others_stand(tmp_path: Path) -> None:
    path = tmp_path / USAGE_FILE
    JournalFile(path).append(events(1, 2, 3))
    lines = path.read_bytes().splitlines(keepends=True)
    for index in range(len(lines[1]) - 1):
        damaged = bytearray(lines[1])
        damaged[index] ^= 0x01
        path.write_bytes(lines[0] + bytes(damaged) + lines[2])
        file = JournalFile(path)
        assert file.load() == events(1, 3), index
        assert file.damaged >= 1


def test_what_is_there_is_not_written_again_and_a_failed_write_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = JournalFile(tmp_path / USAGE_FILE)
    file.append(events(1))
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", lambda _handle: (_ for _ in ()).throw(OSError(28, "full")))
        with pytest.raises(OSError, match="full"):
            file.append(events(1, 2))
    assert os.write is write
    file.append(events(1, 2, 3))

    assert JournalFile(tmp_path / USAGE_FILE).load() == events(1, 2, 3)


def test_acknowledged_lines_go_when_all_are_or_when_they_weigh_enough(tmp_path: Path) -> None:
    path = tmp_path / USAGE_FILE
    file = JournalFile(path)
    file.append(events(1, 2))
    file.forget(2)
    assert JournalFile(path).load() == events(1, 2)
    file.forget(3)
    assert path.read_bytes() == b""

    line_bytes = len(encode_line(events(1000)[0]))
    many = DEAD_BYTES_KEPT // line_bytes + 2
    file.append(events(*range(1000, 1000 + many)))
    file.forget(1000 + many - 1)

    assert path.stat().st_size < 2 * line_bytes
    assert JournalFile(path).load() == events(1000 + many - 1)


def test_a_writer_killed_at_any_moment_loses_nothing_it_had_confirmed(tmp_path: Path) -> None:
    dice = random.Random(7)
    confirmed = 0
    for _ in range(12):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(dice.uniform(0, 0.05))
        psutil.Process(writer.pid).kill()
        rest = writer.stdout.read().split()
        writer.stdout.close()
        writer.wait()
        confirmed = int(rest[-1]) if rest else confirmed

        memory = FileJournal(tmp_path).load()

        assert memory.image is not None
        assert memory.entries[-1].seq >= memory.image.connection_epoch >= confirmed
        numbers = [entry.seq for entry in memory.entries]
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert numbers[0] <= max(1, confirmed - 3)


def test_a_record_written_just_before_the_end_is_not_written_twice() -> None:
    bench = Bench()
    bench.document(unlocked(1, lease()))
    bench.wait(MINUTE_MS)
    image = bench.image
    assert image is not None
    assert image.stretch is not None
    bench.document(locked(2))

    # The record reached the journal; the state that knows of it did not reach the disk.
    again = Bench(now=bench.now, identity=IDENTITY, image=image, entries=bench.entries)

    (record,) = again.state.usage.records[:1]
    assert record.end is UsageEnd.DOCUMENT
    assert [one.seq for one in again.state.usage.records] == [record.seq]


def test_a_lost_memory_takes_no_number_of_this_boot_again() -> None:
    bench = Bench()
    bench.document(unlocked(1, lease()))
    bench.wait(MINUTE_MS)
    bench.document(locked(2))
    used_seq = bench.state.usage.next_seq - 1

    again = Bench(now=Instant(bench.now.boot_ms + 1, bench.now.wall_ms))

    assert again.state.usage.next_seq > used_seq + 1


def test_a_book_that_is_full_drops_its_oldest_and_counts_them() -> None:
    book = UsageBook()
    for _ in range(MAX_JOURNAL_ENTRIES + 5):
        book = book.noted(JournalEventKind.BOOT, boot_id="b", since=START, until=START)
    assert (len(book.entries), book.dropped_count) == (MAX_JOURNAL_ENTRIES, 5)
    assert book.entries[0].seq == 6
    assert book.acknowledged(UsageAck(boot_id="b", seq=6)).entries[0].seq == 7


def test_the_memory_twin_keeps_the_last() -> None:
    journal = MemoryJournal()
    assert journal.load().image is None
    image, entries = an_eventful_life()
    journal.save(image)
    journal.append(entries)
    journal.append(entries)
    assert journal.load().image is image
    assert journal.load().entries == entries
    journal.forget(entries[-1].seq)
    assert journal.load().entries == entries[-1:]
    assert begin(IDENTITY, image, Bench().now).document == image.document


def test_what_the_last_release_kept_in_one_file_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / OLD_FILE).write_bytes((GOLDEN / "journal.v1.json").read_bytes())

    journal = FileJournal(tmp_path)
    memory = journal.load()

    assert memory.image is not None
    assert memory.image.document is not None
    assert memory.image.stretch is not None
    assert [entry.seq for entry in memory.entries] == [1]
    assert memory.image.next_seq == 2
    journal.save(memory.image)
    assert sorted(path.name for path in tmp_path.iterdir()) == [STATE_FILE, USAGE_FILE]
    assert FileJournal(tmp_path).load() == memory


def test_an_old_file_that_cannot_be_read_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / OLD_FILE).write_bytes(b'{"boot_id": 1}')
    assert FileJournal(tmp_path).load().image is None
    assert (tmp_path / "journal.unreadable").exists()


def test_stored_documents_of_this_version_are_read() -> None:
    """Never edited: when the shape changes, the version rises and a file is laid beside it."""
    image = read_image((GOLDEN / "state.v2").read_bytes())
    assert image.document is not None
    assert image.document.lease is not None
    assert image.grants[0].lease_id == image.document.lease.lease_id
    lines = (GOLDEN / "usage.v1.journal").read_bytes().splitlines()
    found = [decode_line(line) for line in lines]
    assert [type(entry).__name__ for entry in found] == ["JournalEvent", "UsageRecord"]


def test_todays_documents_still_have_what_the_stored_ones_have() -> None:
    state = (GOLDEN / "state.v2").read_bytes()
    today = write_image(read_image(state))
    assert _fields(state) <= _fields(today)
    for line in (GOLDEN / "usage.v1.journal").read_bytes().splitlines():
        entry = decode_line(line)
        assert entry is not None
        assert _fields(line) <= _fields(encode_line(entry))


def _fields(stored: bytes) -> set[str]:
    return _names(json.loads(stored.partition(b" ")[2]))


def _names(value: object, path: str = "") -> set[str]:
    if isinstance(value, dict):
        own = {f"{path}.{name}" for name in value}
        return own.union(*(_names(item, f"{path}.{name}") for name, item in value.items()))
    if isinstance(value, list) and value:
        return _names(value[0], path + "[]")
    return set()


def test_a_frozen_stretch_ends_where_the_agent_last_lived() -> None:
    bench = Bench(frozen_after_ms=10_000)
    bench.document(unlocked(1, lease()))
    bench.wait(1_000)
    bench.wait(5 * MINUTE_MS)
    freeze, record = bench.state.usage.entries
    assert isinstance(freeze, JournalEvent)
    assert (freeze.kind, freeze.session_id) == (JournalEventKind.FREEZE, "s1")
    assert freeze.ended_boot_ms - freeze.started_boot_ms == 5 * MINUTE_MS
    assert record.ended_boot_ms == freeze.started_boot_ms
    assert bench.state.usage.stretch is not None
    assert bench.state.usage.stretch.since == bench.now
