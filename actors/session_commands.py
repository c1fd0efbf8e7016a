"""Commands on sessions: who may sit where, then the billing core's word. One table.

Occupancy is decided here, because it is about two entities: one started session per PC, and
the player's claim on the chain (which the store grants or refuses with the unit).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from actors.choice import chosen_tariff
from actors.guest import claim_seat, hand_over
from actors.refusal import Refusal, refused_by_billing
from actors.seating import booking_refusal, bought_until_ms, seat_refusal, self_booking_refusal
from actors.session import SessionActor
from actors.turn import CommandInput
from billing_core import commands as core
from billing_core.decide import decide
from billing_core.rejection import Rejected
from billing_core.session import EndedReason, SessionMode, SessionState, SessionStatus
from billing_core.tariff import Channel, TariffRef
from billing_core.terms import Terms
from schemas import commands as wire

PAST_IS_NOW_MS: Final = 5 * 60_000
"""A request may be under way for so long; what was planned before that was not meant for now."""
FINISHED: Final = Refusal("session-finished", "the session is over", "session_id")
PAYS_FROM_WALLET: Final = Refusal(
    "amount-invalid", "a player pays from the wallet: top it up instead", "paid_minor"
)
ALREADY_A_PLAYER: Final = Refusal(
    "already-a-player", "the session belongs to a player already", "player_id"
)

Outcome = SessionState | Refusal


def create_session(
    actor: SessionActor, cause: CommandInput, command: wire.CreateSession
) -> Outcome:
    """Create, and start at once when asked to."""
    refusal = _place_refusal(actor, command, cause) or _person_refusal(actor, command, cause)
    if refusal is not None:
        return refusal
    if _self_service_on_credit(actor, cause, command):
        return Refusal("post-pay-not-allowed", "post-pay sessions are opened at the desk", "mode")
    holder_id = command.player_id or f"guest-{command.session_id}"
    key = cause.named(actor.now.wall_ms)
    actor.pay_at_desk(holder_id, command.paid_minor, means=command.means, key=key)
    terms = actor.terms(
        session_id=command.session_id,
        holder_id=holder_id,
        player_id=command.player_id,
        pc_id=command.pc_id,
        bookings_from_ms=_booked_ahead_ms(actor, command),
    )
    tariff = _chosen(actor, terms, command)
    if isinstance(tariff, Refusal):
        return tariff
    until_ms = _booked_until_ms(actor, command, terms, tariff=tariff)
    if isinstance(until_ms, Refusal):
        return until_ms
    asked = core.CreateSession(
        session_id=command.session_id,
        club_id=actor.setup.club.club_id,
        pc_id=command.pc_id,
        zone_id=terms.zone.zone_id,
        tariff=tariff,
        player_id=command.player_id,
        guest_label=command.guest_label,
        player_tariff_id=command.player_tariff_id,
        mode=SessionMode(command.mode.value),
        planned_start_at_ms=command.planned_start_at_ms,
        planned_end_at_ms=until_ms,
        start=command.start,
        channel=Channel(cause.envelope.channel.value),
        guest_card_minor=_by_card(command),
    )
    there = actor.drafting.session(command.session_id)
    outcome = _decided(actor, there, asked, terms=terms)
    if isinstance(outcome, SessionState):
        actor.drafting.indexes.append((outcome.session_id, outcome.club_id))
    return outcome


def _by_card(command: wire.CreateSession | wire.ExtendSession) -> int:
    return command.paid_minor if command.means is wire.PaymentMeans.CARD else 0


def _self_service_on_credit(
    actor: SessionActor, cause: CommandInput, command: wire.CreateSession
) -> bool:
    """A player or a kiosk asks to pay later in a club that does not trust them with it."""
    on_credit = command.mode is wire.PaymentMode.OPEN_ENDED
    at_desk = cause.envelope.channel is wire.Channel.CRM
    return on_credit and not at_desk and not actor.setup.terms.players_pay_later


def start_session(actor: SessionActor, cause: CommandInput, command: wire.StartSession) -> Outcome:
    """Press Start."""
    state = _found(actor, command.session_id)
    if isinstance(state, Refusal):
        return state
    terms = actor.terms_of(state, bookings_from_ms=0)
    return (
        _running_elsewhere(actor, state)
        or _denied(cause)
        or _decided(actor, state, core.StartSession(), terms=terms)
    )


def _running_elsewhere(actor: SessionActor, state: SessionState) -> Refusal | None:
    """A second Start is refused for what it is, whatever else is true of the PC."""
    if state.status is SessionStatus.STARTED:
        return None
    return seat_refusal(actor, state.pc_id, session_id=state.session_id, field="session_id")


def extend_session(
    actor: SessionActor, cause: CommandInput, command: wire.ExtendSession
) -> Outcome:
    """Append a tariff."""
    state = _found(actor, command.session_id)
    if isinstance(state, Refusal):
        return state
    if command.paid_minor and state.player_id is not None:
        return PAYS_FROM_WALLET
    key = cause.named(actor.now.wall_ms)
    actor.pay_at_desk(state.holder_id, command.paid_minor, means=command.means, key=key)
    state = replace(state, guest_card_minor=state.guest_card_minor + _by_card(command))
    terms = actor.terms_of(state)
    tariff = _chosen(actor, terms, command)
    if isinstance(tariff, Refusal):
        return tariff
    asked = core.ExtendSession(
        tariff=tariff,
        player_tariff_id=command.player_tariff_id,
        channel=Channel(cause.envelope.channel.value),
    )
    outcome = decide(state, asked, terms=terms, now_ms=actor.now.wall_ms)
    if isinstance(outcome, Rejected):
        return refused_by_billing(outcome)
    held = _held_longer(outcome.state, command, terms, tariff=tariff)
    return actor.take(state, replace(outcome, state=held), terms)


def _held_longer(
    state: SessionState, command: wire.ExtendSession, terms: Terms, *, tariff: TariffRef
) -> SessionState:
    """A booking that was extended keeps its PC for that time too, up to the next one."""
    held_ms, chosen = state.planned_end_at_ms, terms.tariffs.get(tariff)
    if state.status is SessionStatus.STARTED or held_ms is None or chosen is None:
        return state
    until_ms = bought_until_ms(
        terms,
        chosen,
        command.player_tariff_id,
        start_ms=state.planned_start_at_ms,
        from_ms=held_ms,
    )
    if until_ms is None:
        return state
    next_ms = terms.next_booking_at_ms
    until_ms = until_ms if next_ms is None else min(until_ms, next_ms)
    return replace(state, planned_end_at_ms=max(held_ms, until_ms))


def switch_session_device(
    actor: SessionActor, cause: CommandInput, command: wire.SwitchSessionDevice
) -> Outcome:
    """Change seats. The old PC locks first if it answers; see the wish of the new one."""
    del cause
    state = _found(actor, command.session_id)
    if isinstance(state, Refusal):
        return state
    refusal = _move_refusal(actor, state, command.pc_id)
    if refusal is not None:
        return refusal
    state = actor.brought_to_now(state)
    if state.status.is_final:
        return FINISHED
    zone = actor.setup.zone_of_pc(command.pc_id)
    asked = core.SwitchSessionDevice(pc_id=command.pc_id, zone_id=zone.zone_id)
    terms = actor.terms_of(state, pc_id=command.pc_id)
    return _decided(actor, state, asked, terms=terms)


def _move_refusal(actor: SessionActor, state: SessionState, pc_id: str) -> Refusal | None:
    if state.planned_start_at_ms <= actor.now.wall_ms or state.status is SessionStatus.STARTED:
        return seat_refusal(actor, pc_id, session_id=state.session_id)
    return booking_refusal(
        actor,
        pc_id,
        session_id=state.session_id,
        from_ms=state.planned_start_at_ms,
        until_ms=state.planned_end_at_ms,
    )


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


def convert_guest(actor: SessionActor, cause: CommandInput, command: wire.ConvertGuest) -> Outcome:
    """Give a guest's session, and what the guest has left, to a player."""
    state = _guests_session(actor, command)
    if isinstance(state, Refusal):
        return state
    refusal = _denied(cause)
    if refusal is not None:
        return refusal
    state = hand_over(actor, state, command.player_id, key=cause.named(actor.now.wall_ms))
    terms = actor.terms_of(state, player_id=command.player_id)
    converted = _decided(actor, state, core.ConvertGuest(command.player_id), terms=terms)
    if isinstance(converted, Refusal):
        return converted
    claim_seat(actor, converted)
    return _decided(actor, converted, core.Recompute(), terms=actor.terms_of(converted))


