"""Balances as the ledger holds them."""

from collections.abc import Sequence

from actors.store import ReadModels
from billing_core.ledger import wallet_bonus, wallet_cash
from schemas.views import WalletView


async def wallets_of(
    store: ReadModels, chain_id: str, wanted: Sequence[tuple[str, str]]
) -> list[WalletView]:
    """The wallets of (player id, currency) pairs, in their order; never used ones hold nothing."""
    accounts = [
        account
        for player_id, currency in wanted
        for account in (wallet_cash(currency, player_id), wallet_bonus(currency, player_id))
    ]
    balances = await store.balances(chain_id, accounts)
    return [
        WalletView(
            player_id=player_id,
            currency=currency,
            cash_minor=balances[wallet_cash(currency, player_id)],
            bonus_minor=balances[wallet_bonus(currency, player_id)],
        )
        for player_id, currency in wanted
    ]
