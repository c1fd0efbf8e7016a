"""Files that only the system's own account may read: secrets of this PC."""

import os
import sys
from pathlib import Path
from typing import IO


def write_private(path: Path, content: bytes) -> None:
    """Replace a file whole; nobody but its owner (Windows: SYSTEM and administrators) reads it,
    not even for a moment. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with _new(fresh) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


if sys.platform == "win32":
    from pc_daemon.windows_rights import new_private_file as _new

else:

    def _new(path: Path) -> IO[bytes]:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
