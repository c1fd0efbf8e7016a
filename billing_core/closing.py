"""How runs, packs and sessions come to their end, and what becomes of unused prepaid time."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from billing_core.charge import drawn_by, settle
from billing_core.cutting import cut
from billing_core.draft import Draft
from billing_core.events import EventKind
from billing_core.ledger import (
    Account,
    TransactionKind,
    deferred,
    revenue,
    wallet_bonus,
    wallet_cash,
)
from billing_core.player_tariff import (
    PlayerTariff,
    PlayerTariffStatus,
    bonus_of_value,
    expires_at_ms,
    released,
)
from billing_core.session import EndedReason, Forfeit, SessionStatus
from billing_core.tariff import RefundPolicy, Tariff, TariffType

ONE_SITTING: Final = frozenset({TariffType.FIXED, TariffType.HOURS})
"""Types whose remainder meets the refund policy when the session ends. A pool or a subscription
is meant for many sessions: its remainder stays until it expires or its order is refunded."""

_GUEST_POLICY: Final[Mapping[RefundPolicy, RefundPolicy]] = MappingProxyType(
    {
        RefundPolicy.KEEP: RefundPolicy.FORFEIT,
        RefundPolicy.BONUS: RefundPolicy.FORFEIT,
        RefundPolicy.FORFEIT: RefundPolicy.FORFEIT,
        RefundPolicy.CASH: RefundPolicy.CASH,
    }
)
"""A one-time guest has no account to keep time or bonus on."""


def close_segment(draft: Draft, at_ms: int) -> None:
    """End the open segment at ``at_ms`` and let its pack go."""
    segment = draft.segments[-1]
    if segment.pack is not None:
        release_pack(draft, drawn_by(segment, segment.pack), at_ms, index=segment.index)
    draft.put_segment(replace(segment, end_at_ms=at_ms))


def release_pack(draft: Draft, pack: PlayerTariff, at_ms: int, *, index: int) -> None:
    """Give a pack back to its holder; what is left of it meets expiry or the refund policy.

    ``index`` numbers the transaction among those of this session.
    """
    tariff = draft.terms.tariffs[pack.tariff]
    expiry_ms = expires_at_ms(pack, tariff, draft.terms.club.timezone)
    pack = released(pack, expiry_ms=expiry_ms, at_ms=at_ms)
    if pack.status is PlayerTariffStatus.EXPIRED:
        pack = _give_back(draft, pack, RefundPolicy.FORFEIT, at_ms=at_ms, index=index)
    elif pack.status is PlayerTariffStatus.OPEN and tariff.type in ONE_SITTING:
        policy = _policy_of_rest(draft, pack, tariff, at_ms=at_ms)
        pack = _give_back(draft, pack, policy, at_ms=at_ms, index=index)
    draft.packs[pack.player_tariff_id] = pack


def _policy_of_rest(
    draft: Draft, pack: PlayerTariff, tariff: Tariff, *, at_ms: int
) -> RefundPolicy:
    """The policy is for the rest of what was played; what was not touched is not a rest.

    A purchase of its own stays its holder's, with an order to give it back. A block bought on
    the way goes back as it was paid if the session had no length at all; of one that never began
    nothing is forfeited, and a guest loses for want of an account nothing that was not begun.
    """
    if pack.used_ms > 0 or pack.earned_minor > 0:
        return policy_for(draft, tariff)
    if pack.order_id is not None:
        return RefundPolicy.KEEP
    if at_ms == draft.actual_start_at_ms:
        return RefundPolicy.CASH
    policy = policy_for(draft, tariff)
    never_began = draft.actual_start_at_ms is None
    if policy is RefundPolicy.FORFEIT and (never_began or tariff.refund is not policy):
        return RefundPolicy.CASH
    return policy


def policy_for(draft: Draft, tariff: Tariff) -> RefundPolicy:
    """The tariff's refund policy as it applies to this session's holder."""
    if draft.before.player_id is None:
        return _GUEST_POLICY[tariff.refund]
    return tariff.refund


def _give_back(
    draft: Draft, pack: PlayerTariff, policy: RefundPolicy, *, at_ms: int, index: int
) -> PlayerTariff:
    if policy is RefundPolicy.KEEP:
        return pack
    left_minor = pack.deferred_minor
    state = draft.before
    amounts, cash_minor, bonus_minor = returned_amounts(
        pack, policy, left_minor, currency=state.currency, holder_id=state.holder_id
    )
    forfeited = policy is RefundPolicy.FORFEIT
    kind = TransactionKind.FORFEIT if forfeited else TransactionKind.REFUND
    if left_minor:
        draft.post(kind, at_ms, amounts, segment_index=index)
        draft.paid_by(draft.wallet.changed(cash_minor, bonus_minor))
    if left_minor and forfeited:
        draft.forfeits = (*draft.forfeits, _forfeit(pack, left_minor))
    if left_minor and not forfeited:
        draft.emit(
            EventKind.REFUND,
            at_ms,
            player_tariff_id=pack.player_tariff_id,
            policy=policy.value,
            cash_minor=cash_minor,
            bonus_minor=bonus_minor,
        )
    status = pack.status if pack.status is PlayerTariffStatus.EXPIRED else None
    return given_back(pack, forfeited=forfeited, status=status)


def _forfeit(pack: PlayerTariff, left_minor: int) -> Forfeit:
    return Forfeit(
        pack.player_tariff_id,
        pack.tariff,
        pack.order_id,
        left_minor,
        bonus_of_value(pack, left_minor),
    )


def returned_amounts(
    pack: PlayerTariff, policy: RefundPolicy, amount_minor: int, *, currency: str, holder_id: str
) -> tuple[tuple[tuple[Account, int], ...], int, int]:
    """(entries, to cash, to bonus) for an amount that is deferred of a pack; any policy but KEEP.

    CASH gives each part back where it came from, evenly, in however many parts it goes back;
    BONUS gives all of it as bonus.
    """
    source = (deferred(currency, pack.club_id), -amount_minor)
    if policy is RefundPolicy.FORFEIT:
        return (source, (revenue(currency, pack.club_id), amount_minor)), 0, 0
    bonus_minor = amount_minor
    if policy is RefundPolicy.CASH:
        bonus_minor = bonus_of_value(pack, amount_minor)
    cash_minor = amount_minor - bonus_minor
    amounts = (
        source,
        (wallet_cash(currency, holder_id), cash_minor),
        (wallet_bonus(currency, holder_id), bonus_minor),
    )
    return amounts, cash_minor, bonus_minor


def given_back(
    pack: PlayerTariff, *, forfeited: bool, status: PlayerTariffStatus | None = None
) -> PlayerTariff:
    """A pack with nothing left in it."""
    left_minor = pack.deferred_minor
    if forfeited:
        after = status or PlayerTariffStatus.USED_UP
        return replace(pack, earned_minor=pack.earned_minor + left_minor, status=after)
    after = status or PlayerTariffStatus.REFUNDED
    return replace(pack, returned_minor=pack.returned_minor + left_minor, status=after)


def end_session(draft: Draft, at_ms: int, reason: EndedReason) -> None:
    """The session is over at ``at_ms``: segments closed, PC free, packs back, totals told."""
    segment = draft.segment
    if segment is not None:
        if at_ms == draft.actual_start_at_ms:
            _undo_start(draft, at_ms)
        close_segment(draft, at_ms)
    _release_extensions(draft, at_ms)
    draft.device_unlinked(at_ms)
    draft.status = SessionStatus.ENDED
    draft.actual_end_at_ms = at_ms
    draft.ended_reason = reason
    draft.emit(
        EventKind.SESSION_ENDED,
        at_ms,
        reason=reason.value,
        amount_minor=sum(segment.amount_minor for segment in draft.segments),
        bonus_minor=sum(segment.bonus_minor for segment in draft.segments),
        forfeited_minor=sum(one.amount_minor for one in draft.forfeits),
        currency=draft.before.currency,
    )


def _undo_start(draft: Draft, at_ms: int) -> None:
    """A session of no length costs nothing, not even the start fee."""
    if draft.segments[-1].pack is not None:
        cut(draft, at_ms)
        return
    draft.segments = tuple(
        replace(
            settle(draft, segment, 0, kind=TransactionKind.VOID, at_ms=at_ms),
            accrued_units=0,
            paid_until_ms=at_ms,
        )
        for segment in draft.segments
    )


def _release_extensions(draft: Draft, at_ms: int) -> None:
    first_index = len(draft.segments)
    for offset, extension in enumerate(draft.extensions):
        if extension.pack is not None:
            pack = replace(extension.pack, session_id=None)
            release_pack(draft, pack, at_ms, index=first_index + offset)
    draft.extensions = ()


def cancel_session(draft: Draft, at_ms: int) -> None:
    """The session never was: nothing charged, what was appended goes back."""
    _release_extensions(draft, at_ms)
    draft.device_unlinked(at_ms)
    draft.status = SessionStatus.CANCELLED
    draft.emit(EventKind.SESSION_CANCELLED, at_ms)
