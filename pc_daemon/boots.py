"""Which boot of this machine it is: the same for every agent started within one.

Linux names each boot. Windows only counts them, and other systems tell nothing; there a name is
drawn at the first start within a boot and kept in a file beside the boot clock's reading.
"""

import contextlib
import json
import sys
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from pc_daemon.clock import Instant
from pc_daemon.durable_file import replace_file

_LINUX_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_NOTE: Final = "boot.json"
CLOCKS_AGREE_MS: Final = 5_000
"""Within one boot both clocks go on alike; a calendar set in between costs a new name."""


@dataclass(frozen=True, slots=True)
class BootNote:
    """``name`` was drawn when the clocks stood so and the system counted ``count`` boots."""

    name: str
    boot_ms: int
    wall_ms: int
    count: str | None = None

    def still_holds(self, now: Instant, count: str | None) -> bool:
        """Whether it is still that boot. A boot clock that went back was another."""
        since_boot_ms = now.boot_ms - self.boot_ms
        if since_boot_ms < 0:
            return False
        if count is not None or self.count is not None:
            return count == self.count
        return abs(now.wall_ms - self.wall_ms - since_boot_ms) <= CLOCKS_AGREE_MS


def boot_id(
    folder: Path,
    now: Instant,
    *,
    named: Callable[[], str | None] | None = None,
    counted: Callable[[], str | None] | None = None,
    draw: Callable[[], str] = lambda: str(uuid.uuid4()),
) -> str:
    """The name of this boot; ``folder`` keeps it where the system has none. Raises ``OSError``."""
    name = (named or named_boot)()
    if name is not None:
        return name
    count = (counted or counted_boot)()
    note = _read(folder / _NOTE)
    if note is not None and note.still_holds(now, count):
        return note.name
    note = BootNote(draw(), now.boot_ms, now.wall_ms, count)
    replace_file(folder / _NOTE, json.dumps(asdict(note)).encode())
    return note.name


def named_boot() -> str | None:
    """The system's own name of this boot."""
    with contextlib.suppress(OSError):
        return _LINUX_BOOT_ID.read_text().strip()
    return None


def _read(file: Path) -> BootNote | None:
    try:
        read = json.loads(file.read_text())
        count = read["count"]
        return BootNote(
            str(read["name"]),
            int(read["boot_ms"]),
            int(read["wall_ms"]),
            None if count is None else str(count),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


if sys.platform == "win32":
    import winreg

    _PREFETCH: Final = (
        r"SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters"
    )

    def counted_boot() -> str | None:
        """How often Windows was started; None where it does not count."""
        with (
            contextlib.suppress(OSError),
            winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _PREFETCH) as key,
        ):
            return str(winreg.QueryValueEx(key, "BootId")[0])
        return None

else:

    def counted_boot() -> str | None:
        """Nobody counts."""
        return None
