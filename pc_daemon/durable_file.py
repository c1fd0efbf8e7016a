"""Files that are whole whatever happens: written beside, fsynced, renamed over, folder fsynced."""

import contextlib
import os
from pathlib import Path
from typing import Final

AS_IT_IS: Final[int] = getattr(os, "O_BINARY", 0)
"""Flag for ``os.open``: without it Windows puts a carriage return before every end of line."""


def replace_file(path: Path, content: bytes) -> None:
    """Make ``content`` durable under ``path``, readable by its owner only. Raises ``OSError``."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    with open(fresh, "wb", opener=_private) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    fsync_folder(path.parent)


def fsync_folder(folder: Path) -> None:
    """Make names made, changed and removed in a folder durable."""
    # Windows cannot open a folder; its rename is made durable by the file system's own log.
    with contextlib.suppress(PermissionError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)
