"""What a draft means for the PCs it touches: a new target, a new tile. Always the same steps."""

from dataclasses import replace

from actors.alerts import tell_of_pc
from actors.club import UNLOCK_WAIT_MS, ClubSupervisor
from actors.drafting import Drafting
from actors.outages import OutageDesk
from actors.pc import PcState, Wish, retargeted
from actors.rendering import tile_of
from actors.session import SessionActor
from actors.store import session_key
from actors.turn import Now
from billing_core.coverage import CoverageStatus
from billing_core.lease import lease_duration_ms
from billing_core.session import SessionState, SessionStatus
from schemas.device import LockReason, WarningLevel
from schemas.views import LinkState

_WARNINGS = {
    CoverageStatus.ENDING_SOON: WarningLevel.ENDING_SOON,
    CoverageStatus.NEEDS_ATTENTION: WarningLevel.NEEDS_ATTENTION,
    CoverageStatus.EXPIRED: WarningLevel.NEEDS_ATTENTION,
}


def follow_through(drafting: Drafting, club: ClubSupervisor, now: Now) -> None:
    """Bring every touched PC's target and tile in line with the sessions of this draft."""
    _hold_new_seat(drafting, club, now)
    OutageDesk(drafting, club, now).keep_unsettled()
    for pc_id in sorted(drafting.touched_pcs):
        if pc_id not in club.pcs or pc_id in club.untouchable:
            continue
        before = drafting.pc(pc_id) or PcState(pc_id, club.club_id)
        before = before.without_past_hold(now.wall_ms)
        shown = shown_session(drafting.sessions_on(pc_id))
        after = before
        if not _is_parked(drafting, club, shown):
            wish = _wish(drafting, club, before, session=shown, now=now)
            after = retargeted(before, wish, now.wall_ms)
        after = club.with_link(after, now)
        after = tell_of_pc(drafting, club, after, session=shown, now=now)
        if after != drafting.workspace.pc(pc_id):
            drafting.put_pc(after)
        _show(drafting, club, after, session=shown)


def shown_session(sessions: list[SessionState]) -> SessionState | None:
    """Of a PC's sessions the one its tile is about: running, else due, else the next booked."""
    order = {SessionStatus.STARTED: 0, SessionStatus.ACTIVE: 1, SessionStatus.PENDING: 2}
    return min(
        sessions,
        key=lambda state: (order[state.status], state.planned_start_at_ms),
        default=None,
    )


def _hold_new_seat(drafting: Drafting, club: ClubSupervisor, now: Now) -> None:
    """A transfer from a PC that answers: the new seat waits for the old one's lock."""
    for state in list(drafting.entities.values()):
        if not isinstance(state, SessionState) or state.status is not SessionStatus.STARTED:
            continue
        before = drafting.workspace.session(state.session_id)
        if before is None or before.pc_id == state.pc_id:
            continue
        old = drafting.pc(before.pc_id)
        if old is None or old.link is not LinkState.ONLINE or old.locked is True:
            continue
        new = drafting.pc(state.pc_id) or PcState(state.pc_id, club.club_id)
        drafting.put_pc(replace(new, waits_for=old.pc_id))
        club.pcs[state.pc_id].unlock_by_ms = now.mono_ms + UNLOCK_WAIT_MS


def _wish(
    drafting: Drafting,
    club: ClubSupervisor,
    pc: PcState,
    *,
    session: SessionState | None,
    now: Now,
) -> Wish:
    if session is None or session.status is not SessionStatus.STARTED:
        return Wish(
            club_name=club.setup.club.name,
            title=pc_name(club, pc),
            reason=_lock_reason(pc, session),
        )
    if pc.waits_for is not None:
        return Wish(
            club_name=club.setup.club.name, title=pc_name(club, pc), reason=LockReason.MOVING
        )
    actor = SessionActor(club.setup, drafting, now)
    allowed_ms = lease_duration_ms(session, actor.terms_of(session), now.wall_ms)
    coverage = session.coverage
    ends_at_ms = None if coverage is None else coverage.until_ms
    warning = WarningLevel.NONE if coverage is None else _WARNINGS.get(coverage.status)
    return Wish(
        session_id=session.session_id,
        player_label=player_label(drafting, session),
        ends_at_ms=ends_at_ms,
        warning=warning or WarningLevel.NONE,
        club_name=club.setup.club.name,
        title=pc_name(club, pc),
        allowed_ms=allowed_ms,
        refreshes=ends_at_ms is None or now.wall_ms + allowed_ms < ends_at_ms,
    )


def _is_parked(drafting: Drafting, club: ClubSupervisor, session: SessionState | None) -> bool:
    """Whether a session cannot be billed now: its PC keeps what it was granted while it could be.

    What was granted stays stored beyond its end: so it is known how long the PC was locked.
    """
    if session is None:
        return False
    unreadable = drafting.workspace.holder(session.holder_id).unreadable is not None
    return unreadable or session_key(session.session_id) in club.parked


def pc_name(club: ClubSupervisor, pc: PcState) -> str:
    """The PC's name, as on its case."""
    return club.setup.pcs[pc.pc_id].name


def _lock_reason(pc: PcState, session: SessionState | None) -> LockReason:
    if pc.hold is not None:
        return LockReason.HELD
    return LockReason.FREE if session is None else LockReason.RESERVED


def player_label(drafting: Drafting, session: SessionState) -> str:
    """Who plays, as staff and the screen call them."""
    if session.player_id is None:
        return session.guest_label or "Guest"
    document = drafting.workspace.holder(session.player_id).document
    return session.player_id if document is None else document.label


def _show(
    drafting: Drafting, club: ClubSupervisor, pc: PcState, *, session: SessionState | None
) -> None:
    label = None if session is None else player_label(drafting, session)
    tile = tile_of(pc, session, setup=club.setup, player_label=label)
    if tile != drafting.workspace.tile(pc.pc_id):
        drafting.put_tile(tile)
