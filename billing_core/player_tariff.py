"""A bought tariff: what is left of it, what it cost, and until when it is valid."""

from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum
from typing import Final

from billing_core.hot_value import hot_value, replace
from billing_core.money import MS_PER_DAY, MS_PER_HOUR, share_half_up
from billing_core.tariff import Tariff, TariffRef
from billing_core.window import day_start_ms

FINISHED_KEPT: Final = 50
"""Of one holder; what older ones were is told by their orders and sessions."""


class PlayerTariffStatus(StrEnum):
    """Only an OPEN one can be played."""

    OPEN = "OPEN"
    USED_UP = "USED_UP"
    EXPIRED = "EXPIRED"
    REFUNDED = "REFUNDED"


@hot_value(frozen=True, slots=True)
class PlayerTariff:
    """One purchase. ``total_ms`` None: not counted in time; ``total_sessions`` likewise.

    ``price_minor`` is what was paid (``bonus_minor`` of it in bonus), ``earned_minor`` what has
    moved from deferred to revenue so far (``earned_until_ms`` by the calendar, for those that are
    counted in neither), ``returned_minor`` what was given back. ``holder_id`` is
    the wallet's holder, ``session_id`` the session that draws from it now.
    """

    player_tariff_id: str
    tariff: TariffRef
    holder_id: str
    club_id: str
    bought_at_ms: int
    price_minor: int
    bonus_minor: int = 0
    total_ms: int | None = None
    used_ms: int = 0
    total_sessions: int | None = None
    used_sessions: int = 0
    first_used_at_ms: int | None = None
    earned_minor: int = 0
    returned_minor: int = 0
    earned_until_ms: int | None = None
    session_id: str | None = None
    status: PlayerTariffStatus = PlayerTariffStatus.OPEN
    order_id: str | None = None

    @property
    def remaining_ms(self) -> int | None:
        """Time left; None when it is not counted in time."""
        return None if self.total_ms is None else max(0, self.total_ms - self.used_ms)

    @property
    def remaining_sessions(self) -> int | None:
        """Sessions left; None when it is not counted in sessions."""
        if self.total_sessions is None:
            return None
        return max(0, self.total_sessions - self.used_sessions)

    @property
    def deferred_minor(self) -> int:
        """What was paid and is neither earned nor returned yet."""
        return self.price_minor - self.earned_minor - self.returned_minor


def bought(
    tariff: Tariff,
    *,
    player_tariff_id: str,
    holder_id: str,
    club_id: str,
    at_ms: int,
    price_minor: int,
    bonus_minor: int = 0,
    total_ms: int | None = None,
    session_id: str | None = None,
    order_id: str | None = None,
) -> PlayerTariff:
    """A fresh purchase of a prepaid tariff; ``total_ms`` when it is less than the whole pool."""
    total_ms = tariff.pool_ms if total_ms is None else total_ms
    after_hours = tariff.expiration.after_hours
    if after_hours is not None and total_ms is not None:
        total_ms = min(total_ms, after_hours * MS_PER_HOUR)
    elif after_hours is not None:
        total_ms = after_hours * MS_PER_HOUR
    limits = (tariff.sessions, tariff.expiration.after_sessions)
    counted = [limit for limit in limits if limit is not None]
    return PlayerTariff(
        player_tariff_id=player_tariff_id,
        tariff=tariff.ref,
        holder_id=holder_id,
        club_id=club_id,
        bought_at_ms=at_ms,
        price_minor=price_minor,
        bonus_minor=bonus_minor,
        total_ms=total_ms,
        total_sessions=min(counted) if counted else None,
        session_id=session_id,
        order_id=order_id,
    )


