"""Windows of local time: weekdays, hours, date ranges, holidays, in the club's IANA zone.

A window belongs to the local day it starts on, is half-open, and is as long as the clocks make
it: 23:00-07:00 lasts nine real hours in the night the clocks go back and seven in the night they
go forward. A wall time that the clocks skip means the instant they skip it; a wall time that
comes twice means the first.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from billing_core.money import MS_PER_DAY

MINUTES_PER_DAY: Final = 1_440
EVERY_DAY: Final = (0, 1, 2, 3, 4, 5, 6)
LOOKAHEAD_DAYS: Final = 60
"""How far a contiguous stretch or the next opening is followed before calling it endless."""
_CACHED_DAYS: Final = 16_384

Interval = tuple[int, int]


class UnknownTimezoneError(ValueError):
    """A zone name that is not in the IANA database: a configuration error."""


@lru_cache(maxsize=1_024)
def zone_of(timezone: str) -> ZoneInfo:
    """The IANA zone. Raises UnknownTimezoneError."""
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnknownTimezoneError(f"unknown time zone {timezone!r}") from error


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """``[start_minute, end_minute)`` of each of its days; an end at or before the start wraps.

    ``weekdays`` count from Monday = 0. ``from_date``/``until_date`` (both inclusive) limit the
    start day. ``dates`` makes it a dated exception: it holds on those days only, whatever their
    weekday, and on those days it replaces the schedule's windows without dates.
    """

    start_minute: int = 0
    end_minute: int = 0
    weekdays: tuple[int, ...] = EVERY_DAY
    from_date: date | None = None
    until_date: date | None = None
    dates: tuple[date, ...] = ()

    def starts_on(self, day: date) -> bool:
        """Whether this window begins on the local ``day``."""
        if self.dates:
            return day in self.dates
        if day.weekday() not in self.weekdays:
            return False
        if self.from_date is not None and day < self.from_date:
            return False
        return self.until_date is None or day <= self.until_date


@dataclass(frozen=True, slots=True)
class Schedule:
    """Any of the windows. No windows means always; ``closed_dates`` start nothing."""

    windows: tuple[TimeWindow, ...] = ()
    closed_dates: tuple[date, ...] = ()

    @property
    def is_always(self) -> bool:
        """No restriction at all."""
        return not self.windows and not self.closed_dates


ALWAYS: Final = Schedule()


def _instant_ms(day: date, minute: int, timezone: str) -> int:
    zone = zone_of(timezone)
    midnight = datetime.combine(day + timedelta(days=minute // MINUTES_PER_DAY), time(), zone)
    wall = midnight.replace(hour=minute % MINUTES_PER_DAY // 60, minute=minute % 60)
    early_s = int(wall.timestamp())
    late_s = int(wall.replace(fold=1).timestamp())
    if late_s >= early_s:
        return early_s * 1_000
    return _skip_ms(late_s, early_s, zone)


def _skip_ms(before_s: int, after_s: int, zone: ZoneInfo) -> int:
    """The instant between two where the zone's offset changes."""
    offset = _offset(before_s, zone)
    while after_s - before_s > 1:
        middle_s = (before_s + after_s) // 2
        if _offset(middle_s, zone) == offset:
            before_s = middle_s
        else:
            after_s = middle_s
    return after_s * 1_000


def _offset(at_s: int, zone: ZoneInfo) -> timedelta | None:
    return datetime.fromtimestamp(at_s, UTC).astimezone(zone).utcoffset()


def local_date(at_ms: int, timezone: str) -> date:
    """The local day of an instant."""
    return datetime.fromtimestamp(at_ms / 1_000, zone_of(timezone)).date()


def day_start_ms(day: date, timezone: str) -> int:
    """The first instant of a local day."""
    return _instant_ms(day, 0, timezone)


@lru_cache(maxsize=_CACHED_DAYS)
def intervals_starting_on(schedule: Schedule, timezone: str, day: date) -> tuple[Interval, ...]:
    """Intervals of UTC ms that begin on a local day, in order of their windows."""
    dated = tuple(window for window in schedule.windows if day in window.dates)
    if not dated and day in schedule.closed_dates:
        return ()
    if not schedule.windows:
        whole_day = (day_start_ms(day, timezone), day_start_ms(day + timedelta(1), timezone))
        return (whole_day,)
    intervals = []
    for window in dated or schedule.windows:
        if window.starts_on(day):
            wraps = window.end_minute <= window.start_minute
            end_minute = window.end_minute + (MINUTES_PER_DAY if wraps else 0)
            start_ms = _instant_ms(day, window.start_minute, timezone)
            end_ms = _instant_ms(day, end_minute, timezone)
            if start_ms < end_ms:
                intervals.append((start_ms, end_ms))
    return tuple(intervals)


def _intervals_from(schedule: Schedule, timezone: str, at_ms: int) -> Iterator[Interval]:
    """Intervals that may matter at or after an instant, by their start day."""
    day = local_date(at_ms, timezone) - timedelta(days=1)
    for _ in range(LOOKAHEAD_DAYS):
        yield from sorted(intervals_starting_on(schedule, timezone, day))
        day += timedelta(days=1)


def open_until_ms(schedule: Schedule, timezone: str, at_ms: int) -> int | None:
    """End of the open stretch that contains ``at_ms``; None when it is closed then.

    Windows that touch or overlap are one stretch. A schedule that never closes, and one open for
    longer than the look-ahead, answer with an instant at least :data:`LOOKAHEAD_DAYS` - 2 days
    away.
    """
    if schedule.is_always:
        return at_ms + LOOKAHEAD_DAYS * MS_PER_DAY
    reach_ms = at_ms
    for start_ms, end_ms in _intervals_from(schedule, timezone, at_ms):
        if start_ms > reach_ms:
            break
        reach_ms = max(reach_ms, end_ms)
    return reach_ms if reach_ms > at_ms else None


def is_open(schedule: Schedule, timezone: str, at_ms: int) -> bool:
    """Whether the instant lies in any window."""
    return open_until_ms(schedule, timezone, at_ms) is not None


def next_edge_ms(schedule: Schedule, timezone: str, at_ms: int) -> int | None:
    """The next instant after ``at_ms`` at which the schedule opens or closes; None if far away."""
    if schedule.is_always:
        return None
    until_ms = open_until_ms(schedule, timezone, at_ms)
    if until_ms is not None:
        return until_ms
    for start_ms, _ in _intervals_from(schedule, timezone, at_ms):
        if start_ms > at_ms:
            return start_ms
    return None
