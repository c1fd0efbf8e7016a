"""A one-time guest registers: what the guest has left becomes the player's."""

from dataclasses import replace

from actors.session import SessionActor, playing_claim
from actors.wallets import WalletKey
from billing_core.ledger import (
    Transaction,
    TransactionKind,
    command_id,
    entries_of,
    wallet_bonus,
    wallet_cash,
)
from billing_core.player_tariff import PlayerTariff
from billing_core.session import SessionState, SessionStatus
from billing_core.wallet import Wallet


def hand_over(
    actor: SessionActor, state: SessionState, player_id: str, *, key: str
) -> SessionState:
    """Move the guest's money and bought time to the player; the session as it then refers to it.

    ``key`` is the command's idempotency key, which names the transaction.
    """
    _hand_over_money(actor, state, player_id, key=key)
    drafting = actor.drafting
    owned = drafting.bought(state.holder_id)
    if owned:
        drafting.put_bought(player_id, [_owned_by(player_id, pack) for pack in owned])
        drafting.bought_after[state.holder_id] = ()
    return _with_packs_of(state, player_id)


def _hand_over_money(actor: SessionActor, state: SessionState, player_id: str, *, key: str) -> None:
    drafting, currency = actor.drafting, state.currency
    guest, player = WalletKey(currency, state.holder_id), WalletKey(currency, player_id)
    left = drafting.wallet(guest)
    if left.cash_minor <= 0 and left.bonus_minor <= 0:
        return
    entries = entries_of(
        (wallet_cash(*guest), -left.cash_minor),
        (wallet_bonus(*guest), -left.bonus_minor),
        (wallet_cash(*player), left.cash_minor),
        (wallet_bonus(*player), left.bonus_minor),
    )
    drafting.transactions.append(
        Transaction(
            id=command_id(key),
            at_ms=actor.now.wall_ms,
            kind=TransactionKind.TRANSFER,
            entries=entries,
            session_id=state.session_id,
        )
    )
    after = drafting.wallet(player).changed(left.cash_minor, left.bonus_minor)
    drafting.put_wallet(player, after)
    drafting.put_wallet(guest, Wallet())


def _owned_by(player_id: str, pack: PlayerTariff) -> PlayerTariff:
    return replace(pack, holder_id=player_id)


def _with_packs_of(state: SessionState, player_id: str) -> SessionState:
    segments = tuple(
        segment
        if segment.pack is None
        else replace(segment, pack=_owned_by(player_id, segment.pack))
        for segment in state.segments
    )
    extensions = tuple(
        waiting
        if waiting.pack is None
        else replace(waiting, pack=_owned_by(player_id, waiting.pack))
        for waiting in state.extensions
    )
    return replace(state, segments=segments, extensions=extensions)


def claim_seat(actor: SessionActor, state: SessionState) -> None:
    """The player plays from now on, and in no second session unless the club allows it."""
    claim = playing_claim(state)
    playing = state.status is SessionStatus.STARTED
    if claim is not None and playing and not actor.setup.terms.allows_parallel_sessions:
        actor.drafting.claims.append(claim)