def _guests_session(actor: SessionActor, command: wire.ConvertGuest) -> Outcome:
    """The session, billed to the guest up to now."""
    state = _found(actor, command.session_id)
    if isinstance(state, Refusal):
        return state
    if actor.drafting.player(command.player_id) is None:
        return Refusal("player-not-found", f"no player {command.player_id}", "player_id")
    if state.player_id is not None:
        return ALREADY_A_PLAYER
    state = actor.brought_to_now(state)
    return FINISHED if state.status.is_final else state


def _chosen(
    actor: SessionActor, terms: Terms, command: wire.CreateSession | wire.ExtendSession
) -> TariffRef | Refusal:
    return chosen_tariff(
        actor.setup,
        terms,
        tariff_id=command.tariff_id,
        player_tariff_id=command.player_tariff_id,
    )


def _decided(
    actor: SessionActor, state: SessionState | None, asked: core.Command, *, terms: Terms
) -> Outcome:
    outcome = decide(state, asked, terms=terms, now_ms=actor.now.wall_ms)
    if isinstance(outcome, Rejected):
        return refused_by_billing(outcome)
    return actor.take(state, outcome, terms)


def _found(actor: SessionActor, session_id: str) -> SessionState | Refusal:
    state = actor.drafting.session(session_id)
    if state is None:
        return FINISHED
    return state


