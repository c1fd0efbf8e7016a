"""Segments: how they open, what their steps cost, how they are cut and closed.

A step is billed in full when it begins, at the prices in force during it. What is posted is
always ``round_half_up(owed so far) - already posted``.
"""

from billing_core.draft import Draft
from billing_core.events import EventKind
from billing_core.hot_value import replace
from billing_core.ledger import (
    Account,
    TransactionKind,
    deferred,
    receivable,
    revenue,
    wallet_bonus,
    wallet_cash,
)
from billing_core.limits import FORECAST_PERIOD_MS
from billing_core.money import share_half_up
from billing_core.plan import segment_end, whole_plan
from billing_core.player_tariff import (
    PlayerTariff,
    bonus_of_value,
    drawn,
    expires_at_ms,
    used,
    value_minor,
)
from billing_core.pricing import (
    Piece,
    piece_at,
    pieces,
    price_minor,
    price_units,
    rule_of,
    step_end_ms,
)
from billing_core.renewal import Candidate
from billing_core.session import Segment, SegmentCause, SessionMode
from billing_core.wallet import bonus_part
from billing_core.warnings import warn_of_balance, warn_of_coverage


def recompute(draft: Draft, at_ms: int) -> None:
    """Plan anew and warn of what comes out."""
    replan(draft)
    warn_of_coverage(draft, at_ms)
    warn_of_balance(draft, at_ms)


def replan(draft: Draft) -> None:
    """Work out anew until when the open segment, and everything after it, is covered."""
    segment = draft.segment
    if segment is None:
        return
    situation = draft.situation(segment.paid_until_ms)
    end = segment_end(situation, draft.run, segment)
    if end.until_ms != segment.planned_end_at_ms:
        draft.put_segment(replace(segment, planned_end_at_ms=end.until_ms))
    plan = whole_plan(situation, end)
    draft.coverage_is(plan.until_ms, plan.cause)
    draft.known_wallet = draft.wallet


def open_run(draft: Draft, candidate: Candidate, cause: SegmentCause, *, at_ms: int) -> None:
    """Begin a tariff in this session: its first segment, nothing charged yet."""
    tariff = candidate.tariff
    pack = candidate.pack
    if pack is not None:
        pack = used(pack, at_ms=at_ms, session_id=draft.before.session_id)
        draft.packs[pack.player_tariff_id] = pack
    segment = Segment(
        index=len(draft.segments),
        tariff=tariff.ref,
        cause=cause,
        zone_id=draft.zone_id,
        start_at_ms=at_ms,
        run_start_at_ms=at_ms,
        paid_until_ms=at_ms,
        pack=pack,
    )
    draft.segments = (*draft.segments, segment)
    draft.forget_run()
    piece = piece_at(draft.run, at_ms)
    if piece is not None:
        draft.put_segment(_priced(draft, segment, piece))


def _priced(draft: Draft, segment: Segment, piece: Piece) -> Segment:
    """The segment under a piece of the price table."""
    if segment.pack is not None:
        return replace(segment, rule_index=piece.rule_index)
    fee_minor = segment.fee_minor
    if segment.steps == 0 and not draft.fee_charged:
        fee_minor = rule_of(draft.tariff, piece.rule_index).start_fee_minor
    return replace(
        segment,
        rule_index=piece.rule_index,
        rate_per_hour_minor=piece.rate_per_hour_minor,
        rate_until_ms=piece.until_ms,
        fee_minor=fee_minor,
    )


def next_segment(draft: Draft, cause: SegmentCause, piece: Piece, *, at_ms: int) -> None:
    """Close the open segment and go on in a new one, in the same run."""
    segment = draft.segments[-1]
    pack = segment.pack
    if pack is not None:
        pack = drawn_by(segment, pack)
        draft.packs[pack.player_tariff_id] = pack
    draft.put_segment(replace(segment, end_at_ms=at_ms))
    opened = Segment(
        index=segment.index + 1,
        tariff=segment.tariff,
        cause=cause,
        zone_id=draft.zone_id,
        start_at_ms=at_ms,
        run_start_at_ms=segment.run_start_at_ms,
        paid_until_ms=at_ms,
        planned_end_at_ms=segment.planned_end_at_ms,
        pack=pack,
    )
    draft.segments = (*draft.segments, opened)
    draft.forget_run()
    draft.put_segment(_priced(draft, opened, piece))
    rule = rule_of(draft.tariff, piece.rule_index)
    draft.emit(
        EventKind.SEGMENT_OPENED,
        at_ms,
        segment=opened.index,
        cause=cause.value,
        rule=rule.name,
        zone_id=opened.zone_id,
        price_per_hour_minor=piece.rate_per_hour_minor,
    )


