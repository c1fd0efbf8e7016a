"""What ends a session other than money: bookings, closing times, schedules, expiry, packs."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from billing_core.coverage import CoverageCause
from billing_core.money import MS_PER_DAY, MS_PER_MINUTE, MS_PER_SECOND
from billing_core.player_tariff import PlayerTariff, expires_at_ms
from billing_core.pricing import schedule_end_ms
from billing_core.session import Segment
from billing_core.tariff import Tariff
from billing_core.terms import ClubTerms, Terms
from billing_core.window import Schedule, open_until_ms

FORECAST_PERIOD_MS: Final = 7 * MS_PER_DAY
"""Forecasts look at least this far ahead and are renewed once per period of a session."""


@dataclass(frozen=True, slots=True, order=True)
class Limit:
    """An instant nobody can play past, and why. The earliest counts, by cause where they tie."""

    at_ms: int
    cause: CoverageCause


def place_limit(terms: Terms, start_at_ms: int, at_ms: int) -> Limit | None:
    """The earliest end set by the club, the zone or the PC's next booking.

    ``start_at_ms`` is the session's actual start, ``at_ms`` an instant it is covered at.
    """
    limits = []
    if terms.next_booking_at_ms is not None:
        limits.append(Limit(terms.next_booking_at_ms, CoverageCause.BOOKING))
    timezone = terms.club.timezone
    club_closes = closing_ms(terms.club.opening, timezone, at_ms)
    if club_closes is not None:
        limits.append(Limit(club_closes, CoverageCause.CLUB_CLOSING))
    zone_closes = closing_ms(terms.zone.opening, timezone, at_ms)
    if zone_closes is not None:
        limits.append(Limit(zone_closes, CoverageCause.ZONE_LIMIT))
    longest = terms.zone.longest_session_minutes
    if longest is not None:
        end_ms = start_at_ms + longest * MS_PER_MINUTE
        limits.append(Limit(end_ms, CoverageCause.ZONE_LIMIT))
    return min(limits) if limits else None


def closing_ms(schedule: Schedule, timezone: str, at_ms: int) -> int | None:
    """When it closes after ``at_ms``; ``at_ms`` itself if it is closed; None if it never does."""
    if schedule.is_always:
        return None
    until_ms = open_until_ms(schedule, timezone, at_ms)
    return at_ms if until_ms is None else until_ms


def run_limit(
    tariff: Tariff, pack: PlayerTariff | None, timezone: str, *, run_start_ms: int
) -> Limit | None:
    """The earliest end set by the tariff: its schedule with completion, and a pack's expiry."""
    limits = []
    closes_ms = schedule_end_ms(tariff, timezone, run_start_ms)
    if closes_ms is not None:
        end_ms = closes_ms + tariff.usage.completion_minutes * MS_PER_MINUTE
        limits.append(Limit(end_ms, CoverageCause.SCHEDULE))
    if pack is not None:
        expiry_ms = expires_at_ms(pack, tariff, timezone)
        if expiry_ms is not None:
            limits.append(Limit(expiry_ms, CoverageCause.EXPIRY))
        entry_ms = entry_length_ms(tariff, pack)
        if entry_ms is not None:
            limits.append(Limit(run_start_ms + entry_ms, CoverageCause.PACKAGE))
    return min(limits) if limits else None


def entry_length_ms(tariff: Tariff, pack: PlayerTariff) -> int | None:
    """How long one session may last on a pack of sessions; None when it does not say."""
    if pack.total_ms is None and pack.total_sessions is not None and tariff.block_minutes:
        return tariff.block_minutes * MS_PER_MINUTE
    return None


def earliest(*limits: Limit | None) -> Limit | None:
    """The one that counts."""
    present = [limit for limit in limits if limit is not None]
    return min(present) if present else None


def horizon_ms(start_at_ms: int, at_ms: int) -> int:
    """How far a forecast made at ``at_ms`` looks: stable within a period, one to two of them."""
    periods = (at_ms - start_at_ms) // FORECAST_PERIOD_MS
    return start_at_ms + (periods + 2) * FORECAST_PERIOD_MS


def grace_ms(segments: Sequence[Segment], club: ClubTerms) -> int:
    """How long the PC stays open, unbilled, after coverage has run out: once in a session.

    A session that went on after a pause has had its grace; a second one would let whoever
    extends at the last moment play a part of every hour for nothing.
    """
    for before, after in pairwise(segments):
        if before.end_at_ms is not None and before.end_at_ms < after.start_at_ms:
            return 0
    return club.grace_seconds * MS_PER_SECOND
