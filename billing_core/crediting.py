"""Time that was not served comes back: a session costs what its served time costs.

An outage is given back minute by minute of each segment's run. A minute comes back when it
began while the PC did not serve, as a step is owed when it begins. What is returned is the
difference to what the segment costs without those minutes, so fees, minimum and maximum prices
keep their meaning and nothing drifts.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from billing_core.advance import bring_to, due_at_ms, next_due
from billing_core.charge import recompute, replan
from billing_core.credited import minutes_begun
from billing_core.decision import Decision
from billing_core.draft import Draft
from billing_core.events import EventKind
from billing_core.ledger import (
    Account,
    TransactionKind,
    deferred,
    receivable,
    revenue,
    wallet_bonus,
    wallet_cash,
)
from billing_core.money import MS_PER_MINUTE, share_half_up
from billing_core.outage import (
    BY_CONTROLLER,
    NOT_SERVED,
    OUTAGE_MIN_MS,
    OUTAGES_MAX,
    Finding,
    JournalFact,
    LinkFact,
    Outage,
    OutagePolicy,
    OutageStatus,
    Verdict,
)
from billing_core.player_tariff import bonus_of_value, expires_at_ms, value_minor
from billing_core.pricing import Run, price_minor, price_units, rule_of
from billing_core.receipt import steps_before, zone_at
from billing_core.rejection import Rejected, RejectionCode
from billing_core.session import Segment, SessionMode, SessionState, SessionStatus
from billing_core.starting import resume
from billing_core.terms import Terms


@dataclass(frozen=True, slots=True)
class _Minute:
    """A minute of a segment that comes back, and the step it belongs to."""

    from_ms: int
    until_ms: int
    step_index: int


def settle_outages(
    state: SessionState,
    found: Iterable[Finding],
    *,
    pc_id: str,
    terms: Terms,
    now_ms: int,
) -> Decision:
    """Keep what was found out about a session's time at a PC, and give back or propose what the
    club's policy says.

    ``found`` are verdicts over time that is over. What is at or before the end of an outage kept
    already is left alone, so the same findings again change nothing. The session is brought to
    ``now_ms`` first; one that has ended stays as it is, and what comes back lowers the bill as far
    as that is unpaid, else goes to the wallet.
    """
    draft = Draft(state, terms)
    if not state.status.is_final:
        bring_to(draft, now_ms)
    judged = [one for one in draft.outages if one.pc_id == pc_id]
    ours = [one for one in judged if one.decided_by == BY_CONTROLLER]
    judged_until_ms = max((one.until_ms for one in judged if one not in ours), default=0)
    for finding in _outside(found, ours):
        fresh = replace(finding, from_ms=max(finding.from_ms, judged_until_ms))
        if _is_outage(fresh) and len(draft.outages) < OUTAGES_MAX:
            _keep(draft, _outage(draft, fresh, pc_id), now_ms)
    return _finished(draft, now_ms)


def advance_past_lock(
    state: SessionState, terms: Terms, *, locked_from_ms: int, now_ms: int
) -> Decision:
    """Bring a session to ``now_ms`` whose PC was locked from ``locked_from_ms`` on, because we did
    not renew its right to be open: not charged, whatever the club's policy.

    Each step is given back before the next is posted, so no session ends for want of that money.
    """
    draft = Draft(state, terms)
    bring_to(draft, locked_from_ms)
    if len(draft.outages) < OUTAGES_MAX:
        _pass_lock(draft, locked_from_ms, now_ms)
    bring_to(draft, now_ms)
    if draft.segment is not None:
        recompute(draft, now_ms)
    return draft.finish(None if draft.is_over else due_at_ms(draft))


def _pass_lock(draft: Draft, locked_from_ms: int, now_ms: int) -> None:
    locked = Finding(locked_from_ms, now_ms, Verdict.OUR_FAULT, LinkFact.BLIND, JournalFact.LOCKED)
    outage = replace(
        _outage(draft, locked, draft.pc_id),
        status=OutageStatus.CREDITED,
        decided_by=BY_CONTROLLER,
        decided_at_ms=now_ms,
    )
    while (due := next_due(draft)) is not None and due.at_ms <= now_ms:
        paid_until_ms = draft.segments[-1].paid_until_ms
        due.happens(draft, due.at_ms)
        step = replace(locked, from_ms=max(locked_from_ms, paid_until_ms))
        for index, minute in list(_minutes(draft, step)):
            segment = draft.segments[index]
            _give_back(draft, segment, minute, outage=outage.number, at_ms=now_ms)
            after = draft.segments[index]
            outage = replace(
                outage,
                credited_ms=outage.credited_ms + minute.until_ms - minute.from_ms,
                amount_minor=outage.amount_minor + segment.amount_minor - after.amount_minor,
                bonus_minor=outage.bonus_minor + segment.bonus_minor - after.bonus_minor,
            )
            replan(draft)
    if outage.credited_ms:
        draft.outages = (*draft.outages, outage)
        draft.emit(EventKind.SESSION_CREDITED, now_ms, **_told(draft, outage))


def approve_outage(
    state: SessionState, number: int, *, by: str, terms: Terms, now_ms: int
) -> Decision | Rejected:
    """Staff gives a proposed outage back."""
    outage = _proposed(state, number)
    if isinstance(outage, Rejected):
        return outage
    draft = Draft(state, terms)
    if not state.status.is_final:
        bring_to(draft, now_ms)
    credited = replace(outage, status=OutageStatus.CREDITED, decided_by=by, decided_at_ms=now_ms)
    _put(draft, _credited(draft, credited, now_ms))
    return _finished(draft, now_ms)


def reject_outage(
    state: SessionState, number: int, *, by: str, terms: Terms, now_ms: int
) -> Decision | Rejected:
    """Staff leaves a proposed outage charged."""
    outage = _proposed(state, number)
    if isinstance(outage, Rejected):
        return outage
    draft = Draft(state, terms)
    if not state.status.is_final:
        bring_to(draft, now_ms)
    rejected = replace(outage, status=OutageStatus.REJECTED, decided_by=by, decided_at_ms=now_ms)
    _put(draft, rejected)
    draft.emit(EventKind.CREDIT_REJECTED, now_ms, outage=number, decided_by=by)
    return _finished(draft, now_ms)


def _proposed(state: SessionState, number: int) -> Outage | Rejected:
    if not 0 <= number < len(state.outages):
        message = f"the session has no outage {number}"
        return Rejected(RejectionCode.OUTAGE_NOT_FOUND, message, "number")
    outage = state.outages[number]
    if outage.status is not OutageStatus.PROPOSED:
        message = f"outage {number} is {outage.status.value.lower()} already"
        return Rejected(RejectionCode.OUTAGE_DECIDED, message, "number")
    return outage


def _finished(draft: Draft, now_ms: int) -> Decision:
    if draft.status is SessionStatus.STARTED and draft.outages is not draft.before.outages:
        if draft.segment is None:
            resume(draft, now_ms)
        else:
            recompute(draft, now_ms)
    return draft.finish(None if draft.is_over else due_at_ms(draft))


def _outside(found: Iterable[Finding], ours: Iterable[Outage]) -> Iterable[Finding]:
    """What of the findings is not given back already, as time in which we had left the PC
    locked."""
    left = list(found)
    for one in ours:
        cut = []
        for finding in left:
            cut.append(replace(finding, until_ms=min(finding.until_ms, one.from_ms)))
            cut.append(replace(finding, from_ms=max(finding.from_ms, one.until_ms)))
        left = [finding for finding in cut if finding.from_ms < finding.until_ms]
    return left


def _is_outage(finding: Finding) -> bool:
    return finding.verdict is not Verdict.PLAYED and finding.duration_ms >= OUTAGE_MIN_MS


def _outage(draft: Draft, finding: Finding, pc_id: str) -> Outage:
    status = OutageStatus.CHARGED
    club = draft.terms.club
    if finding.verdict in NOT_SERVED and club.outages is not OutagePolicy.CONTINUE:
        back_ms = sum(minute.until_ms - minute.from_ms for _, minute in _minutes(draft, finding))
        credited_ms = sum(
            one.credited_ms for one in draft.outages if one.status is OutageStatus.CREDITED
        )
        within = credited_ms + back_ms <= club.credit_max_minutes * MS_PER_MINUTE
        by_itself = club.outages is OutagePolicy.CREDIT and finding.is_proven and within
        status = OutageStatus.CREDITED if by_itself else OutageStatus.PROPOSED
    return Outage(
        number=len(draft.outages),
        pc_id=pc_id,
        from_ms=finding.from_ms,
        until_ms=finding.until_ms,
        verdict=finding.verdict,
        link=finding.link,
        journal=finding.journal,
        status=status,
    )


def _keep(draft: Draft, outage: Outage, now_ms: int) -> None:
    if outage.status is OutageStatus.CREDITED:
        outage = _credited(draft, outage, now_ms)
    elif outage.status is OutageStatus.PROPOSED:
        outage = _priced(draft, outage, now_ms)
    draft.outages = (*draft.outages, outage)
    if outage.status is OutageStatus.PROPOSED:
        draft.emit(EventKind.CREDIT_PROPOSED, now_ms, **_told(draft, outage))


def _put(draft: Draft, outage: Outage) -> None:
    number = outage.number
    draft.outages = (*draft.outages[:number], outage, *draft.outages[number + 1 :])


def _told(draft: Draft, outage: Outage) -> dict[str, str | int | bool | None]:
    return {
        "outage": outage.number,
        "pc_id": outage.pc_id,
        "verdict": outage.verdict.value,
        "from_at_ms": outage.from_ms,
        "until_at_ms": outage.until_ms,
        "minutes": outage.credited_ms // MS_PER_MINUTE,
        "amount_minor": outage.amount_minor,
        "bonus_minor": outage.bonus_minor,
        "currency": draft.before.currency,
        "decided_by": outage.decided_by,
    }


def _priced(draft: Draft, outage: Outage, now_ms: int) -> Outage:
    """What the outage would give back, worked out on a draft that is thrown away."""
    trial = Draft(draft.before, draft.terms)
    trial.segments, trial.outages = draft.segments, draft.outages
    trial.status, trial.device_links = draft.status, draft.device_links
    trial.wallet, trial.known_wallet = draft.wallet, draft.known_wallet
    trial.unpaid_minor = draft.unpaid_minor
    priced = _credited(trial, outage, now_ms)
    return replace(priced, status=outage.status)


def _credited(draft: Draft, outage: Outage, now_ms: int) -> Outage:
    """Post what comes back, one transaction per step; the outage with the sums."""
    span = Finding(outage.from_ms, outage.until_ms, outage.verdict, outage.link, outage.journal)
    before_minor = sum(segment.amount_minor for segment in draft.segments)
    before_bonus = sum(segment.bonus_minor for segment in draft.segments)
    credited_ms = 0
    for index, minute in list(_minutes(draft, span)):
        credited_ms += minute.until_ms - minute.from_ms
        _give_back(draft, draft.segments[index], minute, outage=outage.number, at_ms=now_ms)
    after_minor = sum(segment.amount_minor for segment in draft.segments)
    after_bonus = sum(segment.bonus_minor for segment in draft.segments)
    outage = replace(
        outage,
        credited_ms=credited_ms,
        amount_minor=before_minor - after_minor,
        bonus_minor=before_bonus - after_bonus,
    )
    draft.emit(EventKind.SESSION_CREDITED, now_ms, **_told(draft, outage))
    return outage


def _minutes(draft: Draft, span: Finding) -> Iterator[tuple[int, _Minute]]:
    """(segment, minute) for all billed minutes that began within the span; minutes of one step
    that is longer than a minute are one."""
    for segment in draft.segments:
        run = _run_of(draft, segment)
        end_ms = segment.paid_until_ms
        held: _Minute | None = None
        for begin_ms in minutes_begun(segment, span.from_ms, span.until_ms):
            at_ms, until_ms = max(begin_ms, segment.start_at_ms), begin_ms + MS_PER_MINUTE
            until_ms = min(until_ms, end_ms)
            step_index = steps_before(run, segment, at_ms + 1) - 1
            if held is not None and held.step_index == step_index:
                held = replace(held, until_ms=until_ms)
                continue
            if held is not None:
                yield segment.index, held
            held = _Minute(at_ms, until_ms, step_index)
        if held is not None:
            yield segment.index, held


def _run_of(draft: Draft, segment: Segment) -> Run:
    end_ms = segment.paid_until_ms if segment.end_at_ms is None else segment.end_at_ms
    at_ms = max(segment.start_at_ms, end_ms - 1)
    return Run(
        draft.terms.tariffs[segment.tariff],
        draft.terms.club.timezone,
        zone_at(draft.device_links, at_ms, segment.zone_id),
        draft.groups,
        segment.run_start_at_ms,
    )


def _give_back(draft: Draft, segment: Segment, minute: _Minute, *, outage: int, at_ms: int) -> None:
    run = _run_of(draft, segment)
    if segment.pack is not None:
        after = _without_drawn(segment, run, minute)
    else:
        units = price_units(run, minute.from_ms, minute.until_ms)
        accrued_units = segment.accrued_units - units
        rule = rule_of(run.tariff, segment.rule_index)
        amount_minor = price_minor(rule, accrued_units, segment.fee_minor)
        back_minor = max(0, segment.amount_minor - amount_minor)
        after = replace(
            segment,
            accrued_units=accrued_units,
            credited_units=segment.credited_units + units,
            amount_minor=segment.amount_minor - back_minor,
            bonus_minor=segment.bonus_minor
            - share_half_up(back_minor, segment.bonus_minor, segment.amount_minor),
        )
    draft.replace_segment(after)
    amounts = _amounts(draft, segment, after)
    if segment.amount_minor != after.amount_minor:
        draft.post(
            TransactionKind.CREDIT,
            at_ms,
            amounts,
            segment_index=segment.index,
            step_index=minute.step_index,
            part=outage,
        )


def _without_drawn(segment: Segment, run: Run, minute: _Minute) -> Segment:
    """Prepaid time the segment did not use after all."""
    pack = segment.pack
    assert pack is not None
    if pack.total_ms is None:
        return segment
    back_ms = min(segment.accrued_units, minute.until_ms - minute.from_ms)
    drawn_ms = segment.accrued_units - back_ms
    expiry_ms = expires_at_ms(pack, run.tariff, run.timezone)
    amount_minor = value_minor(
        pack, drawn_ms=drawn_ms, until_ms=segment.paid_until_ms, expiry_ms=expiry_ms
    )
    return replace(
        segment,
        accrued_units=drawn_ms,
        credited_units=segment.credited_units + back_ms,
        amount_minor=amount_minor,
        bonus_minor=bonus_of_value(pack, amount_minor),
    )


def _amounts(draft: Draft, before: Segment, after: Segment) -> tuple[tuple[Account, int], ...]:
    """Where the money goes: back where it came from while that is possible, else to the wallet."""
    state = draft.before
    back_minor = before.amount_minor - after.amount_minor
    bonus_minor = before.bonus_minor - after.bonus_minor
    earned = (revenue(state.currency, state.club_id), -back_minor)
    if after.pack is not None and after.end_at_ms is None:
        return (earned, (deferred(state.currency, after.pack.club_id), back_minor))
    if state.mode is SessionMode.OPEN_ENDED and not draft.is_over:
        return (earned, (receivable(state.currency, state.session_id), back_minor))
    # Nothing comes back of what was never paid: a bill that is due is lowered first.
    lowered_minor = min(back_minor, draft.unpaid_minor)
    draft.unpaid_minor -= lowered_minor
    cash_minor = back_minor - bonus_minor - lowered_minor
    draft.paid_by(draft.wallet.changed(cash_minor, bonus_minor))
    return (
        earned,
        (receivable(state.currency, state.session_id), lowered_minor),
        (wallet_bonus(state.currency, state.holder_id), bonus_minor),
        (wallet_cash(state.currency, state.holder_id), cash_minor),
    )
