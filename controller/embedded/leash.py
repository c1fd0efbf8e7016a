"""Become another program that dies with the parent: ``leash.py <parent pid> <program> <args>``.

Linux sends the signal when the *thread* that made the child ends, and keeps the wish over exec.
Elsewhere a parent that is killed leaves the program running.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent, then become the program."""
    parent_pid = int(sys.argv[1])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        # The parent died before the wish was heard.
        sys.exit(1)
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - becoming the program is the point


if __name__ == "__main__":
    main()