def expires_at_ms(owned: PlayerTariff, tariff: Tariff, timezone: str) -> int | None:
    """The first instant it is no longer valid by the calendar, as far as that is known now."""
    rules = tariff.expiration
    instants = []
    if rules.days_after_purchase is not None:
        instants.append(owned.bought_at_ms + rules.days_after_purchase * MS_PER_DAY)
    if rules.days_after_first_use is not None and owned.first_used_at_ms is not None:
        instants.append(owned.first_used_at_ms + rules.days_after_first_use * MS_PER_DAY)
    if rules.last_day is not None:
        instants.append(day_start_ms(rules.last_day + timedelta(days=1), timezone))
    return min(instants) if instants else None


def used(owned: PlayerTariff, *, at_ms: int, session_id: str) -> PlayerTariff:
    """Taken by a session: the first use is dated, one session is counted."""
    return replace(
        owned,
        first_used_at_ms=at_ms if owned.first_used_at_ms is None else owned.first_used_at_ms,
        used_sessions=owned.used_sessions + 1,
        session_id=session_id,
    )


def value_minor(
    owned: PlayerTariff,
    *,
    drawn_ms: int,
    until_ms: int,
    expiry_ms: int | None,
    same_visit: bool = False,
) -> int:
    """What the use of one segment is worth: that part of the deferred price.

    ``owned`` is as it was when the segment began, one session already counted. Time is valued by
    time, else sessions by sessions (``same_visit``: an earlier segment was this session's
    already), else by the calendar up to ``until_ms``.
    """
    deferred_minor = owned.deferred_minor
    if owned.total_ms is not None:
        return share_half_up(deferred_minor, drawn_ms, owned.total_ms - owned.used_ms)
    sessions_left = owned.remaining_sessions
    if sessions_left is not None and same_visit:
        return 0
    if sessions_left is not None:
        return share_half_up(deferred_minor, 1, sessions_left + 1)
    since_ms = owned.bought_at_ms if owned.earned_until_ms is None else owned.earned_until_ms
    if expiry_ms is None or expiry_ms <= since_ms:
        return deferred_minor
    return share_half_up(deferred_minor, min(until_ms, expiry_ms) - since_ms, expiry_ms - since_ms)


def bonus_of_value(owned: PlayerTariff, amount_minor: int) -> int:
    """The bonus part of the next ``amount_minor`` of its price: bonus is used up evenly."""
    gone_minor = owned.price_minor - owned.deferred_minor
    bonus_minor, price_minor = owned.bonus_minor, owned.price_minor
    before_minor = share_half_up(gone_minor, bonus_minor, price_minor)
    return share_half_up(gone_minor + amount_minor, bonus_minor, price_minor) - before_minor


def drawn(owned: PlayerTariff, *, used_ms: int, earned_minor: int, until_ms: int) -> PlayerTariff:
    """After a segment has drawn from it; still held by its session."""
    counted_ms = used_ms if owned.total_ms is not None else 0
    return replace(
        owned,
        used_ms=owned.used_ms + counted_ms,
        earned_minor=owned.earned_minor + earned_minor,
        earned_until_ms=until_ms,
    )


def released(owned: PlayerTariff, *, expiry_ms: int | None, at_ms: int) -> PlayerTariff:
    """Let go by its session: open again, or used up, or expired."""
    status = PlayerTariffStatus.OPEN
    if owned.remaining_ms == 0 or owned.remaining_sessions == 0:
        status = PlayerTariffStatus.USED_UP
    elif expiry_ms is not None and expiry_ms <= at_ms:
        status = PlayerTariffStatus.EXPIRED
    return replace(owned, session_id=None, status=status)


def without_long_finished(owned: Iterable[PlayerTariff]) -> tuple[PlayerTariff, ...]:
    """A holder's tariffs in their order, without all but the newest finished ones."""
    kept = tuple(owned)
    finished = [one for one in kept if one.status is not PlayerTariffStatus.OPEN]
    if len(finished) <= FINISHED_KEPT:
        return kept
    by_age = sorted(finished, key=lambda one: (one.bought_at_ms, one.player_tariff_id))
    gone = {one.player_tariff_id for one in by_age[:-FINISHED_KEPT]}
    return tuple(one for one in kept if one.player_tariff_id not in gone)
