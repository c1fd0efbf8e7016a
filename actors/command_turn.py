"""A command's turn: exactly one draft, whatever the answer, so that the answer is durable."""

from pydantic import JsonValue

from actors.club import ClubSupervisor
from actors.draft import Draft
from actors.drafting import Drafting
from actors.follow_through import follow_through
from actors.rendering import receipt_view, session_view
from actors.session import SessionActor
from actors.session_commands import COMMANDS, Refusal
from actors.turn import CommandInput, Now
from actors.wallets import WalletKey
from billing_core.ledger import Means, top_up
from billing_core.session import SessionState
from schemas.commands import CommandReply, ReplyStatus, TopUpWallet
from schemas.views import WalletView


def decide_command(
    cause: CommandInput, club: ClubSupervisor, drafting: Drafting, *, now: Now
) -> Draft:
    """Decide one command. A refusal is a draft too: it stores its answer and what it was read
    from, so that the same key gets the same answer."""
    if isinstance(cause.envelope.command, TopUpWallet):
        outcome = _top_up(cause, club, drafting, command=cause.envelope.command, now=now)
    else:
        outcome = _session_command(cause, club, drafting, now=now)
    if isinstance(outcome, Refusal):
        return drafting.emptied().finish(cause, reply=outcome.reply)
    follow_through(drafting, club, now)
    return drafting.finish(cause, reply=outcome)


def _session_command(
    cause: CommandInput, club: ClubSupervisor, drafting: Drafting, *, now: Now
) -> CommandReply | Refusal:
    command = cause.envelope.command
    actor = SessionActor(club.setup, drafting, now)
    outcome = COMMANDS[type(command)](actor, cause, command)
    if isinstance(outcome, Refusal):
        return outcome
    return CommandReply(status=ReplyStatus.OK, result=_result(outcome, club, drafting))


def _result(state: SessionState, club: ClubSupervisor, drafting: Drafting) -> dict[str, JsonValue]:
    names = club.setup.names_of(segment.tariff for segment in state.segments)
    version = drafting.version_after(state.session_id)
    view = session_view(state, version=version, tariff_names=names)
    result: dict[str, JsonValue] = {"session": view.model_dump(mode="json")}
    receipt = drafting.receipts.get(state.session_id)
    if receipt is not None:
        result["receipt"] = receipt_view(receipt).model_dump(mode="json")
    return result


def _top_up(
    cause: CommandInput, club: ClubSupervisor, drafting: Drafting, *, command: TopUpWallet, now: Now
) -> CommandReply | Refusal:
    if drafting.player(command.player_id) is None:
        return Refusal("player-not-found", f"no player {command.player_id}", "player_id")
    key = WalletKey(club.setup.terms.currency, command.player_id)
    wallet = drafting.wallet(key)
    drafting.transactions += top_up(
        idempotency_key=cause.envelope.idempotency_key,
        at_ms=now.wall_ms,
        currency=key.currency,
        club_id=club.club_id,
        holder_id=key.holder_id,
        means=Means(command.means.value),
        amount_minor=command.amount_minor,
        bonus_minor=command.bonus_minor,
    )
    after = wallet.changed(command.amount_minor, command.bonus_minor)
    drafting.put_wallet(key, after)
    view = WalletView(
        player_id=command.player_id,
        currency=key.currency,
        cash_minor=after.cash_minor,
        bonus_minor=after.bonus_minor,
    )
    return CommandReply(status=ReplyStatus.OK, result={"wallet": view.model_dump(mode="json")})
