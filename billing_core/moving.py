"""Changing seats: time and tariff go on, another price opens a new segment at that instant."""

from dataclasses import replace

from billing_core.admission import check_place
from billing_core.charge import next_segment, recompute
from billing_core.commands import SwitchSessionDevice
from billing_core.cutting import cut
from billing_core.draft import Draft
from billing_core.events import EventKind
from billing_core.ledger import TransactionKind, deferred, wallet_bonus, wallet_cash
from billing_core.money import share_half_up
from billing_core.player_tariff import PlayerTariff
from billing_core.pricing import Piece, piece_at, rule_of
from billing_core.purchase import bonus_of_purchase
from billing_core.rejection import Rejected, RejectionCode
from billing_core.session import Segment, SegmentCause, SessionStatus
from billing_core.starting import begin_first_step


def move(draft: Draft, command: SwitchSessionDevice, now_ms: int) -> Rejected | None:
    """Go on at another PC; ``draft.terms`` describe the place it goes to."""
    if command.pc_id == draft.before.pc_id:
        return Rejected(RejectionCode.SAME_DEVICE, "the session is on this PC already", "pc_id")
    if not draft.terms.zone.sells(draft.before.tariff.id):
        message = f"the session's tariff is not offered in zone {command.zone_id}"
        return Rejected(RejectionCode.TARIFF_NOT_IN_ZONE, message, "pc_id")
    start_ms = now_ms if draft.actual_start_at_ms is None else draft.actual_start_at_ms
    rejected = check_place(draft.terms, start_ms, now_ms)
    if rejected is None and draft.segment is not None:
        rejected = _reprice(draft, draft.segment, command.zone_id, now_ms=now_ms)
    if rejected is not None:
        return rejected
    draft.pc_id, draft.zone_id = command.pc_id, command.zone_id
    if draft.status is SessionStatus.STARTED:
        draft.device_linked(now_ms)
        recompute(draft, now_ms)
    draft.emit(
        EventKind.DEVICE_SWITCHED,
        now_ms,
        from_pc_id=draft.before.pc_id,
        pc_id=command.pc_id,
        zone_id=command.zone_id,
    )
    return None


def _reprice(draft: Draft, segment: Segment, zone_id: str, *, now_ms: int) -> Rejected | None:
    piece = piece_at(draft.run.in_zone(zone_id), now_ms)
    if piece is None:
        message = f"{draft.tariff.name} has no price in zone {zone_id} at this time"
        return Rejected(RejectionCode.TARIFF_HAS_NO_PRICE, message, "pc_id")
    if piece.rule_index != segment.rule_index:
        cut(draft, now_ms)
        draft.zone_id = zone_id
        if segment.pack is not None:
            return _move_pack(draft, segment, piece, now_ms=now_ms)
        next_segment(draft, SegmentCause.ZONE, piece, at_ms=now_ms)
        return begin_first_step(draft, now_ms)
    draft.zone_id = zone_id
    draft.forget_run()
    if segment.pack is None:
        draft.put_segment(replace(segment, rate_until_ms=piece.until_ms))
    return None


def _move_pack(draft: Draft, before: Segment, piece: Piece, *, now_ms: int) -> Rejected | None:
    """A dearer zone costs the difference for the time that is left; a cheaper one gives none."""
    old_minor = _price_under(draft, before.rule_index)
    new_minor = _price_under(draft, piece.rule_index)
    next_segment(draft, SegmentCause.ZONE, piece, at_ms=now_ms)
    opened = draft.segments[-1]
    pack = opened.pack
    assert pack is not None
    if new_minor > old_minor and pack.remaining_ms is not None and pack.total_ms:
        more_minor = share_half_up(new_minor - old_minor, pack.remaining_ms, pack.total_ms)
        dearer = _surcharge(draft, pack, more_minor, at_ms=now_ms, index=opened.index)
        if isinstance(dearer, Rejected):
            return dearer
        draft.packs[dearer.player_tariff_id] = dearer
        draft.put_segment(replace(opened, pack=dearer))
    return begin_first_step(draft, now_ms)


def _price_under(draft: Draft, rule_index: int) -> int:
    special_minor = rule_of(draft.tariff, rule_index).block_price_minor
    return draft.tariff.price_minor if special_minor is None else special_minor


def _surcharge(
    draft: Draft, pack: PlayerTariff, more_minor: int, *, at_ms: int, index: int
) -> PlayerTariff | Rejected:
    bonus_minor = bonus_of_purchase(draft.tariff, draft.wallet, more_minor)
    if isinstance(bonus_minor, Rejected):
        return bonus_minor
    state = draft.before
    cash_minor = more_minor - bonus_minor
    draft.post(
        TransactionKind.SURCHARGE,
        at_ms,
        (
            (wallet_bonus(state.currency, state.holder_id), -bonus_minor),
            (wallet_cash(state.currency, state.holder_id), -cash_minor),
            (deferred(state.currency, pack.club_id), more_minor),
        ),
        segment_index=index,
    )
    draft.paid_by(draft.wallet.changed(-cash_minor, -bonus_minor))
    return replace(
        pack,
        price_minor=pack.price_minor + more_minor,
        bonus_minor=pack.bonus_minor + bonus_minor,
    )