def _booked_ahead_ms(actor: SessionActor, command: wire.CreateSession) -> int | None:
    """When a booking is for; None for a session that begins now."""
    planned_ms = command.planned_start_at_ms
    if command.start or planned_ms is None or planned_ms <= actor.now.wall_ms:
        return None
    return planned_ms


def _booked_until_ms(
    actor: SessionActor, command: wire.CreateSession, terms: Terms, *, tariff: TariffRef
) -> int | Refusal | None:
    """Until when the PC is booked: as asked, else for as long as what is bought in one piece lasts.
    Refused when somebody else has booked into that."""
    from_ms, chosen = _booked_ahead_ms(actor, command), terms.tariffs.get(tariff)
    if command.planned_end_at_ms is not None or from_ms is None or chosen is None:
        return command.planned_end_at_ms
    pack_id = command.player_tariff_id
    until_ms = bought_until_ms(terms, chosen, pack_id, start_ms=from_ms, from_ms=from_ms)
    refusal = booking_refusal(
        actor,
        command.pc_id,
        session_id=command.session_id,
        from_ms=from_ms,
        until_ms=until_ms,
    )
    return refusal or until_ms


def _place_refusal(
    actor: SessionActor, command: wire.CreateSession, cause: CommandInput
) -> Refusal | None:
    """The PC exists and is in use, and nobody else sits there or has booked it then."""
    planned_ms = command.planned_start_at_ms
    if planned_ms is not None and planned_ms < actor.now.wall_ms - PAST_IS_NOW_MS:
        message = "the planned start lies in the past"
        return Refusal("planned-time-invalid", message, "planned_start_at_ms")
    from_ms = _booked_ahead_ms(actor, command)
    if from_ms is None:
        return seat_refusal(actor, command.pc_id, session_id=command.session_id)
    refusal = booking_refusal(
        actor,
        command.pc_id,
        session_id=command.session_id,
        from_ms=from_ms,
        until_ms=command.planned_end_at_ms,
    )
    if refusal is not None or cause.envelope.channel is wire.Channel.CRM:
        return refusal
    holder_id = command.player_id or f"guest-{command.session_id}"
    return self_booking_refusal(actor, command.pc_id, holder_id=holder_id, from_ms=from_ms)


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
    wire.ConvertGuest: convert_guest,
}
"""Wire command -> what decides it."""
