"""Double entries: append-only, ids derived from what caused them, sums always zero.

A balance is the sum of an account's entries. Positive is value the account holds or has earned
(a wallet, revenue, deferred); negative is where value came from (a desk that took money in, the
promo budget, a guest's unpaid bill). The sum over all accounts of a currency is zero, always.
"""

from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache
from typing import Final, NewType

from billing_core.hot_value import hot_value

Account = NewType("Account", str)
"""``<CUR>:<kind>:<owner>[:<part>]``."""

_CACHED_ACCOUNTS: Final = 65_536


class Means(StrEnum):
    """How money crossed the desk."""

    CASH = "cash"
    CARD = "card"


class TransactionKind(StrEnum):
    """What a transaction is about; the id says which one."""

    STEP = "step"
    SETTLE = "settle"
    VOID = "void"
    PURCHASE = "purchase"
    SURCHARGE = "surcharge"
    REFUND = "refund"
    FORFEIT = "forfeit"
    TOP_UP = "top_up"
    WITHDRAWAL = "withdrawal"
    PAYMENT = "payment"
    CORRECTION = "correction"
    CREDIT = "credit"
    """Time in which the PC did not serve, given back step by step."""
    TRANSFER = "transfer"
    """What a guest has left, to the player the guest has become."""


@lru_cache(maxsize=_CACHED_ACCOUNTS)
def wallet_cash(currency: str, holder_id: str) -> Account:
    """A holder's money. The holder is a player, or ``guest-<session>`` for a one-time guest."""
    return Account(f"{currency}:wallet:{holder_id}:cash")


@lru_cache(maxsize=_CACHED_ACCOUNTS)
def wallet_bonus(currency: str, holder_id: str) -> Account:
    """A holder's bonus."""
    return Account(f"{currency}:wallet:{holder_id}:bonus")


def desk(currency: str, club_id: str, means: Means) -> Account:
    """A club's desk per means of payment: what it took in, as a negative balance."""
    return Account(f"{currency}:desk:{club_id}:{means}")


@lru_cache(maxsize=_CACHED_ACCOUNTS)
def revenue(currency: str, club_id: str) -> Account:
    """What a club has earned."""
    return Account(f"{currency}:revenue:{club_id}")


def promo(currency: str, club_id: str) -> Account:
    """Bonus issued by a club, as a negative balance."""
    return Account(f"{currency}:promo:{club_id}")


@lru_cache(maxsize=_CACHED_ACCOUNTS)
def receivable(currency: str, session_id: str) -> Account:
    """What a post-pay session still owes, as a negative balance."""
    return Account(f"{currency}:receivable:{session_id}")


@lru_cache(maxsize=_CACHED_ACCOUNTS)
def deferred(currency: str, club_id: str) -> Account:
    """Prepaid time sold by a club and not used yet."""
    return Account(f"{currency}:deferred:{club_id}")


def is_guest(holder_id: str) -> bool:
    """Whether a holder is a one-time guest, whose wallet ends with the session."""
    return holder_id.startswith("guest-")


def is_of_one_session(account: str) -> bool:
    """Whether an account is done with when it is at zero: a guest's wallet, a post-pay bill."""
    return ":receivable:" in account or ":wallet:guest-" in account


@hot_value(frozen=True, slots=True)
class Entry:
    """One account's side of a transaction, in minor units."""

    account: Account
    amount_minor: int


@hot_value(frozen=True, slots=True)
class Transaction:
    """Entries that sum to zero. The id is a function of the cause, so a repeat is recognised.

    ``step/<session>/<segment>/<step>`` for a step, ``credit/<session>/<segment>/<step>/<outage>``
    for what of it came back, ``<kind>/<session>/<segment>`` for what a
    session does once per segment, ``command/<name of the command>/<n>`` for the rest.
    """

    id: str
    at_ms: int
    kind: TransactionKind
    entries: tuple[Entry, ...]
    session_id: str | None = None
    segment_index: int | None = None
    step_index: int | None = None


def entries_of(*amounts: tuple[Account, int]) -> tuple[Entry, ...]:
    """Entries for the amounts that are not zero."""
    return tuple(
        [Entry(account, amount_minor) for account, amount_minor in amounts if amount_minor]
    )


def command_id(idempotency_key: str, number: int = 0) -> str:
    """Id of the n-th transaction a command causes."""
    return f"command/{idempotency_key}/{number}"


def imbalance(entries: Iterable[Entry]) -> dict[str, int]:
    """Sum per currency where it is not zero; empty for a sound set of entries."""
    sums: dict[str, int] = {}
    for entry in entries:
        currency = entry.account.partition(":")[0]
        sums[currency] = sums.get(currency, 0) + entry.amount_minor
    return {currency: amount for currency, amount in sums.items() if amount}


def top_up(
    *,
    idempotency_key: str,
    at_ms: int,
    currency: str,
    club_id: str,
    holder_id: str,
    means: Means,
    amount_minor: int,
    bonus_minor: int = 0,
) -> tuple[Transaction, ...]:
    """Money over the desk into a wallet, with an optional bonus on top as its own transaction."""
    assert amount_minor >= 0
    assert bonus_minor >= 0
    paid = entries_of(
        (desk(currency, club_id, means), -amount_minor),
        (wallet_cash(currency, holder_id), amount_minor),
    )
    given = entries_of(
        (promo(currency, club_id), -bonus_minor),
        (wallet_bonus(currency, holder_id), bonus_minor),
    )
    return tuple(
        Transaction(command_id(idempotency_key, number), at_ms, TransactionKind.TOP_UP, entries)
        for number, entries in enumerate((paid, given))
        if entries
    )
