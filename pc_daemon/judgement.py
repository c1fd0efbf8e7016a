"""Locked or unlocked: the one rule, and how urgently the player is told. Pure."""

from pc_daemon.agent_state import AgentState, Identity
from pc_daemon.clock import Instant
from pc_daemon.lease import Grant, find
from schemas.device import AgentFault, CoverageLease, DesiredDocument, PcMode, WarningLevel
from schemas.hot_value import hot_value


@hot_value(frozen=True, slots=True)
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
    if document.lease is None:
        return Verdict(PcMode.LOCKED, faults=(AgentFault.LEASE_MISSING, *faults))
    if state.lease_fault is not None:
        faults = (state.lease_fault, *faults)
    grant = find(state.grants, document.lease.lease_id)
    if grant is None or grant.session_id != document.session_id:
        return Verdict(PcMode.LOCKED, faults=(AgentFault.LEASE_MISSING, *faults))
    if grant.remaining_ms(now) == 0:
        faults = (AgentFault.LEASE_ENDED, *faults)
        return Verdict(PcMode.LOCKED, faults=faults, lease_ended=True)
    return Verdict(PcMode.UNLOCKED, grant=grant, faults=faults)


def document_fault(state: AgentState, document: DesiredDocument) -> AgentFault | None:
    """Whether the lease of an UNLOCKED document is for this PC, its session and its time.

    And whether a key this PC trusts says so.
    """
    if document.mode is PcMode.LOCKED:
        return None
    lease = document.lease
    if lease is None:
        return AgentFault.LEASE_MISSING
    if not _is_for(state.identity, lease, document):
        return AgentFault.LEASE_FOREIGN
    return state.trust.lease_fault(lease)


def _is_for(identity: Identity, lease: CoverageLease, document: DesiredDocument) -> bool:
    return (
        lease.chain_id in (None, identity.chain_id or lease.chain_id)
        and lease.club_id in (None, identity.club_id)
        and lease.pc_id == identity.pc_id
        and lease.session_id == document.session_id
        and lease.epoch <= document.epoch
    )


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
    if state.held_back is not None:
        faults.append(state.held_back.fault)
    if state.maintenance is not None and state.maintenance.opened_at is not None:
        faults.append(AgentFault.MAINTENANCE)
    if not state.ui_ok:
        faults.append(AgentFault.LOCKER_FAILED)
    if not state.journal_ok:
        faults.append(AgentFault.JOURNAL_FAILED)
    if any(what != "lease" for what in state.forgeries):
        faults.append(AgentFault.ORDER_FORGED)
    return tuple(faults)