def drawn_by(segment: Segment, pack: PlayerTariff) -> PlayerTariff:
    """A pack after a segment drew from it."""
    return drawn(
        pack,
        used_ms=segment.accrued_units,
        earned_minor=segment.amount_minor,
        until_ms=segment.paid_until_ms,
    )


def post_step(draft: Draft) -> None:
    """Begin the next billing step: post what it costs."""
    segment = _priced_at_begin(draft)
    _post_until(draft, segment, step_end_ms(draft.run, segment.paid_until_ms))


def post_stride(draft: Draft, before_ms: int) -> None:
    """Begin all steps before ``before_ms`` up to a change of rule, as one posting."""
    segment = _priced_at_begin(draft)
    begin_ms = segment.paid_until_ms
    assert draft.actual_start_at_ms is not None
    periods = (begin_ms - draft.actual_start_at_ms) // FORECAST_PERIOD_MS + 1
    before_ms = min(before_ms, draft.actual_start_at_ms + periods * FORECAST_PERIOD_MS)
    if segment.planned_end_at_ms is not None:
        before_ms = min(before_ms, segment.planned_end_at_ms)
    if segment.pack is None:
        before_ms = _same_rule_until_ms(draft, segment, before_ms)
    _post_until(draft, segment, step_end_ms(draft.run, max(begin_ms, before_ms - 1)))


def _same_rule_until_ms(draft: Draft, segment: Segment, before_ms: int) -> int:
    until_ms = segment.paid_until_ms
    for _, piece_end_ms, piece in pieces(draft.run, segment.paid_until_ms, before_ms):
        if piece.rule_index != segment.rule_index:
            break
        until_ms = piece_end_ms
    return until_ms


def _priced_at_begin(draft: Draft) -> Segment:
    """The open segment under the price in force where its next step begins."""
    segment = draft.segments[-1]
    if segment.rate_until_ms is not None and segment.paid_until_ms >= segment.rate_until_ms:
        return _repriced(draft, segment, segment.paid_until_ms)
    return segment


def _post_until(draft: Draft, segment: Segment, end_ms: int) -> None:
    """Post the time from the end of the last step up to ``end_ms``, a step's end."""
    begin_ms = segment.paid_until_ms
    if segment.planned_end_at_ms is not None and end_ms > segment.planned_end_at_ms:
        end_ms = segment.planned_end_at_ms
    if segment.pack is not None:
        _draw(draft, segment, segment.pack, end_ms=end_ms)
        return
    if segment.rate_until_ms is None or end_ms <= segment.rate_until_ms:
        units = segment.rate_per_hour_minor * (end_ms - begin_ms)
    else:
        units = price_units(draft.run, begin_ms, end_ms)
    accrued_units = segment.accrued_units + units
    rule = rule_of(draft.tariff, segment.rule_index)
    amount_minor = price_minor(rule, accrued_units, segment.fee_minor)
    _charge(draft, segment, amount_minor, accrued_units=accrued_units, end_ms=end_ms)


def _repriced(draft: Draft, segment: Segment, at_ms: int) -> Segment:
    """The table says something else from here: another segment, or another tier of this one."""
    piece = piece_at(draft.run, at_ms)
    assert piece is not None, "coverage ends where the price table does"
    if piece.rule_index != segment.rule_index:
        next_segment(draft, SegmentCause.PRICE, piece, at_ms=at_ms)
    else:
        draft.put_segment(
            replace(
                segment,
                rate_per_hour_minor=piece.rate_per_hour_minor,
                rate_until_ms=piece.until_ms,
            )
        )
    return draft.segments[-1]


