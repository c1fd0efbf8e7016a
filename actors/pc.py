"""PcActor: what we want of one PC, what it does, and how far the two are apart.

``target`` is level-triggered: the whole state the PC should be in, numbered by ``rev``. A new
owner republishes it under its own epoch; a PC obeys the highest (epoch, rev) it has seen.
"""

from dataclasses import dataclass
from typing import Final

from actors.evidence import NO_EVIDENCE, ClockTie, Evidence
from actors.turn import AppliedTarget
from billing_core.hot_value import hot_value, replace
from schemas.device import (
    MAX_TITLE_LENGTH,
    CoverageLease,
    DesiredDocument,
    DeviceCommandKind,
    LockReason,
    PcMode,
    WarningLevel,
)
from schemas.views import LinkState

STATE_VERSION: Final = 1
OBEYED_WITHIN_MS: Final = 30_000
"""A PC does not obey a one-shot order older than this."""
LEASE_REFRESH_RATIO: Final = 0.5
"""An open lease is renewed when this part of it is used up."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A right to be unlocked: from ``issued_at_ms`` for ``duration_ms`` (business time)."""

    seq: int
    session_id: str
    issued_at_ms: int
    duration_ms: int

    @property
    def until_ms(self) -> int:
        """The hard stop, exclusive."""
        return self.issued_at_ms + self.duration_ms

    @property
    def refresh_at_ms(self) -> int:
        """When it is renewed, if it is to be: by its own length, whatever may be granted now."""
        return self.issued_at_ms + int(self.duration_ms * LEASE_REFRESH_RATIO)


@hot_value(frozen=True, slots=True)
class Target:
    """What the PC should show and allow. Locked without a grant."""

    rev: int = 0
    session_id: str | None = None
    player_label: str = ""
    ends_at_ms: int | None = None
    warning: WarningLevel = WarningLevel.NONE
    reason: LockReason = LockReason.FREE
    club_name: str = ""
    title: str = ""
    message: str = ""
    grant: Grant | None = None

    @property
    def unlocked(self) -> bool:
        """Whether the PC may be used."""
        return self.grant is not None


@hot_value(frozen=True, slots=True)
class Wish:
    """What the club wants shown now. ``allowed_ms`` is how long the PC may go on without us."""

    session_id: str | None = None
    player_label: str = ""
    ends_at_ms: int | None = None
    warning: WarningLevel = WarningLevel.NONE
    reason: LockReason = LockReason.FREE
    club_name: str = ""
    title: str = ""
    message: str = ""
    allowed_ms: int = 0
    refreshes: bool = False
    """The grant ends before coverage does, so it is renewed while the session runs."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Taken out of use by staff, until an instant or until it is released by hand."""

    reason: str
    since_ms: int
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class SentCommand:
    """The last one-shot order about a PC. ``outcome`` None: no answer yet."""

    command_id: str
    kind: DeviceCommandKind
    sent_at_ms: int
    carrier_pc_id: str
    """Who carries it out: the PC itself, or the neighbour that wakes it; empty: the controller."""
    outcome: str | None = None

    @property
    def answer_due_at_ms(self) -> int:
        """When an order without an answer is given up: late enough for the answer's own way."""
        return self.sent_at_ms + 2 * OBEYED_WITHIN_MS


@hot_value(frozen=True, slots=True)
class PcState:
    """Everything durable about a PC. ``waits_for`` names the PC that must lock first."""

    pc_id: str
    club_id: str
    link: LinkState = LinkState.UNPROVISIONED
    target: Target = Target()
    grant_seq: int = 0
    locked: bool | None = None
    shown_session_id: str | None = None
    waits_for: str | None = None
    exposed_until_ms: int | None = None
    last_seen_at_ms: int | None = None
    hold: Hold | None = None
    event_seq: int = 0
    alert_since_ms: int | None = None
    """Since when it has been reported as not responding."""
    exposure_told_until_ms: int | None = None
    usage_marks: tuple[tuple[str, int], ...] = ()
    """(boot, number of its newest durable usage record), by when each was last heard of."""
    command: SentCommand | None = None
    mac: str | None = None
    """Of the network card that wakes it, as the PC told at its last birth."""
    tie: ClockTie | None = None
    """Its clock as known when it was last written down."""
    evidence: Evidence = NO_EVIDENCE
    degraded: tuple[str, ...] = ()
    """Why it is not whole although it is heard; empty when it is."""
    v: int = STATE_VERSION

    @property
    def in_sync(self) -> bool:
        """The PC does what the target says, as far as it told us."""
        return (
            self.locked is (not self.target.unlocked)
            and self.shown_session_id == self.target.session_id
        )

    def linked(self, link: LinkState, now_ms: int) -> "PcState":
        """The PC under another link; leaving ONLINE remembers when it was last seen."""
        if link is self.link:
            return self
        seen = now_ms if self.link is LinkState.ONLINE else self.last_seen_at_ms
        return replace(self, link=link, last_seen_at_ms=seen)

    def held_at(self, at_ms: int) -> bool:
        """Whether the PC is out of use at an instant, as far as is known now."""
        hold = self.hold
        return hold is not None and (hold.until_ms is None or at_ms < hold.until_ms)

    def without_past_hold(self, now_ms: int) -> "PcState":
        """The PC back in use once its hold has ended by itself."""
        if self.hold is None or self.held_at(now_ms):
            return self
        return replace(self, hold=None)

    @property
    def look_at_ms(self) -> int | None:
        """The next instant something is due: a grant to renew, a hold's end, a missing answer."""
        hold_until_ms = None if self.hold is None else self.hold.until_ms
        pending = self.command if self.command and self.command.outcome is None else None
        answer_at_ms = None if pending is None else pending.answer_due_at_ms
        dues = (self.refresh_at_ms, hold_until_ms, answer_at_ms)
        instants = [at for at in dues if at is not None]
        return min(instants, default=None)

    @property
    def refresh_at_ms(self) -> int | None:
        """When an open grant should be renewed; None while there is none to renew."""
        grant = self.target.grant
        ends_at_ms = self.target.ends_at_ms
        if grant is None or (ends_at_ms is not None and ends_at_ms <= grant.until_ms):
            return None
        return grant.refresh_at_ms


