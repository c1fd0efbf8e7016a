"""What the agent makes on Windows, and who may touch it. To be run as SYSTEM."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import win32security
import win32ts

from pc_daemon.boots import counted_boot
from pc_daemon.clock import Instant
from pc_daemon.journal_file import JournalFile, encode_line
from pc_daemon.private_file import write_private
from pc_daemon.session_launch import SessionProcess, UserSession
from pc_daemon.usage import UsageBook
from pc_daemon.windows_rights import shut_folder
from pc_daemon.windows_session import ConsoleProcess, signed_in_session, start_with
from schemas.journal_events import JournalEventKind

SYSTEM, ADMINISTRATORS = "S-1-5-18", "S-1-5-32-544"
ECHO = "import os, sys; print(os.environ.get('PYTHONPATH'), flush=True); print(input(), flush=True)"
DEAF = "import time; time.sleep(60)"


def allowed(path: Path) -> set[str]:
    """Whom a file's list names."""
    found = win32security.GetFileSecurity(str(path), win32security.DACL_SECURITY_INFORMATION)
    dacl = found.GetSecurityDescriptorDacl()
    sids = [dacl.GetAce(number)[2] for number in range(dacl.GetAceCount())]
    return {win32security.ConvertSidToStringSid(sid) for sid in sids}


def test_a_private_file_is_the_systems_and_whole(tmp_path: Path) -> None:
    file = tmp_path / "pc.toml"
    write_private(file, b"one\n")
    write_private(file, b"two\nthree\n")
    assert file.read_bytes() == b"two\nthree\n"
    assert allowed(file) == {SYSTEM, ADMINISTRATORS}


def test_what_is_in_a_shut_folder_is_the_systems(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "before").write_bytes(b"x")
    shut_folder(folder)
    (folder / "after").write_bytes(b"x")
    for path in (folder, folder / "before", folder / "after"):
        assert allowed(path) == {SYSTEM, ADMINISTRATORS}


def test_a_journals_lines_end_as_they_were_written(tmp_path: Path) -> None:
    book = UsageBook(next_seq=1).noted(
        JournalEventKind.BOOT, boot_id="b", since=Instant(1, 1), until=Instant(1, 1)
    )
    (event,) = book.entries
    file = JournalFile(tmp_path / "usage.journal")
    file.load()
    file.append((event,))
    assert (tmp_path / "usage.journal").read_bytes() == encode_line(event)


def test_windows_counts_its_boots() -> None:
    assert (counted_boot() or "").isdigit()


@pytest.fixture
def session() -> int:
    found = signed_in_session()
    assert found is not None
    return found


@contextmanager
def started(program: str, session: int | None) -> Iterator[SessionProcess]:
    """As the service starts a screen, or as an agent at a desktop does; ended afterwards."""
    argv = [sys.executable, "-c", program]
    if session is None:
        process = UserSession()(argv)
    else:
        process = start_with(win32ts.WTSQueryUserToken(session), argv, session)
    try:
        yield process
    finally:
        process.kill()
        process.stdin.close()
        process.stdout.close()


def test_a_program_of_the_session_hears_and_is_heard_and_has_no_variables_of_a_user(
    session: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", r"C:\a\players\folder")
    with started(ECHO, session) as process:
        assert process.stdout.readline().strip() == b"None"
        assert process.poll() is None
        os.write(process.stdin.fileno(), b"hello\n")
        assert process.stdout.readline().strip() == b"hello"
        assert process.stdout.readline() == b""
        assert ended(process) == 0


def test_a_program_that_is_killed_has_ended(session: int) -> None:
    with started(DEAF, session) as process:
        assert process.poll() is None
        process.kill()
        assert ended(process) == 1


def test_a_program_of_a_session_that_left_the_console_ends(session: int) -> None:
    with started(DEAF, session) as process:
        assert isinstance(process, ConsoleProcess)
        process.session += 1
        assert process.poll() is not None
        assert ended(process) is not None


@pytest.mark.parametrize("at_a_desktop", [True, False])
def test_a_program_that_does_not_read_is_not_waited_for(
    session: int, *, at_a_desktop: bool
) -> None:
    with started(DEAF, None if at_a_desktop else session) as process:
        began_s = time.monotonic()
        assert not all(takes_all(process, b"x" * 10_000) for _ in range(100))
        assert time.monotonic() - began_s < 5


def takes_all(process: SessionProcess, content: bytes) -> bool:
    try:
        return os.write(process.stdin.fileno(), content) == len(content)
    except OSError:
        return False


def ended(process: SessionProcess) -> int | None:
    for _ in range(100):
        status = process.poll()
        if status is not None:
            return status
        time.sleep(0.1)
    return None
