"""What players may not do by themselves, and the desk may."""

from actors.command_context import CommandContext
from actors.refusal import Refusal
from billing_core.session import SessionStatus
from schemas.commands import (
    Channel,
    CreateSession,
    SessionCommand,
    StartSession,
    SwitchSessionDevice,
)
from schemas.views import LinkState


def unheard_seat(
    context: CommandContext, command: SessionCommand | CreateSession
) -> Refusal | None:
    """Nobody starts, or moves while playing, to a PC that is not heard: it may not open, and time
    would be charged. At the desk somebody stands there who sees to it."""
    if context.cause.envelope.channel is Channel.CRM:
        return None
    pc_id = _played_at(context, command)
    if pc_id is None or pc_id not in context.club.pcs:
        return None
    if context.club.link_of(pc_id) is LinkState.ONLINE:
        return None
    return Refusal("pc-unreachable", f"PC {pc_id} is not heard", "pc_id")


def _played_at(context: CommandContext, command: SessionCommand | CreateSession) -> str | None:
    """The PC on which time is to run by this command, from now on."""
    if isinstance(command, CreateSession):
        return command.pc_id if command.start else None
    state = context.drafting.session(command.session_id)
    started = state is not None and state.status is SessionStatus.STARTED
    if isinstance(command, StartSession):
        return None if state is None or started else state.pc_id
    return command.pc_id if isinstance(command, SwitchSessionDevice) and started else None
