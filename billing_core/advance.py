"""Time: everything that is due by ``now`` happens, in order, each thing at its own instant.

So a late tick, a repeated one and any cut of one stretch into many give the same ledger. A step
that begins exactly at ``now`` has not begun yet: intervals are half-open.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from billing_core.charge import open_run, post_step, post_stride, recompute, replan
from billing_core.closing import close_segment, end_session
from billing_core.coverage import CoverageCause
from billing_core.decision import Decision
from billing_core.draft import Draft
from billing_core.events import EventKind
from billing_core.limits import grace_ms
from billing_core.money import MS_PER_MINUTE
from billing_core.plan import GOES_ON_AFTER, NextRun, next_run
from billing_core.session import (
    TIME_TRANSITIONS,
    EndedReason,
    SegmentCause,
    SessionState,
    SessionStatus,
    TimeTrigger,
)
from billing_core.terms import Terms
from billing_core.warnings import next_warning_ms, warn_of_balance, warn_of_coverage


class Due(NamedTuple):
    """Something that happens by itself, when, and how."""

    at_ms: int
    happens: Callable[[Draft, int], None]


def advance(state: SessionState, terms: Terms, now_ms: int) -> Decision:
    """Bring a session to ``now_ms``: bill, warn, renew, end.

    Call it when ``due_at_ms`` has come, and before anything outside the session (its wallet, a
    booking) changes. ``now_ms`` at or before the last call's changes nothing.
    """
    draft = Draft(state, terms)
    return draft.finish(bring_to(draft, now_ms))


def bring_to(draft: Draft, now_ms: int) -> int | None:
    """The same on a draft; when something will happen next."""
    changed = draft.known_wallet != draft.wallet
    if changed:
        _look_at_wallet(draft, now_ms)
    while True:
        due = next_due(draft)
        if due is None or due.at_ms > now_ms:
            break
        due.happens(draft, due.at_ms)
    if changed and draft.segment is not None:
        warn_of_coverage(draft, now_ms)
        warn_of_balance(draft, now_ms)
        return due_at_ms(draft)
    return None if due is None else due.at_ms


def _look_at_wallet(draft: Draft, now_ms: int) -> None:
    """Plan with the wallet as it is now; money that came after coverage ended does not undo it."""
    segment, coverage = draft.segment, draft.coverage
    if segment is None or coverage is None:
        return
    replan(draft)
    old_ms, new_ms = segment.planned_end_at_ms, draft.segments[-1].planned_end_at_ms
    if old_ms is not None and old_ms <= now_ms and (new_ms is None or new_ms > old_ms):
        draft.put_segment(segment)
        draft.coverage = coverage


def due_at_ms(draft: Draft) -> int | None:
    """The next instant something happens by itself."""
    due = next_due(draft)
    return None if due is None else due.at_ms


def next_due(draft: Draft) -> Due | None:
    """What happens next, at the same instant in the order warning, step, end of the run."""
    return _NEXT_DUE[draft.status](draft)


def _due_while_started(draft: Draft) -> Due | None:
    segment = draft.segments[-1]
    if segment.end_at_ms is not None:
        return Due(_grace_end_ms(draft), _exhausted)
    end_ms = segment.planned_end_at_ms
    step_ms = segment.paid_until_ms + 1
    due = Due(step_ms, _step)
    if end_ms is not None and end_ms < step_ms:
        due = Due(end_ms, _run_ended)
    warning_ms = next_warning_ms(draft)
    if warning_ms is not None and warning_ms <= due.at_ms:
        return Due(warning_ms, warn_of_coverage)
    return due


def _due_while_pending(draft: Draft) -> Due | None:
    return Due(draft.before.planned_start_at_ms, _planned_start)


def _due_while_active(draft: Draft) -> Due | None:
    minutes = draft.terms.club.no_show_minutes
    if minutes is None:
        return None
    return Due(draft.before.planned_start_at_ms + minutes * MS_PER_MINUTE, _no_show)


def _never(_draft: Draft) -> Due | None:
    return None


_NEXT_DUE: Final[Mapping[SessionStatus, Callable[[Draft], Due | None]]] = MappingProxyType(
    {
        SessionStatus.PENDING: _due_while_pending,
        SessionStatus.ACTIVE: _due_while_active,
        SessionStatus.STARTED: _due_while_started,
        SessionStatus.ENDED: _never,
        SessionStatus.CANCELLED: _never,
    }
)


def _step(draft: Draft, _at_ms: int) -> None:
    if draft.strides_until_ms is None:
        post_step(draft)
    else:
        post_stride(draft, draft.strides_until_ms)


def _planned_start(draft: Draft, at_ms: int) -> None:
    draft.status = TIME_TRANSITIONS[draft.status, TimeTrigger.PLANNED_START]
    draft.emit(EventKind.SESSION_DUE, at_ms)


def _no_show(draft: Draft, at_ms: int) -> None:
    assert TIME_TRANSITIONS[draft.status, TimeTrigger.NO_SHOW] is SessionStatus.ENDED
    end_session(draft, at_ms, EndedReason.NO_SHOW)


def _run_ended(draft: Draft, at_ms: int) -> None:
    """A run is used up: go on with the next one, or let the session run out."""
    coverage = draft.coverage
    assert coverage is not None
    goes_on = coverage.until_ms != at_ms or coverage.cause in GOES_ON_AFTER
    own_cause = CoverageCause.BALANCE if draft.segments[-1].pack is None else CoverageCause.PACKAGE
    close_segment(draft, at_ms)
    following = next_run(draft.situation(at_ms), draft.wallet) if goes_on else None
    if following is not None:
        go_on(draft, following, at_ms)
        return
    # What was planned to follow may be gone; then this run's own end is the reason.
    draft.coverage_is(at_ms, coverage.cause if coverage.until_ms == at_ms else own_cause)
    warn_of_coverage(draft, at_ms)
    if grace_ms(draft.segments, draft.terms.club) == 0:
        _exhausted(draft, at_ms)
    else:
        draft.emit(EventKind.COVERAGE_EXPIRED, at_ms, until_ms=_grace_end_ms(draft))


def go_on(draft: Draft, following: NextRun, at_ms: int) -> None:
    """Begin the next run at ``at_ms`` and say so."""
    if following.extension is not None:
        draft.extensions = tuple(
            item for index, item in enumerate(draft.extensions) if index != following.extension
        )
    open_run(draft, following.candidate, following.cause, at_ms=at_ms)
    tariff = following.candidate.tariff
    pack = following.candidate.pack
    if following.cause is SegmentCause.RENEWAL:
        draft.emit(
            EventKind.SESSION_RENEWED,
            at_ms,
            segment=draft.segments[-1].index,
            tariff_id=tariff.id,
            tariff_version=tariff.version,
            player_tariff_id=None if pack is None else pack.player_tariff_id,
        )
    recompute(draft, at_ms)


def _grace_end_ms(draft: Draft) -> int:
    coverage = draft.coverage
    assert coverage is not None
    assert coverage.until_ms is not None
    return coverage.until_ms + grace_ms(draft.segments, draft.terms.club)


def _exhausted(draft: Draft, _at_ms: int) -> None:
    """Grace, if any, is over too: the session ended when coverage did."""
    assert TIME_TRANSITIONS[draft.status, TimeTrigger.COVERAGE_END] is SessionStatus.ENDED
    coverage = draft.coverage
    assert coverage is not None
    assert coverage.until_ms is not None
    closed = coverage.cause in {CoverageCause.SCHEDULE, CoverageCause.CLUB_CLOSING}
    reason = EndedReason.SCHEDULE_CLOSED if closed else EndedReason.COVERAGE_EXHAUSTED
    end_session(draft, coverage.until_ms, reason)
