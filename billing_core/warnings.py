"""How urgent coverage is, and who is told: once per level, again after coverage has grown."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from billing_core.coverage import Coverage, CoverageCause, CoverageStatus
from billing_core.draft import Draft
from billing_core.events import EventKind
from billing_core.session import SessionMode
from billing_core.terms import ClubTerms

SEVERITY: Final[Mapping[CoverageStatus, int]] = MappingProxyType(
    {
        CoverageStatus.COVERED: 0,
        CoverageStatus.OPEN_ENDED: 0,
        CoverageStatus.ENDING_SOON: 1,
        CoverageStatus.NEEDS_ATTENTION: 2,
        CoverageStatus.EXPIRED: 3,
        CoverageStatus.OUT_OF_SCHEDULE: 3,
    }
)

_EXPIRED_AS: Final[Mapping[CoverageCause, CoverageStatus]] = MappingProxyType(
    {
        CoverageCause.SCHEDULE: CoverageStatus.OUT_OF_SCHEDULE,
        CoverageCause.CLUB_CLOSING: CoverageStatus.OUT_OF_SCHEDULE,
    }
)


def status_at(coverage: Coverage, club: ClubTerms, at_ms: int) -> CoverageStatus:
    """The urgency at an instant. A threshold belongs to the more urgent side."""
    if coverage.until_ms is None:
        return CoverageStatus.OPEN_ENDED
    left_ms = coverage.until_ms - at_ms
    if left_ms <= 0:
        return _EXPIRED_AS.get(coverage.cause, CoverageStatus.EXPIRED)
    if left_ms <= club.needs_attention_ms:
        return CoverageStatus.NEEDS_ATTENTION
    if left_ms <= club.ending_soon_ms:
        return CoverageStatus.ENDING_SOON
    return CoverageStatus.COVERED


def next_warning_ms(draft: Draft) -> int | None:
    """When the next level of urgency will be reached before coverage ends."""
    coverage = draft.coverage
    if coverage is None or coverage.until_ms is None:
        return None
    severity = SEVERITY[draft.warned]
    if severity == 0:
        return coverage.until_ms - draft.terms.club.ending_soon_ms
    if severity == 1:
        return coverage.until_ms - draft.terms.club.needs_attention_ms
    return None


def warn_of_coverage(draft: Draft, at_ms: int) -> None:
    """Note the urgency at ``at_ms``; tell of a worse one, re-arm after a better one."""
    coverage = draft.coverage
    if coverage is None:
        return
    status = status_at(coverage, draft.terms.club, at_ms)
    draft.urgency_is(status)
    if SEVERITY[draft.warned] < SEVERITY[status] < SEVERITY[CoverageStatus.EXPIRED]:
        draft.emit(
            EventKind.COVERAGE_ENDING,
            at_ms,
            level=status.value,
            until_ms=coverage.until_ms,
            cause=coverage.cause.value,
        )
    draft.warned = status


def warn_of_balance(draft: Draft, at_ms: int) -> None:
    """Tell once when a wallet that pays falls below the club's threshold."""
    threshold_minor = draft.terms.club.low_balance_minor
    segment = draft.segment
    if threshold_minor == 0 or segment is None or segment.pack is not None:
        return
    if draft.before.mode is SessionMode.OPEN_ENDED:
        return
    is_low = draft.wallet.total_minor < threshold_minor
    if is_low and not draft.low_balance_warned:
        draft.emit(
            EventKind.LOW_BALANCE,
            at_ms,
            balance_minor=draft.wallet.total_minor,
            threshold_minor=threshold_minor,
        )
    draft.low_balance_warned = is_low
