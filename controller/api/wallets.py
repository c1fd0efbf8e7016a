"""Balances as the ledger holds them."""

from collections.abc import Mapping, Sequence

from actors.store import ReadModels
from billing_core.ledger import wallet_bonus, wallet_cash
from schemas.catalogue import PlayerDocument
from schemas.views import WalletView


async def wallets_of(
    store: ReadModels, chain_id: str, wanted: Sequence[tuple[PlayerDocument, str]]
) -> list[WalletView]:
    """The wallets of (player, currency) pairs, in their order; never used ones hold nothing."""
    accounts = [account for player, currency in wanted for account in _accounts(currency, player)]
    balances = await store.balances(chain_id, accounts)
    return [_view(player, currency, balances) for player, currency in wanted]


def _accounts(currency: str, player: PlayerDocument) -> tuple[str, str]:
    return wallet_cash(currency, player.player_id), wallet_bonus(currency, player.player_id)


def _view(player: PlayerDocument, currency: str, balances: Mapping[str, int]) -> WalletView:
    cash, bonus = _accounts(currency, player)
    return WalletView(
        player_id=player.player_id,
        currency=currency,
        cash_minor=balances[cash],
        bonus_minor=balances[bonus],
        credit_limit_minor=player.credit_limit_minor(currency),
    )
