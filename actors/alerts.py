"""When staff is told of a PC or of a whole club: once each, and of nothing that is one incident."""

from actors.club import ClubSupervisor
from actors.club_events import alerted, described, exposed, link_down, link_restored, used
from actors.command_outcome import overdue
from actors.drafting import Drafting
from actors.outages import OutageDesk
from actors.pc import PcState
from actors.turn import AcknowledgeUsage, Now, PcInput
from billing_core.session import SessionState, SessionStatus
from schemas.device import UsageAck
from schemas.views import LinkState


def tell_of_pc(
    drafting: Drafting,
    club: ClubSupervisor,
    state: PcState,
    *,
    session: SessionState | None,
    now: Now,
) -> PcState:
    """Add what is to be told of a PC as it will be; ``session`` is the one it shows."""
    started = session is not None and session.status is SessionStatus.STARTED
    session_id = session.session_id if session is not None and started else None
    actor = club.pcs[state.pc_id]
    incident = drafting.workspace.club(club.club_id).down_since_ms is not None
    actor.calm_at_ms = _calm_at_ms(club, state, session_id=session_id, now=now)
    muted = incident or actor.calm_at_ms is not None
    told = alerted(state, session_id, muted=muted, now_ms=now.wall_ms)
    told = exposed(told, state.shown_session_id, now_ms=now.wall_ms)
    before = drafting.workspace.pc(state.pc_id)
    told = described(told, before, session_id, now_ms=now.wall_ms)
    return drafting.tell(overdue(told, now.wall_ms))


def _calm_at_ms(
    club: ClubSupervisor, state: PcState, *, session_id: str | None, now: Now
) -> int | None:
    """Until when an alert that is due waits for a flapping PC to calm down (monotonic)."""
    if state.link is not LinkState.NOT_RESPONDING or session_id is None:
        return None
    calm_at_ms = club.pcs[state.pc_id].presence.calm_at_ms
    return calm_at_ms if calm_at_ms is not None and calm_at_ms > now.mono_ms else None


def take_usage(
    drafting: Drafting, club: ClubSupervisor, state: PcState, *, heard: PcInput, now: Now
) -> PcState:
    """Write what a PC's journal tells, and acknowledge it once it is durable."""
    if heard.usage:
        state = OutageDesk(drafting, club, now).noted(state, heard.usage)
    told = used(state, heard.entries, now_ms=now.wall_ms)
    if told.events:
        drafting.acks.append(acknowledgement(heard))
    return drafting.tell(told)


def acknowledgement(heard: PcInput) -> AcknowledgeUsage:
    """The word that all these records and events are durable."""
    last = max(heard.entries, key=lambda entry: entry.seq)
    ack = UsageAck(boot_id=last.boot_id, seq=last.seq)
    return AcknowledgeUsage(heard.club_id, heard.pc_id, ack)


def tell_of_link(drafting: Drafting, club: ClubSupervisor, now: Now) -> bool:
    """Open or close the club's incident if it begins or is over now; whether it did."""
    state = drafting.workspace.club(club.club_id)
    cause = club.incident(now)
    if cause is not None and state.down_since_ms is None:
        down = link_down(state, cause, pcs=len(club.lost_pcs), now_ms=now.wall_ms)
        drafting.put_club(*down)
        return True
    if cause is None and state.down_since_ms is not None and club.is_heard:
        drafting.put_club(*link_restored(state, now_ms=now.wall_ms))
        return True
    return False
