"""Locked or unlocked: the one rule, and how urgently the player is told. Pure."""

from dataclasses import dataclass

from pc_daemon.agent_state import AgentState
from pc_daemon.clock import Instant
from pc_daemon.lease import Grant, find
from schemas.device import AgentFault, DesiredDocument, PcMode, WarningLevel


@dataclass(frozen=True, slots=True)
class Verdict:
    """``grant`` is the lease in force, None exactly when locked."""

    mode: PcMode
    grant: Grant | None = None
    faults: tuple[AgentFault, ...] = ()
    lease_ended: bool = False


def judge(state: AgentState, now: Instant) -> Verdict:
    """Unlocked needs a document that says so and a live lease of its own; nothing else does."""
    faults = _machine_faults(state)
    document = state.document
    if document is None or document.mode is PcMode.LOCKED:
        return Verdict(PcMode.LOCKED, faults=faults)
    if document.lease is None or state.lease_fault is AgentFault.LEASE_FOREIGN:
        fault = state.lease_fault or AgentFault.LEASE_MISSING
        return Verdict(PcMode.LOCKED, faults=(fault, *faults))
    if state.lease_fault is not None:
        faults = (state.lease_fault, *faults)
    grant = find(state.grants, document.lease.lease_id)
    if grant is None or grant.session_id != document.session_id:
        return Verdict(PcMode.LOCKED, faults=(AgentFault.LEASE_MISSING, *faults))
    if grant.remaining_ms(now) == 0:
        faults = (AgentFault.LEASE_ENDED, *faults)
        return Verdict(PcMode.LOCKED, faults=faults, lease_ended=True)
    return Verdict(PcMode.UNLOCKED, grant=grant, faults=faults)


def lease_fault(document: DesiredDocument, pc_id: str) -> AgentFault | None:
    """Whether the lease of an UNLOCKED document belongs to this PC, its session and its time."""
    if document.mode is PcMode.LOCKED:
        return None
    lease = document.lease
    if lease is None:
        return AgentFault.LEASE_MISSING
    belongs = (
        lease.pc_id == pc_id
        and lease.session_id == document.session_id
        and lease.epoch <= document.epoch
    )
    return None if belongs else AgentFault.LEASE_FOREIGN


def warning_level(state: AgentState, verdict: Verdict, now: Instant) -> WarningLevel:
    """The sharper of what the controller says and what the lease itself shows.

    While connected a lease is renewed, so only the end the player was told counts.
    """
    document = state.document
    if document is None or verdict.grant is None:
        return WarningLevel.NONE
    left_ms = verdict.grant.remaining_ms(now)
    if state.connected and document.ends_at_ms is not None:
        left_ms = max(left_ms, document.ends_at_ms - now.wall_ms)
    crossed = sum(1 for before_ms in document.warn_before_ms if left_ms <= before_ms)
    if crossed == 0:
        return document.warning
    if crossed == 1 and document.warning is not WarningLevel.NEEDS_ATTENTION:
        return WarningLevel.ENDING_SOON
    return WarningLevel.NEEDS_ATTENTION


def _machine_faults(state: AgentState) -> tuple[AgentFault, ...]:
    faults = []
    if not state.ui_ok:
        faults.append(AgentFault.LOCKER_FAILED)
    if not state.journal_ok:
        faults.append(AgentFault.JOURNAL_FAILED)
    return tuple(faults)
