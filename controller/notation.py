"""Tariffs, clubs and zones as people write them: what :mod:`billing_core.grid` reads, written.

Windows are texts, one price per hour is one number, and what is as usual is left out. Dates stay
dates, which TOML has and JSON writers turn into text.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import MISSING, fields, is_dataclass
from datetime import date
from enum import Enum
from typing import Any, Final

from billing_core.grid import grid_from_plain
from billing_core.tariff import PriceRule, Tariff, Tier
from billing_core.terms import ClubTerms, ZoneTerms
from billing_core.window import Schedule, TimeWindow
from billing_core.window_text import parse_window, window_text

Plain = dict[str, Any]
ANY_CURRENCY: Final = "EUR"
"""Where a part is read by itself: nothing of what is read depends on it."""
_NAMED_OUTSIDE: Final = {
    Tariff: {"version"},
    ClubTerms: {"club_id", "timezone", "currency"},
    ZoneTerms: set[str](),
}


def tariff_from_plain(plain: Mapping[str, Any], *, timezone: str = "UTC") -> Tariff:
    """A tariff as written, at version 1. Raises StoredValueError, its path from ``tariffs[0]``."""
    grid = {
        "timezone": timezone,
        "currency": plain.get("currency", ANY_CURRENCY),
        "tariffs": [plain],
    }
    return grid_from_plain(grid).tariffs[0]


def terms_from_plain(club: Mapping[str, Any], *, timezone: str, currency: str) -> ClubTerms:
    """A club's settings as written. Raises StoredValueError with a path from ``club``."""
    return grid_from_plain({"timezone": timezone, "currency": currency, "club": club}).club


def zone_from_plain(zone: Mapping[str, Any]) -> ZoneTerms:
    """A zone's settings as written. Raises StoredValueError with a path from ``zones[0]``."""
    grid = grid_from_plain({"timezone": "UTC", "currency": ANY_CURRENCY, "zones": [zone]})
    return grid.zones[0]


def written(value: Tariff | ClubTerms | ZoneTerms) -> Plain:
    """The value as a table, without its version and without what every club has in common."""
    return _table(value, _NAMED_OUTSIDE[type(value)])


def _table(value: Any, left_out: AbstractSet[str] = frozenset()) -> Plain:  # noqa: ANN401
    table = {}
    for field in fields(value):
        inner = getattr(value, field.name)
        is_usual = field.default is not MISSING and inner == field.default
        if field.name not in left_out and not is_usual:
            table[field.name] = _plain(inner)
    if isinstance(value, PriceRule):
        _shorten(table, value)
    return table


def _shorten(table: Plain, rule: PriceRule) -> None:
    match rule.tiers:
        case (Tier(from_minutes=0, price_per_hour_minor=price),):
            del table["tiers"]
            table["price_per_hour_minor"] = price


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a field holds
    if isinstance(value, Schedule):
        return schedule_written(value)
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return _table(value)
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    assert isinstance(value, str | int | bool | date), f"no notation for {value!r}"
    return value


def schedule_written(schedule: Schedule) -> Any:  # noqa: ANN401 - a list, or a table
    """A schedule as a list of windows; with closed dates a table of both."""
    windows = [_window(window) for window in schedule.windows]
    if not schedule.closed_dates:
        return windows
    table: Plain = {"windows": windows} if windows else {}
    return {**table, "closed_dates": list(schedule.closed_dates)}


def _window(window: TimeWindow) -> Any:  # noqa: ANN401 - a text where one says it all, else a table
    text = window_text(window)
    try:
        if parse_window(text) == window:
            return text
    except ValueError:
        pass
    return _table(window)
