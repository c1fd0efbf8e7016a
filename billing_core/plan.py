"""What is covered from here: the run that is on, then what is appended, then what renews."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from billing_core.coverage import CoverageCause
from billing_core.forecast import Progress, reach
from billing_core.hot_value import hot_value, replace
from billing_core.limits import Limit, earliest, horizon_ms, place_limit, run_limit
from billing_core.player_tariff import PlayerTariff, used
from billing_core.pricing import Run, usable_until_ms
from billing_core.renewal import Candidate, candidates, usable_pack
from billing_core.session import Extension, Segment, SegmentCause, SessionMode
from billing_core.terms import Terms
from billing_core.wallet import Wallet

PLANNED_RUNS_MAX: Final = 8
"""How many runs ahead coverage is added up; more renewals happen, they are just not promised."""

GOES_ON_AFTER: Final = frozenset(
    {
        CoverageCause.BALANCE,
        CoverageCause.PACKAGE,
        CoverageCause.EXPIRY,
        CoverageCause.SCHEDULE,
    }
)
"""Ends that another tariff may bridge; a booking or a closing time is final."""


@dataclass(frozen=True, slots=True)
class RunEnd:
    """Where a run stops being paid for (None: nowhere in sight), why, and the wallet then."""

    until_ms: int | None
    cause: CoverageCause
    wallet: Wallet


@dataclass(frozen=True, slots=True)
class Plan:
    """The end of the run that is on, and the end of everything covered."""

    run_end: RunEnd
    until_ms: int | None
    cause: CoverageCause


@hot_value(frozen=True, slots=True)
class Situation:
    """What a plan is made from, at ``at_ms``: the end of the last step begun."""

    session_id: str
    mode: SessionMode
    start_at_ms: int
    at_ms: int
    terms: Terms
    fee_charged: bool
    extensions: Sequence[Extension] = ()


@dataclass(frozen=True, slots=True)
class NextRun:
    """The run that follows at ``end``'s start; ``extension`` tells which queue entry it is."""

    candidate: Candidate
    cause: SegmentCause
    extension: int | None
    end: RunEnd


def _stops(situation: Situation, run: Run, pack: PlayerTariff | None) -> tuple[Limit | None, int]:
    place = place_limit(situation.terms, situation.start_at_ms, situation.at_ms)
    own = run_limit(run.tariff, pack, run.timezone, run_start_ms=run.start_at_ms)
    return earliest(place, own), horizon_ms(situation.start_at_ms, situation.at_ms)


def wallet_run_end(situation: Situation, run: Run, progress: Progress) -> RunEnd:
    """End of a run paid from the wallet, or of a post-pay one."""
    limit, far_ms = _stops(situation, run, None)
    stop_ms = far_ms if limit is None else min(limit.at_ms, far_ms)
    wallet = situation.terms.wallet if progress.wallet is None else progress.wallet
    if stop_ms <= situation.at_ms:
        cause = CoverageCause.BALANCE if limit is None else limit.cause
        return RunEnd(situation.at_ms, cause, wallet)
    got = reach(run, progress, stop_ms)
    after = wallet if got.wallet is None else got.wallet
    if got.unusable:
        return RunEnd(got.until_ms, CoverageCause.SCHEDULE, after)
    if got.until_ms < stop_ms:
        return RunEnd(got.until_ms, CoverageCause.BALANCE, after)
    if limit is not None and limit.at_ms <= far_ms:
        return RunEnd(limit.at_ms, limit.cause, after)
    if progress.wallet is None:
        return RunEnd(None, CoverageCause.OPEN_ENDED, after)
    return RunEnd(far_ms, CoverageCause.BALANCE, after)


def pack_run_end(situation: Situation, run: Run, pack: PlayerTariff, *, drawn_ms: int) -> RunEnd:
    """End of a run drawn from a pack, of which ``drawn_ms`` are gone since ``pack`` was noted."""
    limit, far_ms = _stops(situation, run, pack)
    if pack.remaining_ms is not None:
        end_ms = situation.at_ms + max(0, pack.remaining_ms - drawn_ms)
        limit = earliest(limit, Limit(end_ms, CoverageCause.PACKAGE))
    wallet = situation.terms.wallet
    stop_ms = far_ms if limit is None else min(limit.at_ms, far_ms)
    stop_ms = max(stop_ms, situation.at_ms)
    usable_ms = usable_until_ms(run, situation.at_ms, stop_ms)
    if usable_ms < stop_ms:
        return RunEnd(usable_ms, CoverageCause.SCHEDULE, wallet)
    if limit is None:
        return RunEnd(None, CoverageCause.OPEN_ENDED, wallet)
    return RunEnd(max(limit.at_ms, situation.at_ms), limit.cause, wallet)


