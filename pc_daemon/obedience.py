"""What the controller says, and what of it a PC believes: documents, welcomes, keys, orders. Pure.

Whoever owns the broker can say anything. So nothing that opens a PC, and no order, is obeyed
unless a key this PC trusts has signed it for this PC; and nothing new is granted before the time
has been proven in this boot, because an old lease and a calendar set back look like a new one.
"""

from collections.abc import Callable
from typing import Final

from pc_daemon import answers
from pc_daemon.agent_state import (
    Action,
    AgentState,
    CarriedOut,
    CommandReceived,
    DocumentReceived,
    HeldBack,
    Identify,
    KeysReceived,
    Notify,
    PinKeys,
    PowerOff,
    Reboot,
    Renew,
    Send,
    Wake,
    WelcomeReceived,
)
from pc_daemon.clock import Instant
from pc_daemon.judgement import document_fault
from pc_daemon.lease import admit, is_held
from pc_daemon.maintenance import opened
from pc_daemon.trust import Trust
from schemas.device import (
    AgentFault,
    CommandOutcome,
    DesiredDocument,
    DeviceCommand,
    DeviceCommandKind,
    DocumentVersion,
    PcMode,
)
from schemas.hot_value import replace
from schemas.journal_events import JournalEventKind

Outcome = tuple[AgentState, tuple[Action, ...]]

_SUSPICIOUS: Final = frozenset({AgentFault.LEASE_FORGED, AgentFault.LEASE_FOREIGN})


def take_document(state: AgentState, happening: DocumentReceived, now: Instant) -> Outcome:
    """Obey the newest document. One that cannot be believed changes nothing but the report."""
    document = happening.document
    if document is None:
        gone = replace(state, document=None, applied=None, lease_fault=None, held_back=None)
        return gone, ()
    if _is_old(state, document):
        return replace(state, reported=None), ()
    fault = document_fault(state, document) or _time_fault(state, document)
    if fault is not None:
        state = replace(state, held_back=HeldBack(document, fault))
        return (forged(state, "lease", now) if fault in _SUSPICIOUS else state), ()
    grants, replayed = state.grants, None
    if document.lease is not None and document.mode is PcMode.UNLOCKED:
        grants, replayed = admit(grants, document.lease, now)
    state = replace(
        state,
        document=document,
        observed=document.version,
        applied=document.version if replayed is None else state.applied,
        lease_fault=replayed,
        grants=grants,
        held_back=None,
    )
    return state, ()


def _is_old(state: AgentState, document: DesiredDocument) -> bool:
    """Older than the newest seen, or that one again; a withdrawn one may come back.

    What the controller has moved on from opens nothing any more; it may still lock.
    """
    is_passed = state.floor is not None and document.version < state.floor
    if is_passed and document.mode is not PcMode.LOCKED:
        return True
    if state.observed is None or document.version > state.observed:
        return False
    return document.version < state.observed or state.document is not None


def _time_fault(state: AgentState, document: DesiredDocument) -> AgentFault | None:
    lease = document.lease
    if document.mode is PcMode.LOCKED or lease is None or not state.trust.checks:
        return None
    if state.calendar.proven or is_held(state.grants, lease):
        return None
    return AgentFault.TIME_UNPROVEN


def take_welcome(state: AgentState, happening: WelcomeReceived, now: Instant) -> Outcome:
    """Go by the controller's time from now on, and by no document older than it names."""
    welcome, question = happening.welcome, state.question
    if question is None or welcome.nonce != question.nonce:
        return state, ()
    identity = state.identity
    if not state.trust.believes_welcome(welcome, club_id=identity.club_id, pc_id=identity.pc_id):
        return forged(state, "welcome", now), ()
    state = replace(state, question=None)
    calendar = question.answered(welcome.at_ms, Instant(now.boot_ms, happening.wall_ms))
    if calendar is None:
        return state, ()
    floor = DocumentVersion(welcome.epoch, welcome.rev)
    state = replace(state, calendar=calendar, floor=floor)
    return _reconsidered(state, calendar.read(now))


def take_keys(state: AgentState, happening: KeysReceived, now: Instant) -> Outcome:
    """Trust newer keys if one of those in force vouches for them."""
    document, version = happening.document, state.trust.version
    if version is None or document.version <= version:
        return state, ()
    if not state.trust.believes_keys(document):
        return forged(state, "keys", now), ()
    state, actions = _reconsidered(replace(state, trust=Trust.of(document)), now)
    return state, (PinKeys(document), *actions)


