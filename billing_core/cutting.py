"""Taking the unused part of a begun step out of a segment that is left before it is over."""

from dataclasses import replace

from billing_core.charge import is_same_visit, settle
from billing_core.credited import credited_from
from billing_core.draft import Draft
from billing_core.ledger import TransactionKind, deferred, revenue
from billing_core.player_tariff import PlayerTariff, bonus_of_value, expires_at_ms, value_minor
from billing_core.pricing import price_minor, price_units, rule_of
from billing_core.session import Segment


def cut(draft: Draft, at_ms: int) -> None:
    """Take the unused part of the begun step out of the open segment: it goes on elsewhere.

    What of it came back already, as time that was not served, does not come back again.
    """
    segment = draft.segments[-1]
    unused_ms = segment.paid_until_ms - at_ms
    if unused_ms <= 0:
        return
    if segment.pack is not None:
        _undraw(draft, segment, segment.pack, at_ms=at_ms)
        return
    rule = rule_of(draft.tariff, segment.rule_index)
    back_units = sum(
        price_units(draft.run, from_ms, until_ms)
        for from_ms, until_ms in credited_from(draft.outages, segment, at_ms)
    )
    unused_units = price_units(draft.run, at_ms, segment.paid_until_ms) - back_units
    accrued_units = segment.accrued_units - unused_units
    amount_minor = price_minor(rule, accrued_units, segment.fee_minor)
    settled = settle(draft, segment, amount_minor, kind=TransactionKind.SETTLE, at_ms=at_ms)
    draft.put_segment(
        replace(
            settled,
            paid_until_ms=at_ms,
            accrued_units=accrued_units,
            credited_units=segment.credited_units - back_units,
        )
    )


def _undraw(draft: Draft, segment: Segment, pack: PlayerTariff, *, at_ms: int) -> None:
    credited = credited_from(draft.outages, segment, at_ms)
    back_ms = 0 if pack.total_ms is None else sum(until - begun for begun, until in credited)
    drawn_ms = segment.accrued_units - (segment.paid_until_ms - at_ms - back_ms)
    expiry_ms = expires_at_ms(pack, draft.tariff, draft.terms.club.timezone)
    amount_minor = value_minor(
        pack,
        drawn_ms=drawn_ms,
        until_ms=at_ms,
        expiry_ms=expiry_ms,
        same_visit=is_same_visit(draft, segment),
    )
    back_minor = segment.amount_minor - amount_minor
    state = draft.before
    draft.put_segment(
        replace(
            segment,
            paid_until_ms=at_ms,
            accrued_units=drawn_ms,
            credited_units=segment.credited_units - back_ms,
            amount_minor=amount_minor,
            bonus_minor=bonus_of_value(pack, amount_minor),
        )
    )
    if back_minor:
        amounts = (
            (revenue(state.currency, state.club_id), -back_minor),
            (deferred(state.currency, pack.club_id), back_minor),
        )
        draft.post(TransactionKind.SETTLE, at_ms, amounts, segment_index=segment.index)
