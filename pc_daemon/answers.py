"""The messages an agent sends, made from its state. Pure."""

from dataclasses import replace
from typing import Final

from pc_daemon.agent_state import MAX_REMEMBERED_COMMANDS, Action, AgentState, Send
from pc_daemon.clock import Instant
from pc_daemon.judgement import Verdict, judge
from schemas.device import (
    Birth,
    CommandOutcome,
    DeviceCommandResult,
    Heartbeat,
    PcMode,
    Presence,
    PresenceReason,
    PresenceState,
    Reported,
    Serving,
    UsageBatch,
)
from schemas.machine_facts import HardwareFacts

DETAIL_CHARACTERS: Final = 200
INTERRUPTED: Final = "the agent ended meanwhile"


def birth(state: AgentState, now: Instant) -> Birth:
    """Who speaks, and what it holds."""
    verdict = judge(state, now)
    return Birth(
        boot_id=state.identity.boot_id,
        connection_epoch=state.connection_epoch,
        agent_version=state.identity.agent_version,
        capabilities=state.identity.capabilities,
        observed=state.observed,
        applied=state.applied,
        mode=verdict.mode,
        session_id=_session_id(verdict),
        lease_remaining_ms=_left_ms(verdict, now),
        unsent_usage_count=len(state.usage.records),
        dropped_usage_count=state.usage.dropped_count,
        serving=serving(state, now),
        nonce=None if state.question is None else state.question.nonce,
        keys_version=state.trust.version,
        machine=state.identity.machine,
    )


def serving(state: AgentState, now: Instant) -> Serving:
    """The boot clock and the usage book as they stand."""
    stretch = state.usage.stretch
    return Serving(
        boot_id=state.identity.boot_id,
        boot_ms=now.boot_ms,
        since_boot_ms=None if stretch is None else stretch.since.boot_ms,
        unsent_usage_count=len(state.usage.records),
    )


def presence(
    state: AgentState,
    link: PresenceState,
    reason: PresenceReason = PresenceReason.CONNECTED,
) -> Presence:
    """Online or offline, under the current connection epoch."""
    return Presence(state=link, reason=reason, connection_epoch=state.connection_epoch)


def heartbeat(state: AgentState, hardware: HardwareFacts | None, now: Instant) -> Heartbeat:
    """Here, and showing this."""
    verdict = judge(state, now)
    return Heartbeat(
        seq=state.heartbeat_seq,
        connection_epoch=state.connection_epoch,
        applied=state.applied,
        mode=verdict.mode,
        ui_ok=state.ui_ok,
        lease_remaining_ms=_left_ms(verdict, now),
        serving=serving(state, now),
        nonce=None if state.question is None else state.question.nonce,
        keys_version=state.trust.version,
        hardware=hardware,
    )


def reported(state: AgentState, verdict: Verdict, now: Instant) -> Reported:
    """What became of the newest document."""
    return Reported(
        connection_epoch=state.connection_epoch,
        observed=state.observed,
        applied=state.applied,
        mode=verdict.mode,
        session_id=_session_id(verdict),
        lease_seq=None if verdict.grant is None else verdict.grant.seq,
        errors=verdict.faults,
        at_ms=now.wall_ms,
    )


def is_reported(state: AgentState, verdict: Verdict) -> bool:
    """Whether the last report said what one of now would say, but for the instant."""
    last = state.reported
    return (
        last is not None
        and last.mode is verdict.mode
        and last.observed == state.observed
        and last.applied == state.applied
        and last.errors == verdict.faults
        and last.session_id == _session_id(verdict)
        and last.lease_seq == (None if verdict.grant is None else verdict.grant.seq)
        and last.connection_epoch == state.connection_epoch
    )


def usage_batch(state: AgentState) -> UsageBatch:
    """The oldest unacknowledged records and events."""
    records, events = state.usage.batch()
    return UsageBatch(connection_epoch=state.connection_epoch, records=records, events=events)


def remembered(state: AgentState, cmd_id: str) -> DeviceCommandResult | None:
    """The result already given to a command."""
    return next((known for known in state.results if known.cmd_id == cmd_id), None)


def begun(state: AgentState, cmd_id: str) -> AgentState:
    """Remember a command before it is carried out, as one that failed until it is concluded.

    An agent that ends in between does not know what became of it, and must not do it twice.
    """
    return _remembering(state, result(cmd_id, CommandOutcome.FAILED, INTERRUPTED))


def concluded(
    state: AgentState, cmd_id: str, outcome: CommandOutcome, *, why: str = ""
) -> tuple[AgentState, tuple[Action, ...]]:
    """Remember a result, in place of what was remembered of that command, and send it."""
    answer = result(cmd_id, outcome, why)
    return _remembering(state, answer), (Send(answer),)


def _remembering(state: AgentState, answer: DeviceCommandResult) -> AgentState:
    others = (known for known in state.results if known.cmd_id != answer.cmd_id)
    return replace(state, results=(*others, answer)[-MAX_REMEMBERED_COMMANDS:])


def result(cmd_id: str, outcome: CommandOutcome, why: str = "") -> DeviceCommandResult:
    """What became of a command."""
    return DeviceCommandResult(cmd_id=cmd_id, outcome=outcome, detail=why[:DETAIL_CHARACTERS])


def _session_id(verdict: Verdict) -> str | None:
    return verdict.grant.session_id if verdict.mode is PcMode.UNLOCKED and verdict.grant else None


def _left_ms(verdict: Verdict, now: Instant) -> int | None:
    return None if verdict.grant is None else verdict.grant.remaining_ms(now)
