"""Instants as outsiders read them: RFC 3339 in UTC, from UTC milliseconds."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def render_instant(at_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds and ``Z``, such as ``2026-11-22T05:30:00.000Z``."""
    instant = EPOCH + timedelta(milliseconds=at_ms)
    return instant.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
