"""Files that only the system's own account may read: secrets of this PC."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

_SYSTEM: Final = "*S-1-5-18:F"
_ADMINISTRATORS: Final = "*S-1-5-32-544:F"


def write_private(path: Path, content: bytes) -> None:
    """Replace a file whole; nobody but its owner (Windows: SYSTEM and administrators) reads it,
    not even for a moment. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        if sys.platform == "win32":
            _shut(fresh)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _shut(path: Path) -> None:
    """Leave a file to SYSTEM and the administrators."""
    argv = ["icacls", str(path), "/inheritance:r", "/grant:r", _SYSTEM, _ADMINISTRATORS]
    try:
        subprocess.run(argv, check=True, capture_output=True)  # noqa: S603 - fixed words
    except subprocess.CalledProcessError as error:
        raise PermissionError(f"{path} could not be shut to players") from error
