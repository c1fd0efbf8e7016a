"""Commands on sessions: who may sit where, then the billing core's word. One table.

Occupancy is decided here, because it is about two entities: one started session per PC, and
the player's claim on the chain (which the store grants or refuses with the unit).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from actors.session import SessionActor
from actors.turn import CommandInput
from billing_core import commands as core
from billing_core.decide import decide
from billing_core.rejection import Rejected
from billing_core.session import EndedReason, SessionState, SessionStatus
from billing_core.tariff import Channel
from billing_core.terms import Terms
from schemas import commands as wire
from schemas.commands import CommandReply, ReplyStatus


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rejection of this room or of the billing core, ready to be answered."""

    code: str
    message: str
    field: str | None = None

    @property
    def reply(self) -> CommandReply:
        """The answer to the caller."""
        return CommandReply(
            status=ReplyStatus.REJECTED, code=self.code, message=self.message, field=self.field
        )


FINISHED: Final = Refusal("session-finished", "the session is over", "session_id")
PAYS_FROM_WALLET: Final = Refusal(
    "amount-invalid", "a player pays from the wallet: top it up instead", "paid_minor"
)

Outcome = SessionState | Refusal


def create_session(
    actor: SessionActor, cause: CommandInput, command: wire.CreateSession
) -> Outcome:
    """Create, and start at once when asked to."""
    refusal = _place_refusal(actor, command) or _person_refusal(actor, command, cause)
    if refusal is not None:
        return refusal
    tariff = actor.setup.newest.get(command.tariff_id)
    if tariff is None:
        return Refusal("tariff-not-found", f"no tariff {command.tariff_id}", "tariff_id")
    holder_id = command.player_id or f"guest-{command.session_id}"
    key = cause.envelope.idempotency_key
    actor.pay_at_desk(holder_id, command.paid_minor, means=command.means, key=key)
    terms = actor.terms(
        session_id=command.session_id,
        holder_id=holder_id,
        player_id=command.player_id,
        pc_id=command.pc_id,
    )
    asked = core.CreateSession(
        session_id=command.session_id,
        club_id=actor.setup.club.club_id,
        pc_id=command.pc_id,
        zone_id=terms.zone.zone_id,
        tariff=tariff,
        player_id=command.player_id,
        guest_label=command.guest_label,
        planned_start_at_ms=command.planned_start_at_ms,
        start=command.start,
        channel=Channel(cause.envelope.channel.value),
    )
    outcome = _decided(actor, None, asked, terms=terms)
    if isinstance(outcome, SessionState):
        actor.drafting.indexes.append((outcome.session_id, outcome.club_id))
    return outcome


def start_session(actor: SessionActor, cause: CommandInput, command: wire.StartSession) -> Outcome:
    """Press Start."""
    state = _found(actor, command.session_id)
    if isinstance(state, Refusal):
        return state
    return (
        _pc_refusal(actor, state.pc_id, state.session_id, field="session_id")
        or _denied(cause)
        or _decided(actor, state, core.StartSession(), terms=actor.terms_of(state))
    )


def extend_session(
    actor: SessionActor, cause: CommandInput, command: wire.ExtendSession
) -> Outcome:
    """Append a tariff."""
    state = _found(actor, command.session_id)
    if isinstance(state, Refusal):
        return state
    tariff = actor.setup.newest.get(command.tariff_id)
    if tariff is None:
        return Refusal("tariff-not-found", f"no tariff {command.tariff_id}", "tariff_id")
    if command.paid_minor and state.player_id is not None:
        return PAYS_FROM_WALLET
    key = cause.envelope.idempotency_key
    actor.pay_at_desk(state.holder_id, command.paid_minor, means=command.means, key=key)
    asked = core.ExtendSession(tariff=tariff, channel=Channel(cause.envelope.channel.value))
    return _decided(actor, state, asked, terms=actor.terms_of(state))