def _reconsidered(state: AgentState, now: Instant) -> Outcome:
    """Look again at a document that could not be believed until now."""
    held_back = state.held_back
    if held_back is None:
        return state, ()
    return take_document(replace(state, held_back=None), DocumentReceived(held_back.document), now)


def take_order(state: AgentState, happening: CommandReceived, now: Instant) -> Outcome:
    """Carry out an order once, and answer it every time."""
    order, identity = happening.command, state.identity
    if not state.trust.believes_order(order, club_id=identity.club_id, pc_id=identity.pc_id):
        return forged(state, "order", now), (_refusal(order, "not signed for this PC"),)
    known = answers.remembered(state, order.cmd_id)
    if known is not None:
        return state, (Send(known),)
    if state.trust.checks and not state.calendar.proven:
        return state, (_refusal(order, "the time is not proven yet"),)
    if now.wall_ms > order.not_after_ms:
        return answers.concluded(state, order.cmd_id, CommandOutcome.EXPIRED)
    return _obeyed(state, order, now)


def _obeyed(state: AgentState, order: DeviceCommand, now: Instant) -> Outcome:
    if not _is_complete(order):
        return answers.concluded(state, order.cmd_id, CommandOutcome.REFUSED)
    if order.kind in _CONCLUDED_AFTER:
        return _ORDERS[order.kind](answers.begun(state, order.cmd_id), order, now)
    state, sent = answers.concluded(state, order.cmd_id, CommandOutcome.DONE)
    state, actions = _ORDERS[order.kind](state, order, now)
    return state, (*sent, *actions)


def take_outcome(state: AgentState, happening: CarriedOut, _now: Instant) -> Outcome:
    """Say what became of an order; of a restart that was refused this takes back a DONE."""
    if happening.fault is None:
        return answers.concluded(state, happening.cmd_id, CommandOutcome.DONE)
    why = happening.fault
    return answers.concluded(state, happening.cmd_id, CommandOutcome.FAILED, why=why)


def _introduced(state: AgentState, _order: DeviceCommand, now: Instant) -> Outcome:
    return replace(state, reported=None), (Send(answers.birth(state, now)),)


def _under_maintenance(state: AgentState, order: DeviceCommand, now: Instant) -> Outcome:
    window = opened(order.code_hash or "", order.duration_ms or 0, now)
    return replace(state, maintenance=window), ()


_ORDERS: Final[dict[DeviceCommandKind, Callable[[AgentState, DeviceCommand, Instant], Outcome]]] = {
    DeviceCommandKind.MESSAGE: lambda state, order, _now: (
        state,
        (Notify(order.cmd_id, order.text),),
    ),
    DeviceCommandKind.REBIRTH: _introduced,
    DeviceCommandKind.REBOOT: lambda state, order, _now: (state, (Reboot(order.cmd_id),)),
    DeviceCommandKind.SHUTDOWN: lambda state, order, _now: (state, (PowerOff(order.cmd_id),)),
    DeviceCommandKind.IDENTIFY: lambda state, order, _now: (
        state,
        (Identify(order.cmd_id, order.duration_ms or 0),),
    ),
    DeviceCommandKind.WAKE: lambda state, order, _now: (
        state,
        (Wake(order.cmd_id, order.mac or ""),),
    ),
    DeviceCommandKind.MAINTENANCE: _under_maintenance,
    DeviceCommandKind.RENEW: lambda state, _order, _now: (state, (Renew(),)),
}
_CONCLUDED_AFTER: Final = frozenset(
    {DeviceCommandKind.MESSAGE, DeviceCommandKind.IDENTIFY, DeviceCommandKind.WAKE}
)
"""What is carried out before a word is said of it. The others are sure, or end the agent."""


def _is_complete(order: DeviceCommand) -> bool:
    match order.kind:
        case DeviceCommandKind.WAKE:
            return order.mac is not None
        case DeviceCommandKind.IDENTIFY:
            return order.duration_ms is not None
        case DeviceCommandKind.MAINTENANCE:
            return order.duration_ms == 0 or None not in (order.duration_ms, order.code_hash)
        case _:
            return True


def _refusal(order: DeviceCommand, why: str) -> Send:
    """Not remembered: whoever forges an order must not take its number from the true one."""
    return Send(answers.result(order.cmd_id, CommandOutcome.REFUSED, why))


def forged(state: AgentState, what: str, now: Instant) -> AgentState:
    """Write down that somebody forges, once per kind and connection, and report it."""
    if what in state.forgeries:
        return state
    usage = state.usage.noted(
        JournalEventKind.TAMPER,
        boot_id=state.identity.boot_id,
        since=now,
        until=now,
        detail=f"forged {what}",
    )
    return replace(state, usage=usage, forgeries=(*state.forgeries, what))
