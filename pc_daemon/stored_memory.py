"""The small state an agent keeps, as stored: versions, checks, and the step from the last one."""

import zlib
from dataclasses import replace
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from pc_daemon.agent_state import MemoryImage
from pc_daemon.usage import Entry, Stretch
from schemas.device import UsageRecord


class UnreadableMemoryError(ValueError):
    """Bytes that are not a state of this or the last release."""


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    v: Literal[2] = 2
    image: MemoryImage


class _OldUsage(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    stretch: Stretch | None = None
    records: tuple[UsageRecord, ...] = ()
    next_seq: int = 1
    dropped_count: int = 0


class _Old(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    usage: _OldUsage = _OldUsage()


_IMAGE: Final = TypeAdapter(MemoryImage)


def write_image(image: MemoryImage) -> bytes:
    """The image as it is stored: CRC-32, a space, JSON."""
    body = _Stored(image=image).model_dump_json(exclude_none=True).encode()
    return b"%08x %b\n" % (zlib.crc32(body), body)


def read_image(raw: bytes) -> MemoryImage:
    """The image in ``raw``. Raises UnreadableMemoryError: torn, damaged, or from the future."""
    crc, _, body = raw.removesuffix(b"\n").partition(b" ")
    if crc != b"%08x" % zlib.crc32(body):
        raise UnreadableMemoryError("its checksum does not fit")
    try:
        return _Stored.model_validate_json(body).image
    except ValidationError as error:
        raise UnreadableMemoryError(f"{error.error_count()} errors") from None


def read_old_journal(raw: bytes) -> tuple[MemoryImage, tuple[Entry, ...]]:
    """State and records as release 0.1 kept them together. Raises UnreadableMemoryError."""
    try:
        usage = _Old.model_validate_json(raw).usage
        image = replace(
            _IMAGE.validate_json(raw),
            stretch=usage.stretch,
            next_seq=usage.next_seq,
            dropped_count=usage.dropped_count,
        )
    except ValidationError as error:
        raise UnreadableMemoryError(f"{error.error_count()} errors") from None
    return image, usage.records
