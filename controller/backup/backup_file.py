"""The file: gzip, one JSON object a line, the last one with the SHA-256 of all before it.

The first line is ``{"format", "v", "taken_at_ms", "chains"}``. A line of a chain's store has
``kind`` ``hash``, ``string`` or ``stream``, one of its archive ``rows``; all name their chain.
"""

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import orjson

FORMAT: Final = "clubctl-backup"
VERSION: Final = 1
END: Final = "end"

Line = dict[str, Any]


class BackupError(Exception):
    """The file is not a whole backup, or there is something where it should be restored."""


@dataclass(slots=True)
class BackupWriter:
    """Lines into a file under another name until the last one is there."""

    file: IO[bytes]
    lines: int = 0
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def write(self, line: Line) -> None:
        """Add a line."""
        encoded = orjson.dumps(line) + b"\n"
        self.digest.update(encoded)
        self.file.write(encoded)
        self.lines += 1


@contextmanager
def written(path: Path) -> Iterator[BackupWriter]:
    """A writer whose file appears, whole and on disk, when the block ends well."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    with unfinished.open("wb") as raw:
        os.fchmod(raw.fileno(), 0o600)
        with gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0) as packed:
            writer = BackupWriter(packed)  # type: ignore[arg-type]  # it writes bytes
            yield writer
            end = {"kind": END, "lines": writer.lines, "sha256": writer.digest.hexdigest()}
            packed.write(orjson.dumps(end) + b"\n")
        raw.flush()
        os.fsync(raw.fileno())
    unfinished.replace(path)


def read_checked(path: Path) -> Iterator[Line]:
    """The header and every line, but for the end; the file is read twice. Raises BackupError.

    Nothing is given before the whole file was found to be what was written.
    """
    header = _check(path)
    if header.get("format") != FORMAT or header.get("v") != VERSION:
        raise BackupError(f"{path}: not a backup of version {VERSION}")
    for line in _lines(path):
        document: Line = orjson.loads(line)
        if document.get("kind") != END:
            yield document


def _check(path: Path) -> Line:
    digest, count, header, last = hashlib.sha256(), 0, None, b""
    for line in _lines(path):
        if last:
            digest.update(last)
            count += 1
            header = header or last
        last = line
    if header is None:
        raise BackupError(f"{path}: {'not a backup' if last else 'empty'}")
    try:
        first, end = orjson.loads(header), orjson.loads(last)
    except orjson.JSONDecodeError as error:
        raise BackupError(f"{path}: cut off or damaged") from error
    if not isinstance(first, dict) or not isinstance(end, dict):
        raise BackupError(f"{path}: not a backup")
    if (end.get("kind"), end.get("lines")) != (END, count):
        raise BackupError(f"{path}: cut off after {count} lines")
    if end["sha256"] != digest.hexdigest():
        raise BackupError(f"{path}: damaged, the checksum is another one")
    return first


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path, "rb") as file:
            yield from file
    except (OSError, EOFError, zlib.error) as error:
        raise BackupError(f"{path}: {error}") from error
