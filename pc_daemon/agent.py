"""The agent's decisions: ``step(state, happening, now) -> (state, actions)``. Pure.

Whatever happens, every step ends in the same reconciliation: the newest document and its lease
decide between locked and unlocked, and the screen, the journal, the usage book and the report
follow. There is no other way to be unlocked.
"""

from collections.abc import Callable
from typing import Any, Final

from pc_daemon import answers
from pc_daemon.agent_state import (
    Action,
    AgentState,
    CarriedOut,
    CodeTyped,
    CommandReceived,
    Connected,
    Connecting,
    Disconnected,
    DocumentReceived,
    Happening,
    HeartbeatDue,
    JournalChecked,
    KeysReceived,
    Noticed,
    ScreenChecked,
    Send,
    Stopping,
    Tick,
    UsageAcknowledged,
    WelcomeReceived,
)
from pc_daemon.awakening import begin
from pc_daemon.calendar_anchor import Question
from pc_daemon.clock import Instant
from pc_daemon.judgement import judge
from pc_daemon.lease import PERSIST_EVERY_MS
from pc_daemon.obedience import take_document, take_keys, take_order, take_outcome, take_welcome
from pc_daemon.reconciliation import USAGE_RETRY_BEATS, reconciled
from schemas.device import PresenceState, UsageEnd
from schemas.hot_value import replace
from schemas.journal_events import JournalEventKind

TICK_MS: Final = 1_000
"""Real time between two looks at the machine, whatever is due."""
NOTHING_DUE_MS: Final = 3_600_000

Outcome = tuple[AgentState, tuple[Action, ...]]

__all__ = [
    "PERSIST_EVERY_MS",
    "TICK_MS",
    "USAGE_RETRY_BEATS",
    "begin",
    "step",
    "until_next_ms",
]


def step(state: AgentState, happening: Happening, now: Instant) -> Outcome:
    """Take in one happening. Actions are to be carried out in order, writing down first.

    ``now`` is as the machine says; what UTC is, the state's calendar knows better.
    """
    believed = state.calendar.read(now)
    state = _awake(state, believed)
    state, actions = _HANDLERS[type(happening)](state, happening, believed)
    return reconciled(state, actions, state.calendar.read(now))


def _awake(state: AgentState, now: Instant) -> AgentState:
    """Time in which the agent did not run is no service: the stretch ended when it stopped."""
    last, usage, boot_id = state.stepped_at, state.usage, state.identity.boot_id
    if last is not None and now.boot_ms - last.boot_ms >= state.frozen_after_ms:
        usage = usage.noted(JournalEventKind.FREEZE, boot_id=boot_id, since=last, until=now)
        usage = usage.closed(boot_id, UsageEnd.FROZEN, last)
    return replace(state, stepped_at=now, usage=usage)


def until_next_ms(state: AgentState, now: Instant) -> int:
    """Business milliseconds until a lease ends or a warning falls due."""
    now = state.calendar.read(now)
    verdict = judge(state, now)
    if verdict.grant is None or state.document is None:
        return NOTHING_DUE_MS
    left_ms = verdict.grant.remaining_ms(now)
    marks = [left_ms] + [left_ms - before for before in state.document.warn_before_ms]
    return min([mark for mark in marks if mark > 0], default=NOTHING_DUE_MS)


def _connecting(state: AgentState, _happening: Connecting, now: Instant) -> Outcome:
    # A PC whose memory was lost must not fall behind its own older connections.
    epoch = max(state.connection_epoch + 1, now.wall_ms)
    return replace(
        state,
        connection_epoch=epoch,
        connected=False,
        question=None,
        held_back=None,
        forgeries=(),
    ), ()


def _connected(state: AgentState, happening: Connected, now: Instant) -> Outcome:
    state = replace(_asking(state, happening.nonce, now), connected=True)
    state = replace(state, reported=None, usage_sent_beat=None)
    birth, presence = answers.birth(state, now), answers.presence(state, PresenceState.ONLINE)
    return state, (Send(birth), Send(presence))


def _asking(state: AgentState, nonce: str | None, now: Instant) -> AgentState:
    return replace(state, question=None if nonce is None else Question(nonce, now.boot_ms))


def _disconnected(state: AgentState, _happening: Disconnected, _now: Instant) -> Outcome:
    return replace(state, connected=False), ()


def _usage_ack(state: AgentState, happening: UsageAcknowledged, _now: Instant) -> Outcome:
    usage = state.usage.acknowledged(happening.ack)
    if usage is state.usage:
        return state, ()
    return replace(state, usage=usage, usage_sent_beat=None), ()


def _heartbeat(state: AgentState, happening: HeartbeatDue, now: Instant) -> Outcome:
    if not state.connected:
        return state, ()
    state = replace(state, heartbeat_seq=state.heartbeat_seq + 1)
    asks = state.calendar.is_stale(now)
    state = _asking(state, happening.nonce if asks else None, now)
    return state, (Send(answers.heartbeat(state, happening.hardware, now)),)


def _tick(state: AgentState, _happening: Tick, _now: Instant) -> Outcome:
    """What failed is tried again once per tick: forgetting it makes the reconciliation redo it."""
    if not state.ui_ok:
        state = replace(state, screen=None)
    if not state.journal_ok:
        state = replace(state, persisted=None, journaled_seq=0)
    return state, ()


def _screen_checked(state: AgentState, happening: ScreenChecked, _now: Instant) -> Outcome:
    return replace(state, ui_ok=happening.ok), ()


def _journal_checked(state: AgentState, happening: JournalChecked, _now: Instant) -> Outcome:
    return replace(state, journal_ok=happening.ok), ()


def _noticed(state: AgentState, happening: Noticed, now: Instant) -> Outcome:
    usage = state.usage.noted(
        happening.kind,
        boot_id=state.identity.boot_id,
        since=now,
        until=now,
        detail=happening.detail,
    )
    return replace(state, usage=usage), ()


def _code_typed(state: AgentState, happening: CodeTyped, now: Instant) -> Outcome:
    if state.maintenance is None:
        return state, ()
    return replace(state, maintenance=state.maintenance.typed(happening.code, now)), ()


def _stopping(state: AgentState, happening: Stopping, _now: Instant) -> Outcome:
    presence = answers.presence(state, PresenceState.OFFLINE, happening.reason)
    return state, (Send(presence),)


_HANDLERS: Final[dict[type, Callable[[AgentState, Any, Instant], Outcome]]] = {
    Connecting: _connecting,
    Connected: _connected,
    Disconnected: _disconnected,
    DocumentReceived: take_document,
    CommandReceived: take_order,
    CarriedOut: take_outcome,
    WelcomeReceived: take_welcome,
    KeysReceived: take_keys,
    UsageAcknowledged: _usage_ack,
    Noticed: _noticed,
    CodeTyped: _code_typed,
    HeartbeatDue: _heartbeat,
    Tick: _tick,
    ScreenChecked: _screen_checked,
    JournalChecked: _journal_checked,
    Stopping: _stopping,
}
