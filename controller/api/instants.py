"""Instants at the edge: RFC 3339 outside, UTC milliseconds inside."""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from schemas.instants import EPOCH, render_instant

__all__ = ["Instant", "InstantMs", "parse_instant", "render_instant"]

_LATEST_MS = 253_402_300_799_999


def parse_instant(text: object) -> int:
    """UTC milliseconds of an RFC 3339 instant with an offset.

    Raises ValueError for anything else: numbers, dates, local times without an offset.
    """
    if not isinstance(text, str):
        raise ValueError("an RFC 3339 instant is a string")  # noqa: TRY004 -- a wrong field
    if len(text) < len("2026-01-01T00:00:00Z") or text[10] not in "Tt":
        raise ValueError("not an RFC 3339 instant such as 2026-11-22T18:00:00Z")
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("an instant needs an offset: end it with Z or +01:00")
    at_ms = (instant - EPOCH) // timedelta(milliseconds=1)
    if not 0 <= at_ms <= _LATEST_MS:
        raise ValueError("an instant between 1970 and 9999")
    return at_ms


InstantMs = Annotated[
    int,
    BeforeValidator(parse_instant),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A request field: RFC 3339 text on the wire, UTC milliseconds in the model."""

Instant = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""A response field, already rendered."""
