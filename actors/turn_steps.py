"""The steps of one turn: each takes one input or one thing due and adds at most a few drafts."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from actors.alerts import acknowledgement, take_usage, tell_of_link
from actors.club import ClubSupervisor
from actors.club_events import club_key, used
from actors.command_outcome import answered
from actors.command_turn import decide_command
from actors.draft import Draft, TickReport, TickResult, Turn
from actors.drafting import Drafting
from actors.ended import ended_key
from actors.expiry import lapse_expired
from actors.follow_through import follow_through
from actors.outages import OutageDesk, may_settle
from actors.pc import PcState, desired_document
from actors.session import SessionActor
from actors.store import Ownership, session_key
from actors.turn import (
    Answer,
    CarriedOut,
    CommandInput,
    DeviceAnswer,
    Input,
    LinkEvent,
    LinkInput,
    Now,
    PcInput,
    PlayerInput,
    PublishDesired,
    WalletInput,
)
from actors.unreadable import UnreadableError
from actors.waking import THE_CONTROLLER
from actors.workspace import Memory, Workspace, pc_key
from billing_core.advance import advance
from billing_core.commands import CancelSession, Command, EndSession, Recompute
from billing_core.crediting import advance_past_lock
from billing_core.decide import decide
from billing_core.outage import OUTAGE_MIN_MS
from billing_core.rejection import Rejected
from billing_core.session import EndedReason, SessionState, SessionStatus
from schemas.commands import CommandReply, ReplyStatus


@dataclass(slots=True)
class TurnSteps:
    """One turn under way over the clubs of a shard."""

    ownership: Ownership
    memory: Memory
    clubs: Mapping[str, ClubSupervisor]
    now: Now
    turn: Turn = field(default_factory=Turn)
    idle_sessions: list[str] = field(default_factory=list)
    outages: list[str] = field(default_factory=list)
    restored_pcs: set[str] = field(default_factory=set)
    """PCs with a fresh grace, whose silence is to be judged anew."""
    to_recompute: dict[str, None] = field(default_factory=dict)
    """Sessions that another step has made look at their coverage, in order."""
    to_touch: dict[str, str] = field(default_factory=dict)
    """PCs (and their club) whose link another step has changed."""
    to_settle: dict[str, str] = field(default_factory=dict)
    """PCs (and their club) that are back with their journal."""
    workspace: Workspace = field(init=False)

    def __post_init__(self) -> None:
        self.workspace = Workspace(self.memory)

    def rewind(self, drafts_count: int) -> None:
        """Forget every draft after the first ``drafts_count``."""
        del self.turn.drafts[drafts_count:]
        self.workspace = Workspace(self.memory)
        for draft in self.turn.drafts:
            self.workspace.stage(draft.installs)
            self.workspace.staged_wallets.update(draft.wallets)
            self.workspace.staged_tiles.update(draft.tiles)
            self.workspace.staged_holders.update(draft.holders)

    def take(self, one: Input) -> None:
        """Decide one input."""
        if isinstance(one, CommandInput):
            self._command(one)
        elif isinstance(one, PcInput):
            self._hear(one)
        elif isinstance(one, WalletInput):
            self._wallet(one)
        elif isinstance(one, PlayerInput):
            self._player(one)
        elif isinstance(one, CarriedOut):
            if one.club_id in self.clubs:
                self._take_answer(self.clubs[one.club_id], THE_CONTROLLER, one.answer)
        else:
            self._link(one)

    def advance(self, session_id: str) -> None:
        """Bill a session up to now and do whatever time demands of it."""
        state = self.workspace.session(session_id)
        if state is None or state.due_at_ms is None:
            return
        if state.due_at_ms > self.now.wall_ms:
            # What is due has moved later since: the reminder that brought us here was the last.
            self.idle_sessions.append(session_id)
            return
        drafting, club = self._drafting(state.club_id)
        if state.pc_id in club.untouchable:
            return
        actor = SessionActor(club.setup, drafting, self.now)
        terms = actor.terms_of(state)
        decision = advance(state, terms, self.now.wall_ms)
        if decision.state == state:
            self.idle_sessions.append(session_id)
            return
        after = actor.take(state, decision, terms)
        tick = TickReport(
            session_id=session_id,
            club_id=state.club_id,
            lateness_ms=self.now.wall_ms - state.due_at_ms,
            steps=_steps(after) - _steps(state),
            result=TickResult.ENDED if after.status.is_final else TickResult.BILLED,
        )
        self._finish_session(drafting, club, before=state, after=after, tick=tick)

    def pass_lock(self, session_id: str) -> None:
        """Bring a session to now that nobody could bill for a while. Minutes in which its PC was
        locked, because its grant had ended and nobody renewed it, are not charged."""
        state = self.workspace.session(session_id)
        pc = None if state is None else self.workspace.pc(state.pc_id)
        grant = None if pc is None else pc.target.grant
        if state is None or grant is None or grant.session_id != session_id:
            return
        drafting, club = self._drafting(state.club_id)
        locked_ms = self.now.wall_ms - grant.until_ms
        if state.pc_id in club.untouchable or locked_ms < OUTAGE_MIN_MS:
            return
        actor = SessionActor(club.setup, drafting, self.now)
        terms, from_ms = actor.terms_of(state), grant.until_ms
        decision = advance_past_lock(state, terms, locked_from_ms=from_ms, now_ms=self.now.wall_ms)
        if decision.state != state:
            after = actor.take(state, decision, terms)
            self._finish_session(drafting, club, before=state, after=after)

    def recompute(self, session_id: str) -> None:
        """Something a session depends on has changed: look at its coverage again."""
        state = self.workspace.session(session_id)
        if state is None:
            return
        drafting, club = self._drafting(state.club_id)
        if state.pc_id in club.untouchable:
            return
        actor = SessionActor(club.setup, drafting, self.now)
        terms = actor.terms_of(state)
        command = _without_pc(state) if club.setup.is_retired(state.pc_id) else Recompute()
        outcome = decide(state, command, terms=terms, now_ms=self.now.wall_ms)
        if isinstance(outcome, Rejected) or outcome.state == state:
            return
        after = actor.take(state, outcome, terms)
        self._finish_session(drafting, club, before=state, after=after)

    def judge_pc(self, club_id: str, pc_id: str) -> None:
        """Silence, the end of a transfer's wait, or a grant that is half used."""
        club = self.clubs[club_id]
        club.judge(pc_id, self.now)
        if club.begins_outage(self.now):
            self.outages.append(club_id)
            for other in list(club.suspected_at_ms):
                self.touch_pc(club_id, other)
        self.watch_link(club)
        unlock_by_ms = club.pcs[pc_id].unlock_by_ms
        if unlock_by_ms is None or unlock_by_ms <= self.now.mono_ms:
            self._open_seat(club_id, pc_id)
        self.touch_pc(club_id, pc_id)

    def watch_link(self, club: ClubSupervisor) -> None:
        """Tell of the club's incident when it begins and when it is over."""
        if club_key(club.club_id) in self.memory.unreadable:
            return
        club.look_at_outage(self.now)
        told = self.workspace.club(club.club_id).down_since_ms is not None
        if told == (club.incident(self.now) is not None):
            return
        drafting, _ = self._drafting(club.club_id)
        if not tell_of_link(drafting, club, self.now):
            return
        self._add(drafting.finish(None))
        self.restored_pcs.update(club.pcs)
        for pc_id in club.pcs:
            self.touch_pc(club.club_id, pc_id)

    def settle_outages(self, club_id: str, pc_id: str) -> None:
        """Judge what a PC that is back was silent about, session by session."""
        state = self.workspace.pc(pc_id)
        for session_id in () if state is None else state.evidence.session_ids:
            if {session_key(session_id), ended_key(session_id)} & self.memory.unreadable.keys():
                continue
            drafting, club = self._drafting(club_id)
            OutageDesk(drafting, club, self.now).settle(pc_id, session_id)
            follow_through(drafting, club, self.now)
            self._add(drafting.finish(None), besides=session_id)

    def give_up_waiting(self, session_id: str) -> None:
        """A PC that a session has ended on did not come back in time."""
        ended = self.workspace.ended(session_id)
        if ended is None or ended.wait_until_ms is None or ended.state.club_id not in self.clubs:
            return
        if ended.wait_until_ms > self.now.wall_ms:
            return
        drafting, club = self._drafting(ended.state.club_id)
        OutageDesk(drafting, club, self.now).give_up_waiting(session_id)
        self._add(drafting.finish(None))

    # ---- inputs ----------------------------------------------------------------------------------

    def _command(self, cause: CommandInput) -> None:
        club = self.clubs.get(cause.envelope.club_id)
        if club is None:
            reply = CommandReply(status=ReplyStatus.NOT_OWNER)
            self.turn.immediate.append(Answer(cause.ticket, reply))
            return
        self._refuse_unreadable(cause, club)
        self._bring_up_to_now(cause, club)
        drafting, _ = self._drafting(club.club_id)
        self._add(decide_command(cause, club, drafting, now=self.now))

    def _refuse_unreadable(self, cause: CommandInput, club: ClubSupervisor) -> None:
        """Nothing is decided about what cannot be read."""
        named = getattr(cause.envelope.command, "pc_id", None)
        if named is not None and named in club.untouchable:
            raise UnreadableError(pc_key(named), "it or the session on it")
        for one in (cause.session_id, cause.order_id):
            for key in () if one is None else (session_key(one), ended_key(one)):
                if key in self.memory.unreadable:
                    raise UnreadableError(key, self.memory.unreadable[key])

    def _bring_up_to_now(self, cause: CommandInput, club: ClubSupervisor) -> None:
        """Whatever time has done to what a command is about is written before its answer: who
        is told that a session is over finds its PC free."""
        if cause.session_id is not None:
            if session_key(cause.session_id) in club.parked:
                self.pass_lock(cause.session_id)
            self.advance(cause.session_id)
        if cause.pc_id is not None:
            for state in self.workspace.sessions_on(cause.pc_id):
                if session_key(state.session_id) not in club.parked:
                    self.advance(state.session_id)

    def _hear(self, heard: PcInput) -> None:
        club = self.clubs.get(heard.club_id)
        if club is None or heard.pc_id not in club.pcs:
            return
        club.hear(heard, self.now)
        state = self.workspace.pc(heard.pc_id) or PcState(heard.pc_id, heard.club_id)
        self._resend(club, heard, state)
        self.watch_link(club)
        if heard.entries and not used(self._committed(state), heard.entries, now_ms=0).events:
            self.turn.immediate.append(acknowledgement(heard))
        state = self.workspace.pc(heard.pc_id) or state
        drafting, _ = self._drafting(heard.club_id)
        after = club.noted(state, heard, epoch=drafting.epoch, now=self.now)
        after = take_usage(drafting, club, after, heard=heard, now=self.now)
        if heard.mac is not None:
            after = replace(after, mac=heard.mac)
        if after != self.workspace.pc(heard.pc_id):
            drafting.put_pc(after)
            follow_through(drafting, club, self.now)
            self._add(drafting.finish(heard))
        if may_settle(club, after):
            self.to_settle[heard.pc_id] = heard.club_id
        if after.locked is True:
            self._release_waiting(club, heard.pc_id)
        for answer in heard.answers:
            self._take_answer(club, heard.pc_id, answer)

    def _take_answer(self, club: ClubSupervisor, carrier_pc_id: str, answer: DeviceAnswer) -> None:
        """A PC's word about an order: its own, or the one to wake its neighbour."""
        for pc_id in club.pcs:
            state = self.workspace.pc(pc_id)
            sent = None if state is None else state.command
            if state is None or sent is None or sent.carrier_pc_id != carrier_pc_id:
                continue
            told = answered(state, answer, self.now.wall_ms)
            if told.events:
                drafting, _ = self._drafting(club.club_id)
                drafting.put_pc(drafting.tell(told))
                follow_through(drafting, club, self.now)
                self._add(drafting.finish(None))

    def _wallet(self, one: WalletInput) -> None:
        self.memory.wallets[one.key] = one.wallet
        self.to_recompute.update(dict.fromkeys(self.memory.sessions_of_holder(one.key.holder_id)))

    def _player(self, one: PlayerInput) -> None:
        for club_id in self.clubs:
            drafting, club = self._drafting(club_id)
            drafting.bought(one.player_id)
            lapse_expired(drafting, club.setup, now_ms=self.now.wall_ms)
            if drafting.bought_after:
                self._add(drafting.finish(one))
        for session_id in self.memory.sessions_of_holder(one.player_id):
            self.to_recompute[session_id] = None
            state = self.workspace.session(session_id)
            if state is not None:
                self.to_touch[state.pc_id] = state.club_id

    def _link(self, one: LinkInput) -> None:
        for club in self.clubs.values():
            if one.event is LinkEvent.LOST:
                club.blind(self.now)
            else:
                club.sighted(self.now)
            self.watch_link(club)
            self.to_touch.update(dict.fromkeys(club.pcs, club.club_id))

    # ---- parts -----------------------------------------------------------------------------------

    def _committed(self, state: PcState) -> PcState:
        """The PC as the store has it, without what this turn has decided so far."""
        return Workspace(self.memory).pc(state.pc_id) or PcState(state.pc_id, state.club_id)

    def _resend(self, club: ClubSupervisor, heard: PcInput, state: PcState) -> None:
        """Send the committed document again to a PC that obeys another one.

        What this turn has decided and the store has not taken yet is never said: if it is
        refused, the next decision may give the same revision another meaning.
        """
        committed = self._committed(state)
        if committed.target != state.target:
            return
        if club.wants_resend(heard, committed, epoch=self.ownership.epoch, now=self.now):
            document = desired_document(committed, self.ownership.epoch)
            again = PublishDesired(heard.club_id, heard.pc_id, document, changed=False)
            self.turn.immediate.append(again)

    def _release_waiting(self, club: ClubSupervisor, locked_pc_id: str) -> None:
        for pc_id in self.memory.waiting_for(locked_pc_id):
            if pc_id in club.pcs:
                self._open_seat(club.club_id, pc_id)

    def _open_seat(self, club_id: str, pc_id: str) -> None:
        """The old seat is locked, or had its time: the new one opens."""
        self.clubs[club_id].pcs[pc_id].unlock_by_ms = None
        state = self.workspace.pc(pc_id)
        if state is None or state.waits_for is None:
            return
        drafting, club = self._drafting(club_id)
        drafting.put_pc(replace(state, waits_for=None))
        follow_through(drafting, club, self.now)
        self._add(drafting.finish(None))

    def touch_pc(self, club_id: str, pc_id: str) -> None:
        """Bring a PC's target and tile in line with what is known now."""
        drafting, club = self._drafting(club_id)
        drafting.touched_pcs.add(pc_id)
        follow_through(drafting, club, self.now)
        if drafting.entities or drafting.hall:
            self._add(drafting.finish(None))

    def _finish_session(
        self,
        drafting: Drafting,
        club: ClubSupervisor,
        *,
        before: SessionState,
        after: SessionState,
        tick: TickReport | None = None,
    ) -> None:
        if before.coverage != after.coverage or before.status is not after.status:
            follow_through(drafting, club, self.now)
        self._add(drafting.finish(None, tick=tick), besides=before.session_id)

    def _add(self, draft: Draft, besides: str | None = None) -> None:
        """Add a draft; other sessions of a holder it touches look at their coverage."""
        self.turn.drafts.append(draft)
        touched = dict.fromkeys([*(key.holder_id for key in draft.wallets), *draft.holders])
        for holder_id in touched:
            for session_id in self.memory.sessions_of_holder(holder_id):
                if session_id != besides and session_key(session_id) not in draft.installs:
                    self.to_recompute[session_id] = None

    def _drafting(self, club_id: str) -> tuple[Drafting, ClubSupervisor]:
        club = self.clubs[club_id]
        shard = self.ownership.shard
        return Drafting(self.workspace, shard.chain_id, club_id, self.ownership.epoch), club


def _without_pc(state: SessionState) -> Command:
    """What becomes of a session whose PC was taken out of service for good."""
    if state.status is SessionStatus.STARTED:
        return EndSession(EndedReason.DEVICE_RETIRED)
    return CancelSession()


def _steps(state: SessionState) -> int:
    return sum(segment.steps for segment in state.segments)
