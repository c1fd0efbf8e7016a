"""Who may sit where: one running session per PC, bookings that do not overlap, holds."""

from typing import Final

from actors.refusal import Refusal
from actors.session import SessionActor
from billing_core.admission import LEAST_TIME_MS
from billing_core.session import SessionState, SessionStatus

BOOKING_HORIZON_MS: Final = 90 * 24 * 3_600_000
"""A booking further ahead than this is taken for a slip of the pen."""
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