def switch_session_device(
    actor: SessionActor, cause: CommandInput, command: wire.SwitchSessionDevice
) -> Outcome:
    """Change seats. The old PC locks first if it answers; see the wish of the new one."""
    del cause
    state = _found(actor, command.session_id)
    if isinstance(state, Refusal):
        return state
    refusal = _pc_refusal(actor, command.pc_id, state.session_id, field="pc_id")
    if refusal is not None:
        return refusal
    state = actor.brought_to_now(state)
    if state.status.is_final:
        return FINISHED
    zone = actor.setup.zone_of_pc(command.pc_id)
    asked = core.SwitchSessionDevice(pc_id=command.pc_id, zone_id=zone.zone_id)
    return _decided(actor, state, asked, terms=actor.terms_of(state, command.pc_id))


def end_session(actor: SessionActor, cause: CommandInput, command: wire.EndSession) -> Outcome:
    """End by hand."""
    del cause
    state = _found(actor, command.session_id)
    if isinstance(state, Refusal):
        return state
    asked = core.EndSession(EndedReason(command.reason))
    return _decided(actor, state, asked, terms=actor.terms_of(state))


def cancel_session(
    actor: SessionActor, cause: CommandInput, command: wire.CancelSession
) -> Outcome:
    """Take back what has not started."""
    del cause
    state = _found(actor, command.session_id)
    if isinstance(state, Refusal):
        return state
    return _decided(actor, state, core.CancelSession(), terms=actor.terms_of(state))


def _decided(
    actor: SessionActor, state: SessionState | None, asked: core.Command, *, terms: Terms
) -> Outcome:
    outcome = decide(state, asked, terms=terms, now_ms=actor.now.wall_ms)
    if isinstance(outcome, Rejected):
        return Refusal(outcome.code.value, outcome.message, _wire_field(outcome.field))
    return actor.take(state, outcome, terms)


def _wire_field(field: str | None) -> str | None:
    return {"tariff": "tariff_id", "wallet": "player_id"}.get(field or "", field)


def _found(actor: SessionActor, session_id: str) -> SessionState | Refusal:
    state = actor.drafting.session(session_id)
    if state is None:
        return FINISHED
    return state


def _place_refusal(actor: SessionActor, command: wire.CreateSession) -> Refusal | None:
    """The PC exists, and nobody sits there if the session is to begin now."""
    begins_later = (command.planned_start_at_ms or 0) > actor.now.wall_ms and not command.start
    return _pc_refusal(
        actor, command.pc_id, command.session_id, field="pc_id", also_occupied=not begins_later
    )


def _pc_refusal(
    actor: SessionActor, pc_id: str, session_id: str, *, field: str, also_occupied: bool = True
) -> Refusal | None:
    if pc_id not in actor.setup.pcs:
        return Refusal("pc-not-found", f"no PC {pc_id} in this club", field)
    occupant = actor.occupant(pc_id, besides=session_id) if also_occupied else None
    if occupant is None:
        return None
    if occupant.status is SessionStatus.STARTED:
        return Refusal("pc-busy", f"PC {pc_id} has a running session", field)
    return Refusal("pc-reserved", f"PC {pc_id} waits for a booked session", field)


def _person_refusal(
    actor: SessionActor, command: wire.CreateSession, cause: CommandInput
) -> Refusal | None:
    if command.player_id is None:
        return None
    if actor.drafting.player(command.player_id) is None:
        return Refusal("player-not-found", f"no player {command.player_id}", "player_id")
    if command.paid_minor:
        return PAYS_FROM_WALLET
    return _denied(cause)


def _denied(cause: CommandInput) -> Refusal | None:
    """The store refused the player's claim: another session of theirs is running."""
    if not cause.denied:
        return None
    holder = cause.denied[-1].holder
    return Refusal("player-already-playing", f"the player is in session {holder}", "player_id")


COMMANDS: Final[dict[type, Callable[..., Outcome]]] = {
    wire.CreateSession: create_session,
    wire.StartSession: start_session,
    wire.ExtendSession: extend_session,
    wire.SwitchSessionDevice: switch_session_device,
    wire.EndSession: end_session,
    wire.CancelSession: cancel_session,
}
"""Wire command -> what decides it."""
