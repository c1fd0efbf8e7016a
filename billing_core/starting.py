"""Pressing Start, and going on after coverage has run out within the club's grace."""

from billing_core.admission import check_choice, check_place, check_usable, find_pack, find_tariff
from billing_core.advance import go_on
from billing_core.charge import open_run, post_step, recompute, replan
from billing_core.draft import Draft
from billing_core.events import EventKind
from billing_core.money import amount_text
from billing_core.plan import NextRun, fresh_end, next_run
from billing_core.player_tariff import PlayerTariff
from billing_core.purchase import block_price_minor, buy_block
from billing_core.rejection import Rejected, RejectionCode
from billing_core.renewal import Candidate, startable
from billing_core.session import SegmentCause, SessionMode, SessionStatus
from billing_core.tariff import Tariff, TariffType


def start(draft: Draft, now_ms: int) -> Rejected | None:
    """Time runs from now; the first step is charged at once."""
    chosen = _chosen(draft, now_ms)
    if isinstance(chosen, Rejected):
        return chosen
    state = draft.before
    draft.status = SessionStatus.STARTED
    draft.actual_start_at_ms = now_ms
    draft.groups = draft.terms.groups
    draft.device_linked(now_ms)
    draft.emit(EventKind.SESSION_STARTED, now_ms, pc_id=state.pc_id, zone_id=state.zone_id)
    open_run(draft, chosen, SegmentCause.START, at_ms=now_ms)
    return begin_first_step(draft, now_ms)


def begin_first_step(draft: Draft, now_ms: int) -> Rejected | None:
    """Charge the step that begins with a command; refuse if it cannot be paid."""
    replan(draft)
    planned_end_ms = draft.segments[-1].planned_end_at_ms
    if planned_end_ms is not None and planned_end_ms <= now_ms:
        cash = amount_text(draft.wallet.cash_minor, draft.before.currency)
        bonus = amount_text(draft.wallet.bonus_minor, draft.before.currency)
        message = f"{cash} and {bonus} in bonus do not pay the first step of {draft.tariff.name}"
        return Rejected(RejectionCode.INSUFFICIENT_FUNDS, message)
    post_step(draft)
    recompute(draft, now_ms)
    return None


def _chosen(draft: Draft, now_ms: int) -> Candidate | Rejected:
    """The session's tariff, if it may begin now; a fixed block is bought on the way."""
    state, terms = draft.before, draft.terms
    tariff = find_tariff(state.tariff, terms)
    if isinstance(tariff, Rejected):
        return tariff
    pack = find_pack(tariff, state.player_tariff_id, terms, session_id=state.session_id)
    if isinstance(pack, Rejected):
        return pack
    rejected = check_place(terms, now_ms, now_ms) or _check_tariff(
        draft, tariff, pack, now_ms=now_ms
    )
    if rejected is not None:
        return rejected
    if pack is None and tariff.type is TariffType.FIXED:
        return _block(draft, tariff, now_ms)
    return Candidate(tariff, pack)


def _check_tariff(
    draft: Draft, tariff: Tariff, pack: PlayerTariff | None, *, now_ms: int
) -> Rejected | None:
    """A version that was bought or chosen before stays good; its zone and hours must fit."""
    rejected = check_usable(tariff, pack, draft.terms, at_ms=now_ms)
    if rejected is None and pack is None and draft.before.created_at_ms == now_ms:
        rejected = check_choice(tariff, draft.terms, draft.before.mode)
    return rejected


def _block(draft: Draft, tariff: Tariff, now_ms: int) -> Candidate | Rejected:
    price_minor = block_price_minor(tariff, draft.terms, now_ms)
    pack = buy_block(draft, tariff, price_minor=price_minor, at_ms=now_ms)
    if isinstance(pack, Rejected):
        return pack
    return Candidate(tariff, pack)


def resume(draft: Draft, now_ms: int) -> bool:
    """Go on after coverage ran out, if anything covers the session from now. Grace is free."""
    situation = draft.situation(now_ms)
    following = next_run(situation, draft.wallet)
    if following is None:
        following = _same_again(draft, now_ms)
    if following is None:
        return False
    go_on(draft, following, now_ms)
    post_step(draft)
    recompute(draft, now_ms)
    return True


def _same_again(draft: Draft, now_ms: int) -> NextRun | None:
    """The tariff that ran out, from a wallet that has been filled since."""
    tariff, terms = draft.tariff, draft.terms
    if tariff.is_prepaid or draft.before.mode is SessionMode.OPEN_ENDED:
        return None
    if check_place(terms, now_ms, now_ms) is not None or not startable(tariff, terms, now_ms):
        return None
    candidate = Candidate(tariff, None)
    end = fresh_end(draft.situation(now_ms), candidate, draft.wallet)
    if end.until_ms is not None and end.until_ms <= now_ms:
        return None
    return NextRun(candidate, SegmentCause.EXTENSION, None, end)
