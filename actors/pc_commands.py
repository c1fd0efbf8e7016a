"""Taking a PC out of use and putting it back: its administrative state."""

from collections.abc import Mapping
from dataclasses import replace

from actors.club_events import PcTold, Value
from actors.command_context import CommandContext
from actors.pc import Hold, PcState
from actors.refusal import Refusal
from actors.seating import seat_refusal, unknown_pc
from schemas.commands import CommandReply, HoldPc, ReleasePc, ReplyStatus
from schemas.events import ClubEventKind


def hold_pc(context: CommandContext, command: HoldPc) -> CommandReply | Refusal:
    """Hold a PC nobody sits at or waits for; a second hold replaces the first."""
    refusal = unknown_pc(context.sessions, command.pc_id, "pc_id")
    if refusal is not None:
        return refusal
    now_ms = context.now.wall_ms
    if command.until_ms is not None and command.until_ms <= now_ms:
        return Refusal("hold-time-invalid", "the hold would be over already", "until_ms")
    released = replace(_pc(context, command.pc_id), hold=None)
    context.drafting.put_pc(released)
    taken = seat_refusal(context.sessions, command.pc_id, session_id="")
    if taken is not None:
        return taken
    hold = Hold(command.reason, now_ms, command.until_ms)
    payload = {"reason": hold.reason, "until_ms": hold.until_ms}
    _tell(context, replace(released, hold=hold), ClubEventKind.PC_HELD, payload=payload)
    return _accepted()


def _tell(
    context: CommandContext, state: PcState, kind: ClubEventKind, *, payload: Mapping[str, Value]
) -> None:
    told = PcTold(state).tell(
        kind, at_ms=context.now.wall_ms, session_id=state.shown_session_id, payload=payload
    )
    context.drafting.put_pc(context.drafting.tell(told))


def release_pc(context: CommandContext, command: ReleasePc) -> CommandReply | Refusal:
    """Put a held PC back into use."""
    refusal = unknown_pc(context.sessions, command.pc_id, "pc_id")
    if refusal is not None:
        return refusal
    state = _pc(context, command.pc_id)
    if not state.held_at(context.now.wall_ms):
        return Refusal("pc-not-on-hold", f"PC {command.pc_id} is in use", "pc_id")
    _tell(context, replace(state, hold=None), ClubEventKind.PC_RELEASED, payload={})
    return _accepted()


def _pc(context: CommandContext, pc_id: str) -> PcState:
    return context.drafting.pc(pc_id) or PcState(pc_id, context.club.club_id)


def _accepted() -> CommandReply:
    """The tile joins the answer once the draft has been followed through."""
    return CommandReply(status=ReplyStatus.OK)
