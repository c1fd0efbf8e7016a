"""Wallets between the ledger's accounts and the billing room's value."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, Protocol

from billing_core.ledger import wallet_bonus, wallet_cash
from billing_core.wallet import Wallet

_WALLET_PARTS: Final = 4


class WalletKey(NamedTuple):
    """A holder's wallet in one currency. The holder is a player or a guest of one session."""

    currency: str
    holder_id: str

    @property
    def accounts(self) -> tuple[str, str]:
        """The cash account and the bonus account."""
        return wallet_cash(*self), wallet_bonus(*self)


class Balances(Protocol):
    """The part of the store that knows balances."""

    async def balances(self, chain_id: str, accounts: list[str]) -> dict[str, int]:
        """Current balances by account."""


def wallet_key_of(account: str) -> WalletKey | None:
    """The wallet an account belongs to; None for accounts of other kinds."""
    parts = account.split(":")
    if len(parts) != _WALLET_PARTS or parts[1] != "wallet":
        return None
    return WalletKey(parts[0], parts[2])


def wallet_of(key: WalletKey, balances: Mapping[str, int]) -> Wallet:
    """The wallet with these balances; a missing account is empty."""
    cash, bonus = key.accounts
    return Wallet(cash_minor=balances.get(cash, 0), bonus_minor=balances.get(bonus, 0))


async def read_wallets(
    store: Balances, chain_id: str, keys: Iterable[WalletKey]
) -> dict[WalletKey, Wallet]:
    """Wallets as the store has them now, in one call."""
    wanted = list(keys)
    accounts = [account for key in wanted for account in key.accounts]
    balances = await store.balances(chain_id, accounts)
    return {key: wallet_of(key, balances) for key in wanted}


def expected_balances(read: Mapping[WalletKey, Wallet]) -> tuple[tuple[str, int], ...]:
    """What a unit must find in the store to be what was decided."""
    expected: list[tuple[str, int]] = []
    for key, wallet in read.items():
        cash, bonus = key.accounts
        expected += [(cash, wallet.cash_minor), (bonus, wallet.bonus_minor)]
    return tuple(expected)
