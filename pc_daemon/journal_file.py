"""The append-only file of what a PC can prove. One line an entry: CRC-32, a space, JSON.

A crash can only tear the last line; it is cut off at the next start, and was never confirmed. A
line damaged in the middle, by the disk or by hand, is left out and counted; the others stand.
"""

import logging
import os
import zlib
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pc_daemon.durable_file import AS_IT_IS, fsync_folder, replace_file
from pc_daemon.usage import Entry
from schemas.device import UsageRecord
from schemas.journal_events import JournalEvent

_logger = logging.getLogger("clubctl.pc.journal")

DEAD_BYTES_KEPT: Final = 64 * 1024
"""Acknowledged lines weighing less than this may stay until all are acknowledged."""
_CRC_DIGITS: Final = 8


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    v: Literal[1] = 1
    record: UsageRecord | None = None
    event: JournalEvent | None = None


class JournalFile:
    """Lines by ascending number. ``damaged`` counts lines left out by the last :meth:`load`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[tuple[int, bytes]] = []
        """(number, line) of what is in the file, in its order."""
        self._needed_from = 0
        self.damaged = 0

    def load(self) -> tuple[Entry, ...]:
        """Every whole entry; what a crash tore off is cut off. Raises ``OSError``."""
        raw = self._path.read_bytes() if self._path.exists() else b""
        self.damaged, self._lines = 0, []
        entries: list[Entry] = []
        *whole, torn = raw.split(b"\n")
        for line in whole:
            entry = decode_line(line)
            if entry is None or (entries and entry.seq <= entries[-1].seq):
                self.damaged += 1
                continue
            entries.append(entry)
            self._lines.append((entry.seq, line + b"\n"))
        if torn or self.damaged:
            _logger.warning("%s: %s lines left out", self._path, self.damaged + bool(torn))
            self._rewrite()
        return tuple(entries)

    def append(self, entries: tuple[Entry, ...]) -> None:
        """Add the entries that are not there yet, all or none. Raises ``OSError``."""
        last_seq = self._lines[-1][0] if self._lines else -1
        fresh = [(one.seq, encode_line(one)) for one in entries if one.seq > last_seq]
        if not fresh:
            return
        is_new = not self._path.exists()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | AS_IT_IS, 0o600)
        try:
            self._write(handle, b"".join(line for _, line in fresh))
        finally:
            os.close(handle)
        if is_new:
            fsync_folder(self._path.parent)
        self._lines += fresh

    def forget(self, before_seq: int) -> None:
        """Lines below ``before_seq`` may go. Raises ``OSError``."""
        self._needed_from = max(self._needed_from, before_seq)
        dead = [line for seq, line in self._lines if seq < self._needed_from]
        if not dead:
            return
        if len(dead) < len(self._lines) and sum(map(len, dead)) < DEAD_BYTES_KEPT:
            return
        lines, self._lines = self._lines, self._lines[len(dead) :]
        try:
            self._rewrite()
        except OSError:
            self._lines = lines
            raise

    def _write(self, handle: int, content: bytes) -> None:
        """Write behind the last whole line, over what an append that failed may have left."""
        end = sum(len(line) for _, line in self._lines)
        os.ftruncate(handle, end)
        os.lseek(handle, end, os.SEEK_SET)
        while content:
            content = content[os.write(handle, content) :]
        os.fsync(handle)

    def _rewrite(self) -> None:
        replace_file(self._path, b"".join(line for _, line in self._lines))


def encode_line(entry: Entry) -> bytes:
    """One entry as it is stored, with its end of line."""
    is_record = isinstance(entry, UsageRecord)
    line = _Line(record=entry) if is_record else _Line(event=entry)
    body = line.model_dump_json(exclude_none=True).encode()
    return b"%08x %b\n" % (zlib.crc32(body), body)


def decode_line(line: bytes) -> Entry | None:
    """The entry of one line without its end, or None when it is damaged."""
    crc, _, body = line.partition(b" ")
    if len(crc) != _CRC_DIGITS or crc != b"%08x" % zlib.crc32(body):
        return None
    try:
        found = _Line.model_validate_json(body)
    except ValidationError:
        return None
    return found.record or found.event
