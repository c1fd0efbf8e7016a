"""Run a program and leave nothing of it behind: ``guard.py <program> <arguments>``.

Ray's helpers outlive a killed Ray by a minute. The guard is told when its own parent dies, or is
asked to end (SIGTERM); it passes that on, waits a little, and then kills every process that
descends from it, orphans included, which on Linux come to it instead of to init.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

GRACE_S = 8.0
SWEEP_S = 0.05
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


def main() -> None:
    """Run the program under guard; exits with its code."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
    program = subprocess.Popen(sys.argv[1:], preexec_fn=_unblock)  # noqa: PLW1509, S603 - one thread
    while (code := _reap(program.pid)) is None:
        if signal.sigwait(HEARD) is not signal.SIGCHLD:
            code = _ended(program)
            break
    while _children():
        for pid in _descendants():
            _signal(pid, signal.SIGKILL)
        time.sleep(SWEEP_S)
        _reap(program.pid)
    sys.exit(code)


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)


def _ended(program: "subprocess.Popen[bytes]") -> int:
    """Ask the program to end and give it its grace."""
    _signal(program.pid, signal.SIGTERM)
    for _ in range(int(GRACE_S / SWEEP_S)):
        code = _reap(program.pid)
        if code is not None:
            return code
        time.sleep(SWEEP_S)
    return 1


def _reap(program_pid: int) -> int | None:
    """Bury what has ended; the program's exit code if it is among them."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == program_pid:
            found = abs(os.waitstatus_to_exitcode(status))


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        # It was faster.
        return


def _children() -> list[int]:
    return [pid for pid, parent in _parents().items() if parent == os.getpid()]


def _descendants() -> list[int]:
    """Everything below this process, parents before their children."""
    parents = _parents()
    found, last = [], {os.getpid()}
    while last:
        last = {pid for pid, parent in parents.items() if parent in last}
        found += sorted(last)
    return found


def _parents() -> dict[int, int]:
    """Process -> parent, of all processes of this machine."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # The name in brackets may hold anything; state and parent follow it.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(folder.name)] = int(fields[1])
    return parents


if __name__ == "__main__":
    main()
