"""Remembers a process across our own restarts, by number and by when it began."""

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from pc_daemon.durable_file import replace_file

_SAME_WITHIN_S: Final = 1.0
_END_WITHIN_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class NotedProcess:
    """A process that was running when it was noted; its number may be another's by now."""

    pid: int
    began_s: float

    def end(self) -> None:
        """Kill it, if it is still the one that was noted."""
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.began_s) <= _SAME_WITHIN_S:
                process.kill()
                process.wait(_END_WITHIN_S)


def keep_note(file: Path, pid: int) -> None:
    """Write down who runs now. A process that is gone already leaves no note."""
    with contextlib.suppress(psutil.Error):
        noted_now = {"pid": pid, "began_s": psutil.Process(pid).create_time()}
        replace_file(file, json.dumps(noted_now).encode())


def noted(file: Path, *, besides: int) -> NotedProcess | None:
    """Who was noted last, unless it is ``besides`` or the note cannot be read."""
    try:
        read = json.loads(file.read_text())
        found = NotedProcess(int(read["pid"]), float(read["began_s"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None if found.pid == besides else found
