"""The journal: whole or not at all, and readable by the agent that follows."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from agent_bench import IDENTITY, MINUTE_MS, Bench, lease, locked, unlocked

from pc_daemon.agent import begin
from pc_daemon.agent_state import JournalImage
from pc_daemon.journal import FileJournal, MemoryJournal

WRITER = """
import sys
from pathlib import Path
from pc_daemon.agent_state import JournalImage
from pc_daemon.clock import Instant
from pc_daemon.journal import FileJournal
journal = FileJournal(Path(sys.argv[1]))
number = 0
while True:
    number += 1
    journal.save(JournalImage("boot", Instant(number, number), connection_epoch=number))
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


def an_eventful_image() -> JournalImage:
    bench = Bench()
    bench.online()
    bench.document(unlocked(1, lease()))
    bench.wait(MINUTE_MS)
    bench.document(locked(2))
    bench.document(unlocked(3, lease(seq=2)))
    assert bench.image is not None
    return bench.image


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    image = an_eventful_image()
    journal = FileJournal(tmp_path / "pc" / "journal.json")
    assert journal.load() is None

    journal.save(image)

    assert FileJournal(tmp_path / "pc" / "journal.json").load() == image
    assert [path.name for path in (tmp_path / "pc").iterdir()] == ["journal.json"]


@pytest.mark.parametrize("content", [b"", b"{", b'{"boot_id": 1}', b"\x00" * 300])
def test_an_unreadable_journal_is_set_aside_and_the_pc_starts_locked(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "journal.json"
    path.write_bytes(content)

    assert FileJournal(path).load() is None

    assert not path.exists()
    assert (tmp_path / "journal.unreadable").read_bytes() == content


def test_a_write_that_failed_leaves_the_last_one(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "journal.json")
    image = an_eventful_image()
    journal.save(image)
    (tmp_path / "journal.new").mkdir()

    with pytest.raises(OSError, match="directory"):
        journal.save(image)

    assert journal.load() == image


def test_a_writer_killed_in_the_middle_loses_nothing_it_had_confirmed(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    for _ in range(20):
        confirmed = int(writer.stdout.readline())
    os.kill(writer.pid, signal.SIGKILL)
    rest = writer.stdout.read().split()
    writer.stdout.close()
    writer.wait()
    confirmed = int(rest[-1]) if rest else confirmed

    image = FileJournal(path).load()

    assert image is not None
    assert confirmed <= image.connection_epoch <= confirmed + 1


def test_the_memory_twin_keeps_the_last() -> None:
    journal = MemoryJournal()
    assert journal.load() is None
    image = an_eventful_image()
    journal.save(image)
    assert journal.load() is image
    assert begin(IDENTITY, image, Bench().now).document == image.document
