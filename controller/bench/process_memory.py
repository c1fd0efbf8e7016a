"""What a process costs: its share of memory and its threads, read from the kernel."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
BYTES_PER_KIB: Final = 1_024


class MemoryUnreadableError(Exception):
    """This system does not tell a process's proportional share of memory."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """``shared_bytes`` counts pages by the share this process has in them (PSS)."""

    shared_bytes: int
    threads: int


def footprint(pid: int) -> Footprint:
    """What the process uses now. Raises MemoryUnreadableError where the kernel does not say."""
    folder = PROC / str(pid)
    try:
        rollup = (folder / "smaps_rollup").read_text()
        status = (folder / "status").read_text()
    except OSError as error:
        raise MemoryUnreadableError(f"cannot read the memory of process {pid}") from error
    return Footprint(_field(rollup, "Pss:") * BYTES_PER_KIB, _field(status, "Threads:"))


def _field(text: str, name: str) -> int:
    for line in text.splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise MemoryUnreadableError(f"the kernel does not tell {name}")
