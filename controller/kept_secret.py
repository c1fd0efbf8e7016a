"""A secret that is made once and kept in a file."""

import os
import secrets
from pathlib import Path


def kept_secret(file: Path, fresh: str) -> Path:
    """A file with a secret only its owner reads, written with ``fresh`` the first time.

    Two who make it at once agree on one. Raises OSError where it cannot be written.
    """
    if file.exists():
        return file
    mine = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    mine.touch(mode=0o600)
    try:
        mine.write_text(fresh)
        os.link(mine, file)
    except FileExistsError:
        # The other one's is as good, and whole: a link is there at once.
        return file
    finally:
        mine.unlink()
    return file