def segment_end(situation: Situation, run: Run, segment: Segment) -> RunEnd:
    """End of the run that is on, from where its open segment stands."""
    if segment.pack is not None:
        return pack_run_end(situation, run, segment.pack, drawn_ms=segment.accrued_units)
    post_paid = situation.mode is SessionMode.OPEN_ENDED
    progress = Progress(
        at_ms=segment.paid_until_ms,
        rule_index=segment.rule_index,
        accrued_units=segment.accrued_units,
        amount_minor=segment.amount_minor,
        fee_minor=segment.fee_minor,
        wallet=None if post_paid else situation.terms.wallet,
        fee_charged=situation.fee_charged,
    )
    return wallet_run_end(situation, run, progress)


def fresh_end(situation: Situation, candidate: Candidate, wallet: Wallet) -> RunEnd:
    """End of a run that would begin at ``situation.at_ms``."""
    terms = situation.terms
    run = Run(
        candidate.tariff,
        terms.club.timezone,
        terms.zone.zone_id,
        terms.groups,
        situation.at_ms,
    )
    if candidate.pack is not None:
        held = used(candidate.pack, at_ms=situation.at_ms, session_id=situation.session_id)
        end = pack_run_end(situation, run, held, drawn_ms=0)
        return RunEnd(end.until_ms, end.cause, wallet)
    progress = Progress(
        at_ms=situation.at_ms,
        rule_index=None,
        accrued_units=0,
        amount_minor=0,
        fee_minor=0,
        wallet=None if situation.mode is SessionMode.OPEN_ENDED else wallet,
        fee_charged=situation.fee_charged,
    )
    return wallet_run_end(situation, run, progress)


def next_run(situation: Situation, wallet: Wallet) -> NextRun | None:
    """What goes on at ``situation.at_ms``: the first extension, then the first renewal, to cover
    any time at all."""
    for candidate, cause, extension in _offers(situation):
        end = fresh_end(situation, candidate, wallet)
        if end.until_ms is None or end.until_ms > situation.at_ms:
            return NextRun(candidate, cause, extension, end)
    return None


def _offers(situation: Situation) -> Iterator[tuple[Candidate, SegmentCause, int | None]]:
    terms, at_ms = situation.terms, situation.at_ms
    held = {item.pack.player_tariff_id for item in situation.extensions if item.pack is not None}
    for index, extension in enumerate(situation.extensions):
        tariff = terms.tariffs[extension.tariff]
        pack = extension.pack
        if pack is None or usable_pack(pack, terms, session_id=situation.session_id, at_ms=at_ms):
            yield Candidate(tariff, pack), SegmentCause.EXTENSION, index
    if terms.auto_renewal and situation.mode is SessionMode.PREPAID:
        for candidate in candidates(terms, session_id=situation.session_id, at_ms=at_ms):
            if candidate.pack is None or candidate.pack.player_tariff_id not in held:
                yield candidate, SegmentCause.RENEWAL, None


def whole_plan(situation: Situation, run_end: RunEnd) -> Plan:
    """Add up what follows the run that is on, as long as each next run covers something."""
    end, ahead = run_end, situation
    for _ in range(PLANNED_RUNS_MAX):
        if end.until_ms is None or end.cause not in GOES_ON_AFTER:
            break
        if situation.mode is SessionMode.OPEN_ENDED:
            break
        ahead = replace(ahead, at_ms=end.until_ms)
        following = next_run(ahead, end.wallet)
        if following is None:
            break
        ahead = _after(ahead, following)
        end = following.end
    return Plan(run_end, end.until_ms, end.cause)


def _after(situation: Situation, following: NextRun) -> Situation:
    """The situation once a planned run is spoken for."""
    pack = following.candidate.pack
    extensions = tuple(
        item for index, item in enumerate(situation.extensions) if index != following.extension
    )
    if pack is None:
        return replace(situation, extensions=extensions)
    left = tuple(
        owned
        for owned in situation.terms.player_tariffs
        if owned.player_tariff_id != pack.player_tariff_id
    )
    terms = replace(situation.terms, player_tariffs=left)
    return replace(situation, extensions=extensions, terms=terms)
