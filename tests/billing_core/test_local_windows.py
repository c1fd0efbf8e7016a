"""Windows of local time, through every change of the clocks in many zones."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_core.window import (
    Schedule,
    TimeWindow,
    UnknownTimezoneError,
    day_start_ms,
    intervals_starting_on,
    is_open,
    local_date,
    next_edge_ms,
    open_until_ms,
    zone_of,
)
from billing_core.window_text import parse_window, window_text

ZONES = (
    "Europe/Berlin",
    "Europe/London",
    "Europe/Lisbon",
    "Europe/Kyiv",
    "Asia/Beirut",
    "Asia/Jerusalem",
    "Africa/Cairo",
    "America/New_York",
    "America/Havana",
    "America/Santiago",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Asia/Almaty",
)
YEARS = range(2022, 2027)
NIGHT = Schedule((TimeWindow(23 * 60, 7 * 60),))
DAY_AND_REST = (Schedule((TimeWindow(8 * 60, 150),)), Schedule((TimeWindow(150, 8 * 60),)))


def changes(zone: ZoneInfo) -> list[date]:
    """Local days of five years on which the offset changes."""
    found = []
    for year in YEARS:
        day = date(year, 1, 1)
        while day.year == year:
            noon = datetime(day.year, day.month, day.day, 12, tzinfo=zone)
            if noon.utcoffset() != (noon - timedelta(days=1)).utcoffset():
                found.append(day)
            day += timedelta(days=1)
    return found


@pytest.mark.parametrize("timezone", ZONES)
def test_a_night_is_as_long_as_the_clocks_make_it(timezone: str) -> None:
    """Both nights of each year: nine hours or seven where an hour moves, wall clocks say."""
    zone = ZoneInfo(timezone)
    for day in changes(zone):
        for start in (day - timedelta(days=1), day):
            [(start_ms, end_ms)] = intervals_starting_on(NIGHT, timezone, start)
            wall = datetime(start.year, start.month, start.day, 23, tzinfo=zone)
            morning = start + timedelta(days=1)
            end = datetime(morning.year, morning.month, morning.day, 7, tzinfo=zone)
            assert (start_ms, end_ms) == (wall.timestamp() * 1000, end.timestamp() * 1000)
            shift = end.utcoffset() - wall.utcoffset()
            assert end_ms - start_ms == (timedelta(hours=8) - shift).total_seconds() * 1000


@pytest.mark.parametrize("timezone", ZONES)
def test_windows_that_meet_leave_no_hole_and_no_overlap(timezone: str) -> None:
    """Two schedules that share the day at 02:30 and 08:00: every instant is in exactly one."""
    one, other = DAY_AND_REST
    for day in changes(ZoneInfo(timezone)):
        middle_ms = day_start_ms(day, timezone)
        for at_ms in range(middle_ms - 6 * 3_600_000, middle_ms + 12 * 3_600_000, 300_000):
            assert is_open(one, timezone, at_ms) != is_open(other, timezone, at_ms)


@pytest.mark.parametrize("timezone", ZONES)
def test_days_follow_each_other_without_a_gap(timezone: str) -> None:
    """The first instant of a day is on that day, and the one before it is not."""
    for changed in changes(ZoneInfo(timezone)):
        for day in (changed, changed + timedelta(days=1)):
            start_ms = day_start_ms(day, timezone)
            assert local_date(start_ms, timezone) == day
            assert local_date(start_ms - 1, timezone) == day - timedelta(days=1)


def test_the_sweep_meets_enough_changes() -> None:
    """Twelve zones or more have both changes in each year."""
    busy = [name for name in ZONES if len(changes(ZoneInfo(name))) >= 2 * len(YEARS)]
    assert len(busy) >= 12


def at_ms(text: str, timezone: str = "Europe/Berlin") -> int:
    """A wall time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(timezone)).timestamp() * 1_000)


def test_a_skipped_wall_time_is_the_instant_it_is_skipped() -> None:
    """02:30 does not exist on 29 March: a window from then opens when the clocks jump."""
    window = Schedule((TimeWindow(150, 300),))
    [(start_ms, end_ms)] = intervals_starting_on(window, "Europe/Berlin", date(2026, 3, 29))
    assert start_ms == at_ms("2026-03-29 03:00")
    assert end_ms == at_ms("2026-03-29 05:00")


def test_a_window_inside_the_skipped_hour_does_not_happen() -> None:
    """02:10-02:50 has no length on that day, and its usual one on others."""
    window = Schedule((TimeWindow(130, 170),))
    assert intervals_starting_on(window, "Europe/Berlin", date(2026, 3, 29)) == ()
    [(start_ms, end_ms)] = intervals_starting_on(window, "Europe/Berlin", date(2026, 3, 30))
    assert end_ms - start_ms == 40 * 60_000


