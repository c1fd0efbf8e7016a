"""A command's turn: exactly one draft, whatever the answer, so that the answer is durable."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from pydantic import JsonValue

from actors.club import ClubSupervisor
from actors.command_context import CommandContext
from actors.draft import Draft
from actors.drafting import Drafting
from actors.expiry import lapse_expired
from actors.follow_through import follow_through
from actors.one_shot import command_pc
from actors.order_commands import create_order, pay_order, refund_order
from actors.outage_commands import resolve_outage
from actors.pc_commands import hold_pc, release_pc
from actors.refusal import Refusal
from actors.rendering import receipt_view, session_view
from actors.self_service import unheard_seat
from actors.session_commands import COMMANDS
from actors.store import session_key
from actors.turn import CommandInput, Now
from actors.wallet_commands import top_up_wallet
from billing_core.commands import Recompute
from billing_core.decide import decide
from billing_core.rejection import Rejected
from billing_core.session import SessionState, SessionStatus
from schemas.commands import (
    CommandPc,
    CommandReply,
    CreateOrder,
    HoldPc,
    PayOrder,
    RefundOrder,
    ReleasePc,
    ReplyStatus,
    ResolveOutage,
    TopUpWallet,
)


def decide_command(
    cause: CommandInput, club: ClubSupervisor, drafting: Drafting, *, now: Now
) -> Draft:
    """Decide one command. A refusal is a draft too: it stores its answer and what it was read
    from, so that the same key gets the same answer."""
    context = CommandContext(cause, club, drafting, now)
    outcome = _OTHERS.get(type(cause.envelope.command), _session_command)(
        context, cause.envelope.command
    )
    if isinstance(outcome, Refusal):
        return drafting.emptied().finish(cause, reply=outcome.reply)
    _look_at_neighbours(context)
    lapse_expired(drafting, club.setup, now_ms=now.wall_ms)
    follow_through(drafting, club, now)
    return drafting.finish(cause, reply=_with_tile(outcome, drafting, cause))


def _session_command(context: CommandContext, command: Any) -> CommandReply | Refusal:  # noqa: ANN401
    refusal = _changed_meanwhile(context, command.session_id) or unheard_seat(context, command)
    if refusal is not None:
        return refusal
    outcome = COMMANDS[type(command)](context.sessions, context.cause, command)
    if isinstance(outcome, Refusal):
        return outcome
    result = _result(outcome, context.club, context.drafting)
    return CommandReply(status=ReplyStatus.OK, result=result)


def _changed_meanwhile(context: CommandContext, session_id: str) -> Refusal | None:
    """The caller has seen another version of the session than there is now."""
    expected = context.cause.envelope.expected_version
    version = context.drafting.workspace.version(session_key(session_id))
    if expected is None or version in (0, expected):
        return None
    return Refusal("version-changed", f"the session is at version {version}", "session_id")


def _result(state: SessionState, club: ClubSupervisor, drafting: Drafting) -> dict[str, JsonValue]:
    names = club.setup.names_of(state.tariffs)
    version = drafting.version_after(state.session_id)
    view = session_view(state, version=version, tariff_names=names)
    result: dict[str, JsonValue] = {"session": view.model_dump(mode="json")}
    receipt = drafting.receipts.get(state.session_id)
    if receipt is not None:
        result["receipt"] = receipt_view(receipt).model_dump(mode="json")
    return result


def _look_at_neighbours(context: CommandContext) -> None:
    """A booking made, moved or cancelled changes what covers the session that runs there.

    It is the same decision as the command's: a booking the store refuses shortens nobody.
    """
    actor, drafting = context.sessions, context.drafting
    for pc_id in sorted(drafting.touched_pcs):
        for state in drafting.sessions_on(pc_id):
            key = session_key(state.session_id)
            decided = key in drafting.entities or key in context.club.parked
            if decided or state.status is not SessionStatus.STARTED:
                continue
            terms = actor.terms_of(state)
            outcome = decide(state, Recompute(), terms=terms, now_ms=context.now.wall_ms)
            if not isinstance(outcome, Rejected) and outcome.state != state:
                actor.take(state, outcome, terms)


def _with_tile(reply: CommandReply, drafting: Drafting, cause: CommandInput) -> CommandReply:
    command = cause.envelope.command
    if not isinstance(command, HoldPc | ReleasePc | CommandPc):
        return reply
    tile = drafting.tiles.get(command.pc_id) or drafting.workspace.tile(command.pc_id)
    assert tile is not None, "a touched PC has a tile"
    return reply.model_copy(update={"result": {"tile": tile.model_dump(mode="json")}})


_OTHERS: Final[Mapping[type, Callable[[CommandContext, Any], CommandReply | Refusal]]] = (
    MappingProxyType(
        {
            TopUpWallet: top_up_wallet,
            HoldPc: hold_pc,
            ReleasePc: release_pc,
            CommandPc: command_pc,
            CreateOrder: create_order,
            PayOrder: pay_order,
            RefundOrder: refund_order,
            ResolveOutage: resolve_outage,
        }
    )
)
"""Commands that are not about one session, and what decides them."""