def _charge(
    draft: Draft, segment: Segment, amount_minor: int, *, accrued_units: int, end_ms: int
) -> None:
    charge_minor = amount_minor - segment.amount_minor
    state = draft.before
    earned = (revenue(state.currency, state.club_id), charge_minor)
    if state.mode is SessionMode.OPEN_ENDED:
        bonus_minor = 0
        amounts: tuple[tuple[Account, int], ...] = (
            (receivable(state.currency, state.session_id), -charge_minor),
            earned,
        )
    else:
        bonus_minor = bonus_part(
            charge_minor,
            before_minor=segment.amount_minor,
            bonus_minor=draft.wallet.bonus_minor,
            bonus_max_percent=draft.tariff.bonus_max_percent,
        )
        cash_minor = charge_minor - bonus_minor
        amounts = (
            (wallet_bonus(state.currency, state.holder_id), -bonus_minor),
            (wallet_cash(state.currency, state.holder_id), -cash_minor),
            earned,
        )
        draft.paid_by(draft.wallet.changed(-cash_minor, -bonus_minor))
    _step_done(
        draft,
        segment.stepped(
            paid_until_ms=end_ms,
            accrued_units=accrued_units,
            amount_minor=amount_minor,
            bonus_minor=segment.bonus_minor + bonus_minor,
        ),
        amounts,
    )


def _draw(draft: Draft, segment: Segment, pack: PlayerTariff, *, end_ms: int) -> None:
    drawn_ms = segment.accrued_units + end_ms - segment.paid_until_ms
    expiry_ms = expires_at_ms(pack, draft.tariff, draft.terms.club.timezone)
    amount_minor = value_minor(
        pack,
        drawn_ms=drawn_ms,
        until_ms=end_ms,
        expiry_ms=expiry_ms,
        same_visit=is_same_visit(draft, segment),
    )
    charge_minor = amount_minor - segment.amount_minor
    state = draft.before
    _step_done(
        draft,
        segment.stepped(
            paid_until_ms=end_ms,
            accrued_units=drawn_ms,
            amount_minor=amount_minor,
            bonus_minor=bonus_of_value(pack, amount_minor),
        ),
        (
            (deferred(state.currency, pack.club_id), -charge_minor),
            (revenue(state.currency, state.club_id), charge_minor),
        ),
    )


def is_same_visit(draft: Draft, segment: Segment) -> bool:
    """Whether the segment goes on, in another zone or at another price, with what one before it
    drew from in the same run."""
    if segment.index == 0:
        return False
    before = draft.segments[segment.index - 1]
    same_run = before.run_start_at_ms == segment.run_start_at_ms
    return same_run and before.player_tariff_id == segment.player_tariff_id


def _step_done(draft: Draft, segment: Segment, amounts: tuple[tuple[Account, int], ...]) -> None:
    """Post a step, the last one of ``segment``, at the instant it began."""
    before = draft.segments[-1]
    begin_ms = before.paid_until_ms
    draft.put_segment(segment)
    draft.post(
        TransactionKind.STEP,
        begin_ms,
        amounts,
        segment_index=segment.index,
        step_index=before.steps,
    )
    start_ms = draft.actual_start_at_ms
    if start_ms is not None and (
        (begin_ms - start_ms) // FORECAST_PERIOD_MS
        != (segment.paid_until_ms - start_ms) // FORECAST_PERIOD_MS
    ):
        recompute(draft, begin_ms)
    elif draft.terms.club.low_balance_minor:
        warn_of_balance(draft, begin_ms)


def settle(
    draft: Draft, segment: Segment, amount_minor: int, *, kind: TransactionKind, at_ms: int
) -> Segment:
    """Bring a segment's charge down to ``amount_minor``; the segment with the rest given back.

    It goes back as it came: bonus and cash in the proportion the segment took them.
    """
    back_minor = segment.amount_minor - amount_minor
    bonus_minor = share_half_up(back_minor, segment.bonus_minor, segment.amount_minor)
    cash_minor = back_minor - bonus_minor
    state = draft.before
    taken = (revenue(state.currency, state.club_id), -back_minor)
    if state.mode is SessionMode.OPEN_ENDED:
        amounts: tuple[tuple[Account, int], ...] = (
            (receivable(state.currency, state.session_id), back_minor),
            taken,
        )
    else:
        amounts = (
            (wallet_bonus(state.currency, state.holder_id), bonus_minor),
            (wallet_cash(state.currency, state.holder_id), cash_minor),
            taken,
        )
        draft.paid_by(draft.wallet.changed(cash_minor, bonus_minor))
    if back_minor:
        draft.post(kind, at_ms, amounts, segment_index=segment.index)
    return replace(
        segment, amount_minor=amount_minor, bonus_minor=segment.bonus_minor - bonus_minor
    )
