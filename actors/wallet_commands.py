"""Money over the desk into a player's wallet."""

from actors.club_events import topped_up
from actors.command_context import CommandContext
from actors.refusal import Refusal
from actors.wallets import WalletKey
from billing_core.ledger import Means, top_up
from schemas.commands import CommandReply, ReplyStatus, TopUpWallet
from schemas.views import WalletView


def top_up_wallet(context: CommandContext, command: TopUpWallet) -> CommandReply | Refusal:
    """Take money at this club's desk, in its currency."""
    club, drafting = context.club, context.drafting
    if drafting.player(command.player_id) is None:
        return Refusal("player-not-found", f"no player {command.player_id}", "player_id")
    key = WalletKey(club.setup.terms.currency, command.player_id)
    wallet = drafting.wallet(key)
    drafting.transactions += top_up(
        idempotency_key=context.name,
        at_ms=context.now.wall_ms,
        currency=key.currency,
        club_id=club.club_id,
        holder_id=key.holder_id,
        means=Means(command.means.value),
        amount_minor=command.amount_minor,
        bonus_minor=command.bonus_minor,
    )
    after = wallet.changed(command.amount_minor, command.bonus_minor)
    drafting.put_wallet(key, after)
    payload = {
        "player_id": command.player_id,
        "currency": key.currency,
        "means": command.means.value,
        "amount_minor": command.amount_minor,
        "bonus_minor": command.bonus_minor,
        "balance_minor": after.cash_minor,
        "balance_bonus_minor": after.bonus_minor,
    }
    state = drafting.workspace.club(club.club_id)
    drafting.put_club(*topped_up(state, payload, now_ms=context.now.wall_ms))
    view = WalletView(
        player_id=command.player_id,
        currency=key.currency,
        cash_minor=after.cash_minor,
        bonus_minor=after.bonus_minor,
        credit_limit_minor=after.credit_limit_minor,
    )
    return CommandReply(status=ReplyStatus.OK, result={"wallet": view.told()})
