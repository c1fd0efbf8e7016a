"""How far below nothing a player's wallets may go: who may say so, and what becomes of a debt."""

from collections.abc import Sequence

from actors.store import ReadModels
from billing_core.ledger import wallet_cash
from controller.api.access import check_part
from controller.api.directory import ChainDirectory
from controller.api.editing import whole_chain_only
from controller.api.player_models import CreditAsked
from controller.api.principal import Principal
from controller.api.problems import ProblemError
from schemas.catalogue import CreditLimit, PlayerDocument


def check_may_give_credit(principal: Principal, part: str) -> None:
    """Raise ``forbidden`` for whoever may not: a wallet is spent in every club of the chain."""
    check_part(principal, part, "")
    whole_chain_only(principal)


async def with_credit(
    store: ReadModels,
    chain_id: str,
    player: PlayerDocument,
    *,
    asked: Sequence[CreditAsked],
    directory: ChainDirectory,
) -> PlayerDocument:
    """The player with these limits and no others. Raises ``reference-unknown`` for a currency no
    club trades in, ``invalid-request`` for one that is named twice."""
    limits = {one.currency: one.amount_minor for one in asked}
    if len(limits) < len(asked):
        message = "One limit for each currency."
        raise ProblemError("invalid-request", message, field="creditLimits")
    for currency in limits.keys() - set(directory.currencies()):
        message = f"No club trades in {currency}."
        raise ProblemError("reference-unknown", message, field="creditLimits")
    known = {one.currency for one in player.credit_limits}
    account_of = {one: wallet_cash(one, player.player_id) for one in sorted(known | set(limits))}
    balances = await store.balances(chain_id, list(account_of.values()))
    after = (
        _limited(player.credit(one), limits.get(one, 0), balances[account])
        for one, account in account_of.items()
    )
    kept = tuple(one for one in after if one.limit_minor or one.floor_minor)
    return player.model_copy(update={"credit_limits": kept})


def _limited(before: CreditLimit, limit_minor: int, balance_minor: int) -> CreditLimit:
    """The next limit of a wallet. It may stand as low as the limit before allowed until now; lower
    only if it stood lower then, because of a limit before that."""
    stood_lower = balance_minor < -before.limit_minor
    floors = (limit_minor, before.limit_minor, before.floor_minor if stood_lower else 0)
    return CreditLimit(currency=before.currency, limit_minor=limit_minor, floor_minor=max(floors))
