"""Which minutes of a segment an outage gives back: those that began while the PC did not serve.

Whoever moves to another PC within such a minute is served there: what is left of it is paid.
"""

from collections.abc import Iterable

from billing_core.money import MS_PER_MINUTE
from billing_core.outage import Outage, OutageStatus
from billing_core.session import Segment, SegmentCause


def minutes_begun(segment: Segment, from_ms: int, until_ms: int) -> Iterable[int]:
    """Where minutes of the run that reach into the paid time of a segment begin within a span."""
    origin_ms = segment.run_start_at_ms
    first_ms = from_ms + (origin_ms - from_ms) % MS_PER_MINUTE
    reached_ms = segment.start_at_ms - (segment.start_at_ms - origin_ms) % MS_PER_MINUTE
    if segment.cause is SegmentCause.ZONE and reached_ms < segment.start_at_ms:
        reached_ms += MS_PER_MINUTE
    end_ms = min(until_ms, segment.paid_until_ms)
    return range(max(first_ms, reached_ms), end_ms, MS_PER_MINUTE)


def credited_from(
    outages: Iterable[Outage], segment: Segment, at_ms: int
) -> Iterable[tuple[int, int]]:
    """(from, until) of what a segment has paid from an instant on and got back already."""
    for outage in outages:
        if outage.status is not OutageStatus.CREDITED:
            continue
        for begin_ms in minutes_begun(segment, outage.from_ms, outage.until_ms):
            from_ms = max(begin_ms, segment.start_at_ms, at_ms)
            until_ms = min(begin_ms + MS_PER_MINUTE, segment.paid_until_ms)
            if from_ms < until_ms:
                yield from_ms, until_ms
