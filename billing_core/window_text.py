"""Windows as people write them: ``fri,sat 23:00-07:00``, ``mon-fri``, ``2026-05-01 10:00-02:00``.

A window is up to three words in any order: days (``mon-fri``, ``sat,sun``, ``daily``), hours
(``HH:MM-HH:MM``), and dates (``2026-06-01..2026-08-31`` limits the days, and may be open at one
end; a list of single dates is an exception that beats weekdays).
"""

import re
from dataclasses import replace
from datetime import date
from typing import Final

from billing_core.window import EVERY_DAY, MINUTES_PER_DAY, TimeWindow

DAY_NAMES: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS: Final = re.compile(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})")
_DATE: Final = r"\d{4}-\d{2}-\d{2}"
_RANGE: Final = re.compile(rf"({_DATE})?\.\.({_DATE})?")
_DATES: Final = re.compile(rf"{_DATE}(,{_DATE})*")


def parse_window(text: str) -> TimeWindow:
    """Read one window. Raises ValueError with what is wrong."""
    window = TimeWindow()
    words = text.lower().split()
    if not words:
        raise ValueError("an empty window; leave the list empty for always")
    for word in words:
        window = _with_word(window, word)
    return window


def _with_word(window: TimeWindow, word: str) -> TimeWindow:
    if match := _HOURS.fullmatch(word):
        start, end = _minute(match[1], match[2]), _minute(match[3], match[4])
        return replace(window, start_minute=start % MINUTES_PER_DAY, end_minute=end)
    if match := _RANGE.fullmatch(word):
        from_date, until_date = _date(match[1]), _date(match[2])
        if from_date is None and until_date is None:
            raise ValueError(f"{word!r} names no date")
        if from_date is not None and until_date is not None and until_date < from_date:
            raise ValueError(f"{word!r} ends before it begins")
        return replace(window, from_date=from_date, until_date=until_date)
    if _DATES.fullmatch(word):
        return replace(window, dates=tuple(date.fromisoformat(day) for day in word.split(",")))
    return replace(window, weekdays=_weekdays(word))


def _date(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _minute(hour: str, minute: str) -> int:
    total = int(hour) * 60 + int(minute)
    if int(minute) > 59 or total > MINUTES_PER_DAY:
        raise ValueError(f"{hour}:{minute} is not a time of day")
    return total % MINUTES_PER_DAY


def _weekdays(word: str) -> tuple[int, ...]:
    if word == "daily":
        return EVERY_DAY
    days: list[int] = []
    for part in word.split(","):
        first, dash, last = part.partition("-")
        if first not in DAY_NAMES or (dash and last not in DAY_NAMES):
            raise ValueError(f"{part!r} is neither days, hours nor dates")
        start = DAY_NAMES.index(first)
        end = DAY_NAMES.index(last) if dash else start
        days += [(start + step) % 7 for step in range((end - start) % 7 + 1)]
    return tuple(sorted(set(days)))


def window_text(window: TimeWindow) -> str:
    """The window as people write it; ``parse_window`` reads it back."""
    words = []
    if window.weekdays != EVERY_DAY:
        words.append(",".join(DAY_NAMES[day] for day in window.weekdays))
    if (window.start_minute, window.end_minute) != (0, 0):
        words.append(f"{_clock(window.start_minute)}-{_clock(window.end_minute)}")
    if window.from_date is not None or window.until_date is not None:
        words.append(f"{window.from_date or ''}..{window.until_date or ''}")
    if window.dates:
        words.append(",".join(day.isoformat() for day in window.dates))
    return " ".join(words) or "daily"


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