def retargeted(state: PcState, wish: Wish, now_ms: int) -> PcState:
    """The PC with the wish as its target; the same object when nothing would change.

    Taking the screen away from a PC that has not confirmed it leaves an exposure: the PC could
    stay open until its last grant ends.
    """
    grant = _grant(state, wish, now_ms)
    target = Target(
        rev=state.target.rev,
        session_id=wish.session_id,
        player_label=wish.player_label,
        ends_at_ms=wish.ends_at_ms,
        warning=wish.warning,
        reason=wish.reason,
        club_name=wish.club_name[:MAX_TITLE_LENGTH],
        title=wish.title,
        message=wish.message,
        grant=grant,
    )
    if target == state.target:
        return state
    exposed_until_ms = _exposure(state, target, now_ms)
    return replace(
        state,
        target=replace(target, rev=state.target.rev + 1),
        grant_seq=state.grant_seq if grant is None else max(state.grant_seq, grant.seq),
        exposed_until_ms=exposed_until_ms,
    )


def _exposure(state: PcState, target: Target, now_ms: int) -> int | None:
    if target.unlocked:
        return None
    before = state.target.grant
    if before is None or state.locked is True:
        return state.exposed_until_ms
    return before.until_ms if before.until_ms > now_ms else None


def _grant(state: PcState, wish: Wish, now_ms: int) -> Grant | None:
    if wish.session_id is None or wish.allowed_ms <= 0:
        return None
    held = state.target.grant
    if held is not None and held.session_id == wish.session_id and _still_good(held, wish, now_ms):
        return held
    # Never below the clock: a PC refuses a lease older than one it holds, and a store that came
    # back as it was some time ago does not remember which that is.
    seq = max(state.grant_seq + 1, now_ms)
    return Grant(seq, wish.session_id, now_ms, wish.allowed_ms)


def _still_good(held: Grant, wish: Wish, now_ms: int) -> bool:
    """A grant is kept while it ends no later than it may and no sooner than it must."""
    latest_ms = now_ms + wish.allowed_ms
    if held.until_ms > latest_ms:
        return False
    if not wish.refreshes:
        return held.until_ms == latest_ms
    return now_ms < held.refresh_at_ms


def applied(state: PcState, report: AppliedTarget, *, epoch: int, now_ms: int) -> PcState:
    """Take the PC's word for what it does now."""
    exposed_until_ms = None if report.locked else state.exposed_until_ms
    if exposed_until_ms is not None and exposed_until_ms <= now_ms:
        exposed_until_ms = None
    obeys = report.version == (epoch, state.target.rev)
    shown = state.target.session_id if obeys else state.shown_session_id
    if (report.locked, shown, exposed_until_ms) == (
        state.locked,
        state.shown_session_id,
        state.exposed_until_ms,
    ):
        return state
    return replace(
        state, locked=report.locked, shown_session_id=shown, exposed_until_ms=exposed_until_ms
    )


def is_behind(state: PcState, report: AppliedTarget, epoch: int) -> bool:
    """The PC obeys another document than ours, so ours is sent again."""
    return report.version != (epoch, state.target.rev)


def is_ahead(report: AppliedTarget, epoch: int) -> bool:
    """The PC obeys an owner after this one, and would refuse whatever this one says."""
    return report.version is not None and report.version[0] > epoch


def desired_document(state: PcState, epoch: int) -> DesiredDocument:
    """The target as it travels: under this owner's epoch, with its lease."""
    target = state.target
    return DesiredDocument(
        epoch=epoch,
        rev=target.rev,
        mode=PcMode.UNLOCKED if target.unlocked else PcMode.LOCKED,
        session_id=target.session_id,
        player_label=target.player_label,
        ends_at_ms=target.ends_at_ms,
        warning=target.warning,
        reason=target.reason,
        club_name=target.club_name,
        title=target.title,
        message=target.message,
        lease=_lease(state, epoch),
    )


def _lease(state: PcState, epoch: int) -> CoverageLease | None:
    grant = state.target.grant
    if grant is None:
        return None
    return CoverageLease(
        lease_id=grant.session_id,
        club_id=state.club_id,
        pc_id=state.pc_id,
        session_id=grant.session_id,
        seq=grant.seq,
        epoch=epoch,
        issued_at_ms=grant.issued_at_ms,
        duration_ms=grant.duration_ms,
        hard_stop_at_ms=grant.until_ms,
        offline_max_ms=None if state.refresh_at_ms is None else grant.duration_ms,
    )
