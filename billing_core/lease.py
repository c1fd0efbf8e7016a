"""How long a PC may stay unlocked without hearing from us."""

from billing_core.limits import grace_ms
from billing_core.money import MS_PER_MINUTE
from billing_core.session import SessionState, SessionStatus
from billing_core.terms import Terms


def lease_duration_ms(state: SessionState, terms: Terms, now_ms: int) -> int:
    """Prepaid time: all of it. Time still to be charged: at most the club's offline limit.

    0 when the session does not run or nothing is covered. A run that is prepaid and followed by
    one that is not gets its own length plus the offline limit, within coverage. The club's grace
    comes on top of coverage: the PC stays open in it and locks when the session ends.
    """
    if state.status is not SessionStatus.STARTED or state.coverage is None:
        return 0
    segment = state.open_segment
    after_ms = grace_ms(state.segments, terms.club)
    if segment is None:
        until_ms = state.coverage.until_ms
        return 0 if until_ms is None else max(0, until_ms + after_ms - now_ms)
    open_from_ms = now_ms
    if segment.pack is not None:
        if segment.planned_end_at_ms is None:
            open_from_ms = now_ms
        else:
            open_from_ms = max(now_ms, segment.planned_end_at_ms)
    allowed_until_ms = open_from_ms + terms.club.offline_max_minutes * MS_PER_MINUTE
    if state.coverage.until_ms is not None:
        allowed_until_ms = min(allowed_until_ms, state.coverage.until_ms + after_ms)
    return max(0, allowed_until_ms - now_ms)
