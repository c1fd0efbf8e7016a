"""Where an agent's memory survives: what it counts, and what it can prove.

Two files with different lives. ``state.json`` is small and replaced whole: it holds what the
agent is in the middle of. ``usage.journal`` is only appended to, a line at a time, each line
fsynced: it holds what nobody has acknowledged yet. A line that is acknowledged goes when all
are, or when the dead ones weigh enough to write the file anew.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pc_daemon.agent_state import MemoryImage
from pc_daemon.durable_file import replace_file
from pc_daemon.journal_file import JournalFile
from pc_daemon.stored_memory import UnreadableMemoryError, read_image, read_old_journal, write_image
from pc_daemon.usage import Entry

_logger = logging.getLogger("clubctl.pc.journal")

STATE_FILE = "state.json"
USAGE_FILE = "usage.journal"
OLD_FILE = "journal.json"
"""What release 0.1 kept in one file; read once, then removed."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What an agent finds when it starts."""

    image: MemoryImage | None = None
    entries: tuple[Entry, ...] = ()


class Journal(Protocol):
    """Keeps the last image, and every entry until it is forgotten."""

    def load(self) -> Remembered:
        """The last image that was saved whole, and the entries not forgotten, oldest first."""

    def save(self, image: MemoryImage) -> None:
        """Make ``image`` durable before returning. Raises ``OSError``."""

    def append(self, entries: tuple[Entry, ...]) -> None:
        """Make entries durable before returning; those there already are left. ``OSError``."""

    def forget(self, before_seq: int) -> None:
        """Entries below ``before_seq`` are not needed any more. Raises ``OSError``."""


class MemoryJournal:
    """Survives the agent but not the process."""

    def __init__(self) -> None:
        self._image: MemoryImage | None = None
        self._entries: tuple[Entry, ...] = ()

    def load(self) -> Remembered:
        """See ``Journal``."""
        return Remembered(self._image, self._entries)

    def save(self, image: MemoryImage) -> None:
        """See ``Journal``."""
        self._image = image

    def append(self, entries: tuple[Entry, ...]) -> None:
        """See ``Journal``."""
        last_seq = self._entries[-1].seq if self._entries else -1
        self._entries += tuple(entry for entry in entries if entry.seq > last_seq)

    def forget(self, before_seq: int) -> None:
        """See ``Journal``."""
        self._entries = tuple(entry for entry in self._entries if entry.seq >= before_seq)


class FileJournal:
    """Both files in one folder, for their owner's eyes only.

    A state that cannot be read is set aside for inspection; the PC then starts locked, as it does
    on a diskless image, and unlocks once the controller has been heard.
    """

    def __init__(self, folder: Path) -> None:
        self._state = folder / STATE_FILE
        self._old = folder / OLD_FILE
        self._usage = JournalFile(folder / USAGE_FILE)

    def load(self) -> Remembered:
        """See ``Journal``."""
        entries = self._usage.load()
        image = self._read(self._state)
        if image is None and self._old.exists():
            return self._converted(entries)
        return Remembered(image, entries)

    def save(self, image: MemoryImage) -> None:
        """See ``Journal``."""
        replace_file(self._state, write_image(image))
        self._old.unlink(missing_ok=True)

    def append(self, entries: tuple[Entry, ...]) -> None:
        """See ``Journal``."""
        self._usage.append(entries)

    def forget(self, before_seq: int) -> None:
        """See ``Journal``."""
        self._usage.forget(before_seq)

    def _read(self, path: Path) -> MemoryImage | None:
        try:
            return read_image(path.read_bytes())
        except FileNotFoundError:
            return None
        except UnreadableMemoryError as error:
            self._set_aside(path, error)
            return None

    def _converted(self, entries: tuple[Entry, ...]) -> Remembered:
        try:
            image, records = read_old_journal(self._old.read_bytes())
        except UnreadableMemoryError as error:
            self._set_aside(self._old, error)
            return Remembered(None, entries)
        self._usage.append(records)
        return Remembered(image, (*entries, *records))

    def _set_aside(self, path: Path, error: UnreadableMemoryError) -> None:
        aside = path.with_suffix(".unreadable")
        path.replace(aside)
        _logger.warning("memory set aside as %s: %s", aside, error)
