"""The agent's decisions: ``step(state, happening, now) -> (state, actions)``. Pure.

Whatever happens, every step ends in the same reconciliation: the newest document and its lease
decide between locked and unlocked, and the screen, the journal, the usage book and the report
follow. There is no other way to be unlocked.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from pc_daemon import answers
from pc_daemon.agent_state import (
    Action,
    AgentState,
    CommandReceived,
    Connected,
    Connecting,
    Disconnected,
    DocumentReceived,
    Happening,
    HeartbeatDue,
    Identity,
    JournalChecked,
    JournalImage,
    Notify,
    Persist,
    Reboot,
    Screen,
    ScreenChecked,
    Send,
    Show,
    Stopping,
    Tick,
    UsageAcknowledged,
)
from pc_daemon.clock import Instant
from pc_daemon.judgement import Verdict, judge, lease_fault, warning_level
from pc_daemon.lease import Grant, admit
from schemas.device import (
    CommandOutcome,
    DesiredDocument,
    DeviceCommandKind,
    PcMode,
    PresenceState,
    UsageEnd,
)

PERSIST_EVERY_MS: Final = 10_000
"""How much consumed time a power cut may forget."""
USAGE_RETRY_BEATS: Final = 6
"""Heartbeats after which unacknowledged usage is offered again: beats are real time."""
TICK_MS: Final = 1_000
"""Real time between two looks at the machine, whatever is due."""
NOTHING_DUE_MS: Final = 3_600_000
_OBEYED: Final = frozenset(
    {DeviceCommandKind.MESSAGE, DeviceCommandKind.REBIRTH, DeviceCommandKind.REBOOT}
)

Outcome = tuple[AgentState, tuple[Action, ...]]


def begin(identity: Identity, image: JournalImage | None, now: Instant) -> AgentState:
    """The state of an agent that starts with what its journal holds (None: it starts locked)."""
    if image is None:
        return AgentState(identity=identity)
    same_boot = image.boot_id == identity.boot_id
    return AgentState(
        identity=identity,
        connection_epoch=image.connection_epoch,
        document=image.document,
        observed=image.observed,
        applied=image.applied,
        lease_fault=image.lease_fault,
        grants=tuple(grant.resumed(now, same_boot=same_boot) for grant in image.grants),
        usage=image.usage.closed(image.boot_id, UsageEnd.INTERRUPTED, image.at),
        results=image.results,
    )


def step(state: AgentState, happening: Happening, now: Instant) -> Outcome:
    """Take in one happening. Actions are to be carried out in order, persisting first."""
    state = _awake(state, now)
    state, actions = _HANDLERS[type(happening)](state, happening, now)
    return _reconciled(state, actions, now)


def _awake(state: AgentState, now: Instant) -> AgentState:
    """Time in which the agent did not run is no service: the stretch ended when it stopped."""
    last, usage = state.stepped_at, state.usage
    if last is not None and now.boot_ms - last.boot_ms >= state.frozen_after_ms:
        usage = usage.closed(state.identity.boot_id, UsageEnd.FROZEN, last)
    return replace(state, stepped_at=now, usage=usage)


def until_next_ms(state: AgentState, now: Instant) -> int:
    """Business milliseconds until a lease ends or a warning falls due."""
    verdict = judge(state, now)
    if verdict.grant is None or state.document is None:
        return NOTHING_DUE_MS
    left_ms = verdict.grant.remaining_ms(now)
    marks = [left_ms] + [left_ms - before for before in state.document.warn_before_ms]
    return min([mark for mark in marks if mark > 0], default=NOTHING_DUE_MS)


def _connecting(state: AgentState, _happening: Connecting, now: Instant) -> Outcome:
    # A PC whose journal was lost must not fall behind its own older connections.
    epoch = max(state.connection_epoch + 1, now.wall_ms)
    return replace(state, connection_epoch=epoch, connected=False), ()


def _connected(state: AgentState, _happening: Connected, now: Instant) -> Outcome:
    state = replace(state, connected=True, reported=None, usage_sent_beat=None)
    birth, presence = answers.birth(state, now), answers.presence(state, PresenceState.ONLINE)
    return state, (Send(birth), Send(presence))


def _disconnected(state: AgentState, _happening: Disconnected, _now: Instant) -> Outcome:
    return replace(state, connected=False), ()


def _document(state: AgentState, happening: DocumentReceived, now: Instant) -> Outcome:
    document = happening.document
    if document is None:
        return replace(state, document=None, applied=None, lease_fault=None), ()
    if _is_old(state, document):
        return replace(state, reported=None), ()
    fault = lease_fault(document, state.identity.pc_id)
    grants = state.grants
    if fault is None and document.lease is not None:
        grants, fault = admit(grants, document.lease, now)
    state = replace(
        state,
        document=document,
        observed=document.version,
        applied=document.version if fault is None else state.applied,
        lease_fault=fault,
        grants=grants,
    )
    return state, ()


def _is_old(state: AgentState, document: DesiredDocument) -> bool:
    """Older than the newest seen, or that one again; a withdrawn one may come back."""
    if state.observed is None or document.version > state.observed:
        return False
    return document.version < state.observed or state.document is not None


def _command(state: AgentState, happening: CommandReceived, now: Instant) -> Outcome:
    command = happening.command
    known = answers.remembered(state, command.cmd_id)
    if known is not None:
        return state, (Send(known),)
    if now.wall_ms > command.not_after_ms:
        return answers.concluded(state, command, CommandOutcome.EXPIRED)
    if command.kind not in _OBEYED:
        return answers.concluded(state, command, CommandOutcome.REFUSED)
    state, sent = answers.concluded(state, command, CommandOutcome.DONE)
    match command.kind:
        case DeviceCommandKind.MESSAGE:
            return state, (*sent, Notify(command.text))
        case DeviceCommandKind.REBIRTH:
            return replace(state, reported=None), (*sent, Send(answers.birth(state, now)))
        case _:
            return state, (*sent, Reboot())


def _usage_ack(state: AgentState, happening: UsageAcknowledged, _now: Instant) -> Outcome:
    usage = state.usage.acknowledged(happening.ack)
    if usage is state.usage:
        return state, ()
    return replace(state, usage=usage, usage_sent_beat=None), ()


def _heartbeat(state: AgentState, happening: HeartbeatDue, now: Instant) -> Outcome:
    if not state.connected:
        return state, ()
    state = replace(state, heartbeat_seq=state.heartbeat_seq + 1)
    return state, (Send(answers.heartbeat(state, happening.hardware, now)),)


def _tick(state: AgentState, _happening: Tick, _now: Instant) -> Outcome:
    """What failed is tried again once per tick: forgetting it makes the reconciliation redo it."""
    if not state.ui_ok:
        state = replace(state, screen=None)
    if not state.journal_ok:
        state = replace(state, persisted=None)
    return state, ()


def _screen_checked(state: AgentState, happening: ScreenChecked, _now: Instant) -> Outcome:
    return replace(state, ui_ok=happening.ok), ()


def _journal_checked(state: AgentState, happening: JournalChecked, _now: Instant) -> Outcome:
    return replace(state, journal_ok=happening.ok), ()


def _stopping(state: AgentState, happening: Stopping, _now: Instant) -> Outcome:
    presence = answers.presence(state, PresenceState.OFFLINE, happening.reason)
    return state, (Send(presence),)


_HANDLERS: Final[dict[type, Callable[[AgentState, Any, Instant], Outcome]]] = {
    Connecting: _connecting,
    Connected: _connected,
    Disconnected: _disconnected,
    DocumentReceived: _document,
    CommandReceived: _command,
    UsageAcknowledged: _usage_ack,
    HeartbeatDue: _heartbeat,
    Tick: _tick,
    ScreenChecked: _screen_checked,
    JournalChecked: _journal_checked,
    Stopping: _stopping,
}


def _reconciled(state: AgentState, actions: tuple[Action, ...], now: Instant) -> Outcome:
    verdict = judge(state, now)
    state = _accounted(state, verdict, now)
    state, shown = _shown(state, verdict, now)
    state, persisted = _persisted(state, now)
    state, told = _told(state, verdict, now)
    return state, (*persisted, *shown, *actions, *told)


def _accounted(state: AgentState, verdict: Verdict, now: Instant) -> AgentState:
    """Keep the usage book in step with the mode; a grant that ended stays ended."""
    stretch, usage = state.usage.stretch, state.usage
    grant = verdict.grant
    served = None if grant is None else (grant.session_id, grant.lease_id)
    if stretch is not None and served != (stretch.session_id, stretch.lease_id):
        end = UsageEnd.LEASE_ENDED if verdict.lease_ended else UsageEnd.DOCUMENT
        usage = usage.closed(state.identity.boot_id, end, now)
    if grant is not None and usage.stretch is None:
        usage = usage.opened(grant.session_id, grant.lease_id, now)
    grants = state.grants
    if verdict.lease_ended:
        grants = tuple(_latched(grant, now) for grant in grants)
    if usage is state.usage and grants is state.grants and verdict.mode is state.mode:
        return state
    return replace(state, usage=usage, grants=grants, mode=verdict.mode)


def _latched(grant: Grant, now: Instant) -> Grant:
    return grant.settled(now) if grant.remaining_ms(now) == 0 else grant


def _shown(state: AgentState, verdict: Verdict, now: Instant) -> Outcome:
    document = state.document
    screen = Screen(mode=verdict.mode)
    if document is not None:
        unlocked = verdict.mode is PcMode.UNLOCKED
        screen = Screen(
            mode=verdict.mode,
            reason=document.reason,
            club=document.club_name,
            title=document.title,
            message=document.message,
            player_label=document.player_label,
            ends_at_ms=document.ends_at_ms if unlocked else None,
            warning=warning_level(state, verdict, now),
            lease_seq=None if verdict.grant is None else verdict.grant.seq,
        )
    if screen == state.screen:
        return state, ()
    left_ms = None if verdict.grant is None else verdict.grant.remaining_ms(now)
    return replace(state, screen=screen), (Show(screen, lock_after_ms=left_ms),)


def _persisted(state: AgentState, now: Instant) -> Outcome:
    if state.persisted is not None and _is_fresh(state.persisted, state, now):
        return state, ()
    image = JournalImage(
        boot_id=state.identity.boot_id,
        at=now,
        connection_epoch=state.connection_epoch,
        document=state.document,
        observed=state.observed,
        applied=state.applied,
        lease_fault=state.lease_fault,
        grants=tuple(grant.settled(now) for grant in state.grants),
        usage=state.usage,
        results=state.results,
    )
    return replace(state, persisted=image), (Persist(image),)


def _is_fresh(last: JournalImage, state: AgentState, now: Instant) -> bool:
    unchanged = (
        last.document is state.document
        and last.usage is state.usage
        and last.results is state.results
        and last.connection_epoch == state.connection_epoch
    )
    is_counting = any(grant.remaining_ms(last.at) > 0 for grant in last.grants)
    return unchanged and not (is_counting and now.boot_ms - last.at.boot_ms >= PERSIST_EVERY_MS)


def _told(state: AgentState, verdict: Verdict, now: Instant) -> Outcome:
    """Report what changed and offer usage, one batch at a time until it is acknowledged."""
    if not state.connected:
        return state, ()
    sends: list[Action] = []
    report = answers.reported(state, verdict, now)
    if state.reported is None or not answers.says_the_same(report, state.reported):
        state = replace(state, reported=report)
        sends.append(Send(report))
    sent_beat = state.usage_sent_beat
    due = sent_beat is None or state.heartbeat_seq - sent_beat >= USAGE_RETRY_BEATS
    if due and state.usage.records:
        sends.append(Send(answers.usage_batch(state)))
        state = replace(state, usage_sent_beat=state.heartbeat_seq)
    return state, tuple(sends)
