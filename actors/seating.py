"""Who may sit where: one running session per PC, bookings that do not overlap, holds."""

from dataclasses import replace
from typing import Final

from actors.refusal import Refusal
from actors.session import SessionActor
from billing_core.admission import LEAST_TIME_MS
from billing_core.limits import earliest, place_limit, run_limit
from billing_core.session import SessionState, SessionStatus
from billing_core.tariff import Tariff, TariffType
from billing_core.terms import Terms

BOOKING_HORIZON_MS: Final = 90 * 24 * 3_600_000
"""A booking further ahead than this is taken for a slip of the pen."""
SELF_BOOKINGS_MAX: Final = 3
"""So many bookings of a player may wait in a club when the player makes them without the desk."""
SELF_BOOKING_NOTICE_MS: Final = 30 * 60_000
"""Whoever plays by the minute is told so long before somebody else books the seat away."""
_IN_ONE_PIECE: Final = frozenset({TariffType.FIXED, TariffType.HOURS})
_WAITING: Final = (SessionStatus.PENDING, SessionStatus.ACTIVE)


def seat_refusal(
    actor: SessionActor, pc_id: str, *, session_id: str, field: str = "pc_id"
) -> Refusal | None:
    """Why a session cannot take this PC now."""
    refusal = unknown_pc(actor, pc_id, field) or held(actor, pc_id, actor.now.wall_ms, field=field)
    if refusal is not None:
        return refusal
    occupant = actor.occupant(pc_id, besides=session_id)
    if occupant is None:
        return None
    if occupant.status is SessionStatus.STARTED:
        return Refusal("pc-busy", f"PC {pc_id} has a running session", field)
    return Refusal("pc-reserved", f"PC {pc_id} waits for a booked session", field)


def booking_refusal(
    actor: SessionActor, pc_id: str, *, session_id: str, from_ms: int, until_ms: int | None
) -> Refusal | None:
    """Why this PC cannot be booked from ``from_ms`` (until ``until_ms``, if that is known)."""
    refusal = unknown_pc(actor, pc_id, "pc_id") or held(actor, pc_id, from_ms, field="pc_id")
    if refusal is not None:
        return refusal
    if from_ms > actor.now.wall_ms + BOOKING_HORIZON_MS:
        message = "a booking lies at most 90 days ahead"
        return Refusal("planned-time-invalid", message, "planned_start_at_ms")
    end_ms = until_ms or from_ms + LEAST_TIME_MS
    for state in actor.drafting.sessions_on(pc_id):
        if state.session_id != session_id and state.status in _WAITING:
            start_ms = state.planned_start_at_ms
            if start_ms < end_ms and from_ms < _booked_until_ms(state):
                message = f"PC {pc_id} is booked at that time"
                return Refusal("pc-reserved", message, "planned_start_at_ms")
    return None


def bought_until_ms(
    terms: Terms, tariff: Tariff, player_tariff_id: str | None, *, start_ms: int, from_ms: int
) -> int | None:
    """Where time that is bought in one piece ends when all of it is played from ``from_ms`` on, in
    a session that begins at ``start_ms``.

    None for what has no end of its own: by the minute, post-pay, a pool of many sessions.
    """
    pack = terms.player_tariff(player_tariff_id or "")
    if tariff.type not in _IN_ONE_PIECE:
        return None
    left_ms = tariff.pool_ms if pack is None else pack.remaining_ms
    if left_ms is None:
        return None
    unbooked = replace(terms, next_booking_at_ms=None)
    limit = earliest(
        place_limit(unbooked, start_ms, from_ms),
        run_limit(tariff, pack, terms.club.timezone, run_start_ms=from_ms),
    )
    until_ms = from_ms + left_ms if limit is None else min(from_ms + left_ms, limit.at_ms)
    # Where nobody can play at all the decision says why.
    return until_ms if until_ms > from_ms else None


def self_booking_refusal(
    actor: SessionActor, pc_id: str, *, holder_id: str, from_ms: int
) -> Refusal | None:
    """Why a player may not book this without the desk: what others paid for is not touched."""
    own = actor.drafting.workspace.sessions_of_holder(holder_id)
    if sum(state.status in _WAITING for state in own) >= SELF_BOOKINGS_MAX:
        message = f"{SELF_BOOKINGS_MAX} bookings wait already; more are made at the desk"
        return Refusal("too-many-bookings", message, "player_id")
    for state in actor.drafting.sessions_on(pc_id):
        if state.status is SessionStatus.STARTED and from_ms < _theirs_until_ms(actor, state):
            message = f"PC {pc_id} is being played on until then, or too soon before"
            return Refusal("pc-busy", message, "planned_start_at_ms")
    return None


def _theirs_until_ms(actor: SessionActor, state: SessionState) -> int:
    """Until when the seat is left to who plays there: all that is bought, else a fair notice."""
    notice_ms = actor.now.wall_ms + SELF_BOOKING_NOTICE_MS
    is_bought = state.open_segment is not None and state.open_segment.pack is not None
    if not is_bought or state.coverage is None or state.coverage.until_ms is None:
        return notice_ms
    return max(notice_ms, state.coverage.until_ms)


def _booked_until_ms(state: SessionState) -> int:
    return state.planned_end_at_ms or state.planned_start_at_ms + LEAST_TIME_MS


def unknown_pc(actor: SessionActor, pc_id: str, field: str) -> Refusal | None:
    """The club has no such PC any more, or never had."""
    if actor.setup.is_retired(pc_id):
        return Refusal("pc-retired", f"PC {pc_id} is out of service for good", field)
    if pc_id in actor.setup.pcs:
        return None
    return Refusal("pc-not-found", f"no PC {pc_id} in this club", field)


def held(actor: SessionActor, pc_id: str, at_ms: int, *, field: str) -> Refusal | None:
    """The PC is out of use at that instant."""
    state = actor.drafting.pc(pc_id)
    if state is None or not state.held_at(at_ms):
        return None
    assert state.hold is not None
    return Refusal("pc-on-hold", f"PC {pc_id} is out of use: {state.hold.reason}", field)
