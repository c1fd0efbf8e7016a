"""Where an agent's memory survives: one file replaced atomically, or memory for simulations."""

import contextlib
import logging
import os
from pathlib import Path
from typing import Protocol

from pydantic import TypeAdapter, ValidationError

from pc_daemon.agent_state import JournalImage

_logger = logging.getLogger("clubctl.pc.journal")
_IMAGE = TypeAdapter(JournalImage)


class Journal(Protocol):
    """Keeps the last image."""

    def load(self) -> JournalImage | None:
        """The last image that was saved whole, or None."""

    def save(self, image: JournalImage) -> None:
        """Make ``image`` durable before returning. Raises ``OSError``."""


class MemoryJournal:
    """Survives the agent but not the process."""

    def __init__(self) -> None:
        self._image: JournalImage | None = None

    def load(self) -> JournalImage | None:
        """See ``Journal``."""
        return self._image

    def save(self, image: JournalImage) -> None:
        """See ``Journal``."""
        self._image = image


class FileJournal:
    """One JSON file: written beside, fsynced, renamed over, its folder fsynced.

    A file that cannot be read is set aside for inspection; the PC then starts locked, as it does
    on a diskless image.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> JournalImage | None:
        """See ``Journal``."""
        try:
            return _IMAGE.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            aside = self._path.with_suffix(".unreadable")
            self._path.replace(aside)
            _logger.warning("journal set aside as %s: %s errors", aside, error.error_count())
            return None

    def save(self, image: JournalImage) -> None:
        """See ``Journal``."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(_IMAGE.dump_json(image))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        _fsync_folder(self._path.parent)


def _fsync_folder(folder: Path) -> None:
    # Windows cannot open a folder; its rename is made durable by the file system's own log.
    with contextlib.suppress(PermissionError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
