"""The guard leaves nothing of a program behind, however either of them ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from controller.demo import guard

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

STUBBORN = """
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open(sys.argv[1], "w").write(str(os.getpid()))
    time.sleep(600)
while not os.path.exists(sys.argv[1]) or not open(sys.argv[1]).read():
    time.sleep(0.01)
if sys.argv[2] == "stays":
    time.sleep(600)
sys.exit(7)
"""


def guarded(orphan_file: Path, *, stays: bool) -> list[str]:
    """A program under guard that leaves a stubborn child of its own session."""
    program = [sys.executable, "-c", STUBBORN, str(orphan_file), "stays" if stays else "ends"]
    return [sys.executable, "-I", "-S", guard.__file__, *program]


def until_ended(pid: int) -> None:
    """Fail unless the process ends."""
    deadline_s = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline_s, f"process {pid} is still there"
        time.sleep(0.05)


def orphan_in(file: Path) -> int:
    """The stubborn child, once it has written its id."""
    deadline_s = time.monotonic() + 20
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    return int(file.read_text())


def test_what_a_program_leaves_ends_with_it_and_its_exit_code_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "orphan"
    done = subprocess.run(guarded(file, stays=False), timeout=30, check=False)
    assert done.returncode == 7
    until_ended(orphan_in(file))


def test_asked_to_end_it_ends_everything(tmp_path: Path) -> None:
    file = tmp_path / "orphan"
    process = subprocess.Popen(guarded(file, stays=True))
    orphan = orphan_in(file)
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    until_ended(orphan)


def test_its_parent_killed_it_ends_everything(tmp_path: Path) -> None:
    file = tmp_path / "orphan"
    starts = f"import subprocess; subprocess.run({guarded(file, stays=True)!r})"
    parent = subprocess.Popen([sys.executable, "-c", starts])
    orphan = orphan_in(file)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait(20)
    until_ended(orphan)
