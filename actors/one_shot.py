"""One-shot orders to a PC: asked for once, sent once, and what became of each told as an event.

An order is no target: one that is lost is not sent again, because a PC that reboots an hour
late surprises whoever sits there. Nobody's answer by its time is an answer too.
"""

from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final

from actors.club_events import PcTold
from actors.command_context import CommandContext
from actors.command_outcome import given_up
from actors.pc import OBEYED_WITHIN_MS, PcState, SentCommand
from actors.refusal import Refusal
from actors.seating import unknown_pc
from actors.turn import CommandDevice, WakePc
from actors.waking import THE_CONTROLLER
from billing_core.session import SessionStatus
from schemas.commands import CommandPc, CommandReply, ReplyStatus
from schemas.device import DeviceCommand, DeviceCommandKind
from schemas.views import LinkState

DEFAULT_DURATION_MS: Final = {
    DeviceCommandKind.IDENTIFY: 10_000,
    DeviceCommandKind.MAINTENANCE: 30 * 60_000,
}
_REACHABLE: Final = frozenset({LinkState.ONLINE, LinkState.SUSPECT})
_NOT_UNDER_A_PLAYER: Final = frozenset({DeviceCommandKind.SHUTDOWN, DeviceCommandKind.MAINTENANCE})


@dataclass(frozen=True, slots=True)
class Asked:
    """An order as decided: who carries it out, and the card of the other PC it is about, if any."""

    carrier_pc_id: str
    mac: str | None = None


def command_pc(context: CommandContext, command: CommandPc) -> CommandReply | Refusal:
    """Decide one order and send it with the commit that remembers it."""
    refusal = unknown_pc(context.sessions, command.pc_id, "pc_id") or _incomplete(command)
    if refusal is not None:
        return refusal
    state = context.drafting.pc(command.pc_id) or PcState(command.pc_id, context.club.club_id)
    asked = _carrier(context, command, state)
    if isinstance(asked, Refusal):
        return asked
    now_ms = context.now.wall_ms
    order = DeviceCommand(
        cmd_id=_command_id(context),
        kind=command.asked,
        not_after_ms=now_ms + OBEYED_WITHIN_MS,
        text=command.text,
        duration_ms=_duration_ms(command),
        mac=asked.mac,
        code_hash=command.code_hash,
    )
    sent = SentCommand(order.cmd_id, command.asked, now_ms, carrier_pc_id=asked.carrier_pc_id)
    # A PC has room for one order: whoever waits for the one before hears now that it was given up.
    state = context.drafting.tell(given_up(PcTold(state), now_ms))
    context.drafting.put_pc(replace(state, command=sent))
    context.drafting.orders.append(_sent(state.club_id, asked, order))
    return CommandReply(status=ReplyStatus.OK)


def _sent(club_id: str, asked: Asked, order: DeviceCommand) -> CommandDevice | WakePc:
    if asked.carrier_pc_id == THE_CONTROLLER:
        assert asked.mac is not None
        return WakePc(club_id, asked.mac, order.cmd_id)
    return CommandDevice(club_id, asked.carrier_pc_id, order)


def _duration_ms(command: CommandPc) -> int | None:
    if command.duration_ms is not None:
        return command.duration_ms
    return DEFAULT_DURATION_MS.get(command.asked)


def _carrier(context: CommandContext, command: CommandPc, state: PcState) -> Asked | Refusal:
    if command.asked is DeviceCommandKind.WAKE:
        return _waker(context, state)
    if context.club.link_of(state.pc_id) not in _REACHABLE:
        return Refusal("pc-unreachable", f"PC {state.pc_id} is not heard", "pc_id")
    playing = any(
        one.status is SessionStatus.STARTED for one in context.drafting.sessions_on(state.pc_id)
    )
    if playing and command.asked in _NOT_UNDER_A_PLAYER:
        return Refusal("pc-busy", f"PC {state.pc_id} has a running session", "pc_id")
    return Asked(state.pc_id)


def _waker(context: CommandContext, state: PcState) -> Asked | Refusal:
    """A neighbour that is heard sends the packet; with all PCs off this host does, if it reaches
    the club's network. The neighbour comes first: it stands on the card's own network, whatever
    lies between that and us, and says that it has sent.
    """
    if state.mac is None:
        return Refusal("pc-not-wakeable", "its network card was never told", "pc_id")
    zone_id = context.club.setup.zone_of_pc(state.pc_id).zone_id
    awake = [
        (context.club.setup.zone_of_pc(pc_id).zone_id != zone_id, pc_id)
        for pc_id in context.club.pcs
        if pc_id != state.pc_id and context.club.link_of(pc_id) is LinkState.ONLINE
    ]
    if not awake and context.club.wakeable:
        return Asked(THE_CONTROLLER, mac=state.mac)
    if not awake:
        return Refusal("pc-not-wakeable", "no other PC of the club is heard", "pc_id")
    return Asked(min(awake)[1], mac=state.mac)


def _incomplete(command: CommandPc) -> Refusal | None:
    if command.asked is DeviceCommandKind.MESSAGE and not command.text.strip():
        return Refusal("command-incomplete", "a message needs its text", "text")
    ends = command.duration_ms == 0
    opens = command.asked is DeviceCommandKind.MAINTENANCE and not ends
    if opens and command.code_hash is None:
        return Refusal("command-incomplete", "maintenance needs the technician's code", "code")
    return None


def _command_id(context: CommandContext) -> str:
    """The same for the same command, however often it is decided."""
    envelope = context.cause.envelope
    named = f"{envelope.chain_id}/{envelope.club_id}/{envelope.idempotency_key}"
    return blake2b(named.encode(), digest_size=12).hexdigest()
