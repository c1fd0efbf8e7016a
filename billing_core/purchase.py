"""Buying prepaid time: money moves from the wallet to deferred, and a player tariff is born."""

from billing_core.draft import Draft
from billing_core.ledger import TransactionKind, deferred, wallet_bonus, wallet_cash
from billing_core.money import amount_text
from billing_core.player_tariff import PlayerTariff, bought
from billing_core.pricing import Run, piece_at, rule_of
from billing_core.rejection import Rejected, RejectionCode
from billing_core.tariff import Tariff
from billing_core.terms import Terms
from billing_core.wallet import Wallet, bonus_part, most_affordable_minor


def block_price_minor(tariff: Tariff, terms: Terms, at_ms: int) -> int:
    """What a prepaid tariff costs in ``terms.zone`` for this player at an instant."""
    run = Run(tariff, terms.club.timezone, terms.zone.zone_id, terms.groups, at_ms)
    piece = piece_at(run, at_ms)
    if piece is None:
        return tariff.price_minor
    special_minor = rule_of(tariff, piece.rule_index).block_price_minor
    return tariff.price_minor if special_minor is None else special_minor


def bonus_of_purchase(tariff: Tariff, wallet: Wallet, price_minor: int) -> int | Rejected:
    """The bonus part of paying a price at once from a wallet, or that it does not suffice."""
    percent = tariff.bonus_max_percent
    most_minor = most_affordable_minor(wallet, before_minor=0, bonus_max_percent=percent)
    if price_minor > most_minor:
        price = amount_text(price_minor, tariff.currency)
        most = amount_text(max(0, most_minor), tariff.currency)
        message = f"{tariff.name} costs {price}, the wallet can pay {most}"
        return Rejected(RejectionCode.INSUFFICIENT_FUNDS, message)
    return bonus_part(
        price_minor, before_minor=0, bonus_minor=wallet.bonus_minor, bonus_max_percent=percent
    )


def buy_block(
    draft: Draft, tariff: Tariff, *, price_minor: int, at_ms: int, total_ms: int | None = None
) -> PlayerTariff | Rejected:
    """Buy a block for this session from its wallet; ``total_ms`` when it is trimmed."""
    bonus_minor = bonus_of_purchase(tariff, draft.wallet, price_minor)
    if isinstance(bonus_minor, Rejected):
        return bonus_minor
    state = draft.before
    number = len(draft.segments) + len(draft.extensions)
    pack = bought(
        tariff,
        player_tariff_id=f"block-{state.session_id}-{number}",
        holder_id=state.holder_id,
        club_id=state.club_id,
        at_ms=at_ms,
        price_minor=price_minor,
        bonus_minor=bonus_minor,
        total_ms=total_ms,
        session_id=state.session_id,
    )
    cash_minor = price_minor - bonus_minor
    draft.post(
        TransactionKind.PURCHASE,
        at_ms,
        (
            (wallet_bonus(state.currency, state.holder_id), -bonus_minor),
            (wallet_cash(state.currency, state.holder_id), -cash_minor),
            (deferred(state.currency, state.club_id), price_minor),
        ),
        segment_index=number,
    )
    draft.paid_by(draft.wallet.changed(-cash_minor, -bonus_minor))
    draft.packs[pack.player_tariff_id] = pack
    return pack