def test_dates_beat_weekdays() -> None:
    """On a dated exception only its own windows hold; a closed date starts nothing."""
    fridays = TimeWindow(600, 1200, weekdays=(4,))
    may = TimeWindow(780, 840, dates=(date(2026, 5, 1),))
    schedule = Schedule((fridays, may), closed_dates=(date(2026, 5, 8),))
    assert not is_open(schedule, "Europe/Berlin", at_ms("2026-05-01 12:00"))
    assert is_open(schedule, "Europe/Berlin", at_ms("2026-05-01 13:00"))
    assert not is_open(schedule, "Europe/Berlin", at_ms("2026-05-08 12:00"))
    assert is_open(schedule, "Europe/Berlin", at_ms("2026-05-15 12:00"))


def test_a_closed_date_ends_what_would_start_on_it_only() -> None:
    """The night before goes on into a closed day."""
    schedule = Schedule((TimeWindow(1380, 420),), closed_dates=(date(2026, 1, 1),))
    assert is_open(schedule, "Europe/Berlin", at_ms("2026-01-01 06:00"))
    assert not is_open(schedule, "Europe/Berlin", at_ms("2026-01-01 23:30"))


def test_date_ranges_count_the_start_day() -> None:
    """A night that begins on the last day of a range is whole."""
    window = TimeWindow(1380, 420, from_date=date(2026, 6, 1), until_date=date(2026, 6, 30))
    schedule = Schedule((window,))
    assert is_open(schedule, "Europe/Berlin", at_ms("2026-07-01 06:59"))
    assert not is_open(schedule, "Europe/Berlin", at_ms("2026-06-01 06:59"))
    assert next_edge_ms(schedule, "Europe/Berlin", at_ms("2026-06-30 23:30")) == at_ms(
        "2026-07-01 07:00"
    )


def test_touching_windows_are_one_stretch() -> None:
    """10:00-00:00 and 00:00-02:00 close at two."""
    schedule = Schedule((TimeWindow(600, 0), TimeWindow(0, 120)))
    until_ms = open_until_ms(schedule, "Europe/Berlin", at_ms("2026-03-02 12:00"))
    assert until_ms == at_ms("2026-03-03 02:00")
    assert open_until_ms(schedule, "Europe/Berlin", at_ms("2026-03-03 02:00")) is None


def test_an_unknown_zone_is_an_error() -> None:
    """Never a silent guess."""
    for name in ("Europe/Nowhere", "", "../etc/passwd"):
        with pytest.raises(UnknownTimezoneError):
            zone_of(name)


@given(
    st.builds(
        TimeWindow,
        start_minute=st.integers(0, 1439),
        end_minute=st.integers(0, 1439),
        weekdays=st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days))),
    )
)
def test_window_text_reads_back(window: TimeWindow) -> None:
    """Words and values say the same."""
    assert parse_window(window_text(window)) == window


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("fri-mon 23:00-07:00", TimeWindow(1380, 420, weekdays=(0, 4, 5, 6))),
        ("10:00-24:00", TimeWindow(600, 0)),
        ("daily", TimeWindow()),
        ("2026-05-01,2026-05-09", TimeWindow(dates=(date(2026, 5, 1), date(2026, 5, 9)))),
        (
            "sat 2026-06-01..2026-06-30",
            TimeWindow(weekdays=(5,), from_date=date(2026, 6, 1), until_date=date(2026, 6, 30)),
        ),
    ],
)
def test_window_words(text: str, window: TimeWindow) -> None:
    """What operators write."""
    assert parse_window(text) == window
    assert parse_window(window_text(window)) == window


@pytest.mark.parametrize(
    "text",
    ["", "noon", "25:00-26:00", "10:60-11:00", "fri-", "2026-06-30..2026-06-01", "2026-13-01"],
)
def test_wrong_window_words_are_refused(text: str) -> None:
    """A typo is never read as something else."""
    with pytest.raises(ValueError, match=r".+"):
        parse_window(text)


def test_intervals_are_in_utc() -> None:
    """A day in UTC is a day."""
    [(start_ms, end_ms)] = intervals_starting_on(Schedule(), "UTC", date(2026, 3, 2))
    assert start_ms == datetime(2026, 3, 2, tzinfo=UTC).timestamp() * 1_000
    assert end_ms - start_ms == 86_400_000


def test_always_is_open_for_a_long_time() -> None:
    """And never has an edge."""
    now_ms = at_ms("2026-03-02 12:00")
    until_ms = open_until_ms(Schedule(), "Europe/Berlin", now_ms)
    assert until_ms > now_ms + 30 * 86_400_000
    assert next_edge_ms(Schedule(), "Europe/Berlin", now_ms) is None
