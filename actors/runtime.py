"""ShardRuntime: the synchronous, pure heart of a shard.

``turn(inputs, now)`` decides; nothing is written and nothing is asked of anybody. ``settle``
takes the store's word on what was decided. Time, facts and randomness come in as values.

Each step is decided in drafts of its own, on top of the drafts before it. An exception costs
only the entity it concerns: its draft never joins the turn, it is tried again later, and it is
quarantined when it keeps failing.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from types import MappingProxyType
from typing import Final

import structlog

from actors.agenda import Agenda
from actors.club import ClubSupervisor
from actors.club_events import CLUB_KEY_PREFIX, club_key
from actors.club_setup import club_setups
from actors.draft import Draft, Turn
from actors.pc import PcState, desired_document
from actors.pc_actor import PcActor
from actors.presence import Presence
from actors.quarantine import Parked, Quarantine, blamed_for
from actors.refusal import INTERNAL_ERROR
from actors.settling import Settled, settle
from actors.shard_contents import untouchable_pcs
from actors.store import ENDED_KEY_PREFIX, SESSION_KEY_PREFIX, Ownership, UnitOutcome, session_key
from actors.turn import (
    Answer,
    CommandInput,
    Input,
    LinkInput,
    Now,
    PcInput,
    PublishDesired,
)
from actors.turn_steps import TurnSteps
from actors.unreadable import QUARANTINED, Unreadable, UnreadableError
from actors.wallets import WalletKey
from actors.workspace import (
    PC_KEY_PREFIX,
    Entity,
    KnownHolder,
    Memory,
    Versioned,
    Workspace,
    pc_key,
)
from billing_core.session import SessionState
from billing_core.wallet import Wallet
from schemas.device import DocumentVersion

SETTLE_IN_MS: Final = 3_000
"""After a load PCs get this long to answer the republished documents before the hall shows
them as unknown."""

log = structlog.get_logger(__name__)


class ShardRuntime:
    """The clubs of one shard under one ownership.

    ``entities`` and ``catalogue`` are as read after the epoch was raised; ``heard`` is what this
    process heard of the PCs a moment ago, if it owned the shard then. ``unreadable`` are left
    alone, with the PCs they are about. ``wakeable`` are clubs whose network this host reaches.
    """

    def __init__(
        self,
        ownership: Ownership,
        entities: Mapping[str, Versioned],
        catalogue: Mapping[str, bytes],
        *,
        now: Now,
        heard: Mapping[str, Presence] | None = None,
        unreadable: Mapping[str, Unreadable] = MappingProxyType({}),
        wakeable: AbstractSet[str] = frozenset(),
    ) -> None:
        self.ownership = ownership
        self.memory = Memory()
        self.clubs: dict[str, ClubSupervisor] = {}
        self.quarantine = Quarantine()
        self.failures: Counter[str] = Counter()
        """Steps that failed by kind of entity, since somebody counted last."""
        self._club_of_pc: dict[str, str] = {}
        self._agenda = Agenda()
        self._recompute: set[str] = set()
        self._wakeable = wakeable
        for key, entity in entities.items():
            self.memory.install(key, entity)
        self._untouchable = untouchable_pcs(entities, unreadable)
        self._set_aside(unreadable, now)
        self._configure(catalogue, now, heard or {})
        self._unwatched = [state.session_id for state in self._open_sessions()]
        for key in entities:
            self._remind(key)
        for state in self._open_sessions():
            club = self.clubs.get(state.club_id)
            if club is not None and club.setup.is_retired(state.pc_id):
                self._recompute.add(state.session_id)

    # ---- what the loop asks --------------------------------------------------------------------

    @property
    def club_ids(self) -> frozenset[str]:
        """Clubs that live here."""
        return frozenset(self.clubs)

    @property
    def presence_by_pc(self) -> dict[str, Presence]:
        """What was heard, for the successor of this runtime in the same process."""
        clubs = self.clubs.values()
        return {pc_id: pc.presence for club in clubs for pc_id, pc in club.pcs.items()}

    def knows_pc(self, club_id: str, pc_id: str) -> bool:
        """Whether a message may speak for this PC."""
        club = self.clubs.get(club_id)
        return club is not None and pc_id in club.pcs

    def newest_version(self, pc_id: str) -> DocumentVersion:
        """Of the documents of a PC that may have been published, the newest."""
        state = self._pc(pc_id)
        return DocumentVersion(self.ownership.epoch, 0 if state is None else state.target.rev)

    def cares_for(self, holder_id: str) -> bool:
        """Whether an open session here is this holder's."""
        return bool(self.memory.sessions_of_holder(holder_id))

    def open_wallets(self) -> set[WalletKey]:
        """Wallets that pay for open sessions."""
        return {WalletKey(state.currency, state.holder_id) for state in self._open_sessions()}

    def learn(
        self, holders: Mapping[str, KnownHolder], wallets: Mapping[WalletKey, Wallet]
    ) -> None:
        """Take documents, bought tariffs and balances as just read."""
        for holder_id, known in holders.items():
            before = self.memory.holders.get(holder_id)
            if before is not None and before.unreadable and not known.unreadable:
                for session_id in self.memory.sessions_of_holder(holder_id):
                    self._agenda.retries.remind(session_key(session_id), 0)
        self.memory.holders.update(holders)
        self.memory.forgotten.difference_update(holders)
        self.memory.wallets.update(wallets)

    def wait_ms(self, now: Now, speed: float) -> int:
        """Real ms until something is due; 0 when something is due already."""
        return 0 if self._recompute else self._agenda.wait_ms(now, speed)

    def desired_now(self) -> list[PublishDesired]:
        """Every PC's document under this ownership, for a new owner to say."""
        return [self._document(pc_id, club_id) for pc_id, club_id in self._club_of_pc.items()]

    def postpone_silence(self, by_ms: int) -> None:
        """The host was late; what it did not hear meanwhile proves nothing."""
        for club in self.clubs.values():
            club.postpone(by_ms)

    def replace_catalogue(self, catalogue: Mapping[str, bytes], now: Now) -> None:
        """Clubs, zones, PCs and tariffs as configured now; running sessions keep their version."""
        self._configure(catalogue, now, self.presence_by_pc)
        self._recompute.update(state.session_id for state in self._open_sessions())

    # ---- a turn --------------------------------------------------------------------------------

    def turn(self, inputs: Sequence[Input], now: Now) -> Turn:
        """Decide everything that came in and everything that is due."""
        steps = TurnSteps(self.ownership, self.memory, self.clubs, now)
        unwatched, self._unwatched = self._unwatched, []
        for session_id in unwatched:
            self._guarded(steps, session_key(session_id), partial(steps.pass_lock, session_id))
        for one in inputs:
            self._guarded(steps, blamed_for(one), partial(steps.take, one), cause=one)
            self._remind_heard(one)
            self._follow_up(steps)
        again, self._recompute = self._recompute, set()
        steps.to_recompute.update(dict.fromkeys(sorted(again)))
        self._retry(steps, now)
        for key in self._agenda.sessions.due(now.wall_ms):
            session_id = key.removeprefix(SESSION_KEY_PREFIX)
            self._guarded(steps, key, partial(steps.advance, session_id))
        self._follow_up(steps)
        self._turn_pcs(steps, now)
        for club_id in self._agenda.clubs.due(now.mono_ms):
            if (club := self.clubs.get(club_id)) is not None:
                self._guarded(steps, club_key(club_id), partial(steps.watch_link, club))
        for key in self._agenda.ended.due(now.wall_ms):
            session_id = key.removeprefix(ENDED_KEY_PREFIX)
            self._guarded(steps, key, partial(steps.give_up_waiting, session_id))
        for pc_id in steps.restored_pcs:
            self._remind(pc_key(pc_id))
        for session_id in steps.idle_sessions:
            self._remind(session_key(session_id))
        for club_id in steps.outages:
            self._agenda.clubs.remind(club_id, self.clubs[club_id].due_at_ms)
        return steps.turn

    def settle(self, drafts: Sequence[Draft], outcomes: Sequence[UnitOutcome], now: Now) -> Settled:
        """Take the store's word and say what leaves, what is tried again and what is wrong."""
        settled = settle(self.memory, drafts, outcomes)
        for draft in settled.applied:
            for key in draft.installs:
                self._remind(key)
                self._succeeded(key, now)
        for draft, reason in settled.failed:
            log.error("unit_refused", entity=draft.subject, reason=reason)
            self._after_failure(draft.subject, reason, now)
        for key in settled.again:
            if key.startswith(SESSION_KEY_PREFIX):
                self._recompute.add(key.removeprefix(SESSION_KEY_PREFIX))
                self._remind(key)
            self._agenda.look_now(key, now)
        return settled

    def _follow_up(self, steps: TurnSteps) -> None:
        """What a step has set off elsewhere, each under its own name and at its own risk."""
        while steps.to_recompute:
            session_id = next(iter(steps.to_recompute))
            del steps.to_recompute[session_id]
            self._guarded(steps, session_key(session_id), partial(steps.recompute, session_id))
        while steps.to_settle:
            pc_id, club_id = steps.to_settle.popitem()
            self._guarded(steps, pc_key(pc_id), partial(steps.settle_outages, club_id, pc_id))
        while steps.to_touch:
            pc_id, club_id = steps.to_touch.popitem()
            self._guarded(steps, pc_key(pc_id), partial(steps.touch_pc, club_id, pc_id))

    def _retry(self, steps: TurnSteps, now: Now) -> None:
        """Try again what has failed before."""
        for key in list(self._agenda.retries.due(now.mono_ms)):
            self._guarded(steps, key, partial(self._again, steps, key), is_retry=True)

    def _again(self, steps: TurnSteps, key: str) -> None:
        name = key.partition(":")[2]
        if key.startswith(SESSION_KEY_PREFIX):
            steps.pass_lock(name)
            steps.advance(name)
            steps.recompute(name)
        elif key.startswith(ENDED_KEY_PREFIX):
            steps.give_up_waiting(name)
        elif key.startswith(CLUB_KEY_PREFIX) and name in self.clubs:
            steps.watch_link(self.clubs[name])
        elif key.startswith(PC_KEY_PREFIX) and name in self._club_of_pc:
            steps.judge_pc(self._club_of_pc[name], name)

    def _turn_pcs(self, steps: TurnSteps, now: Now) -> None:
        for pc_id in [*self._agenda.grants.due(now.wall_ms), *self._agenda.pcs.due(now.mono_ms)]:
            club_id = self._club_of_pc.get(pc_id)
            if club_id is None:
                continue
            self._guarded(steps, pc_key(pc_id), partial(steps.judge_pc, club_id, pc_id))
            self._remind(pc_key(pc_id))

    def _guarded(
        self,
        steps: TurnSteps,
        key: str,
        step: Callable[[], None],
        *,
        cause: Input | None = None,
        is_retry: bool = False,
    ) -> None:
        """Run one step; whatever it raises costs only its own entity."""
        drafts_before = len(steps.turn.drafts)
        try:
            step()
        except Exception as error:
            log.exception("step_failed", entity=key, shard=str(self.ownership.shard))
            steps.rewind(drafts_before)
            self._after_failure(key, repr(error), steps.now)
            reply = INTERNAL_ERROR
            if isinstance(error, UnreadableError):
                reply = QUARANTINED.reply
                # It may have been repaired by the next try.
                self.memory.forgotten.update(error.holders)
            if isinstance(cause, CommandInput):
                steps.turn.immediate.append(Answer(cause.ticket, reply))
            return
        drafts = steps.turn.drafts[drafts_before:]
        for draft in drafts:
            draft.subject = key if draft.tick is None else session_key(draft.tick.session_id)
        if is_retry and not drafts:
            self._succeeded(key, steps.now)

    def _remind_heard(self, one: Input) -> None:
        """What was heard moved a deadline of silence."""
        if isinstance(one, PcInput):
            self._remind(pc_key(one.pc_id))
        elif isinstance(one, LinkInput):
            for pc_id in self._club_of_pc:
                self._remind(pc_key(pc_id))
            for club_id, club in self.clubs.items():
                self._agenda.clubs.remind(club_id, club.due_at_ms)

    def _after_failure(self, key: str, reason: str, now: Now) -> None:
        self.failures[key.partition(":")[0]] += 1
        was_parked = key in self.quarantine.parked
        pause_ms = self.quarantine.failed(key, now, reason)
        if key in self.quarantine.parked and not was_parked:
            log.error("entity_parked", entity=key, reason=reason)
        if pause_ms is not None:
            self._agenda.retries.remind(key, now.mono_ms + pause_ms)

    def _succeeded(self, key: str, now: Now) -> None:
        """An entity is whole again; the PC of a session that was not is granted its time."""
        if not self.quarantine.succeeded(key) or not key.startswith(SESSION_KEY_PREFIX):
            return
        entity = self.memory.entities.get(key)
        if entity is not None and isinstance(entity.state, SessionState):
            self._agenda.pcs.remind(entity.state.pc_id, now.mono_ms)

    # ---- parts ---------------------------------------------------------------------------------

    def _set_aside(self, unreadable: Mapping[str, Unreadable], now: Now) -> None:
        for key, one in unreadable.items():
            log.error("document_unreadable", entity=key, reason=one.reason)
            self.memory.unreadable[key] = one.reason
            self.quarantine.parked[key] = Parked(now.wall_ms, one.reason)

    def _configure(
        self, catalogue: Mapping[str, bytes], now: Now, heard: Mapping[str, Presence]
    ) -> None:
        setups = club_setups(catalogue, self.ownership.shard)
        before, self.clubs = self.clubs, {}
        self.memory.currencies |= {setup.terms.currency for setup in setups.values()}
        self._club_of_pc = {}
        for club_id, setup in setups.items():
            parked, left_alone = self.quarantine.parked.keys(), self._untouchable
            club = ClubSupervisor(club_id, setup, parked, left_alone, club_id in self._wakeable)
            self.clubs[club_id] = club
            if club_id in before:
                self.clubs[club_id].go_on_from(before[club_id])
        billed_until = self._billed_until()
        for club_id, club in self.clubs.items():
            actors = before[club_id].pcs if club_id in before else {}
            for pc_id in club.setup.pcs:
                if pc_key(pc_id) in self.memory.unreadable:
                    continue
                self._club_of_pc[pc_id] = club_id
                club.adopt(
                    pc_id,
                    self._pc(pc_id),
                    now=now,
                    known=heard.get(pc_id),
                    before=actors.get(pc_id),
                    billed_until_ms=billed_until.get(pc_id),
                )
                known = pc_id in heard or self._pc(pc_id) is None
                self._agenda.pcs.remind(pc_id, now.mono_ms + (0 if known else SETTLE_IN_MS))

    def _pc(self, pc_id: str) -> PcState | None:
        return Workspace(self.memory).pc(pc_id)

    def _open_sessions(self) -> Iterable[SessionState]:
        for entity in self.memory.entities.values():
            if isinstance(entity.state, SessionState):
                yield entity.state

    def _billed_until(self) -> dict[str, int]:
        """PC -> how far its session is billed: somebody hosted it until about then."""
        return {
            state.pc_id: state.open_segment.paid_until_ms
            for state in self._open_sessions()
            if state.open_segment is not None
        }

    def _remind(self, key: str) -> None:
        """Look at an entity again when its state says so."""
        entity = self.memory.entities.get(key)
        state = None if entity is None else entity.state
        if not self._is_left_alone(state):
            self._agenda.look_when_due(key, state)
        pc_id = key.removeprefix(PC_KEY_PREFIX)
        actor = self._actor(pc_id) if key.startswith(PC_KEY_PREFIX) else None
        if actor is not None:
            self._agenda.pcs.remind(pc_id, actor.due_at_ms)

    def _is_left_alone(self, state: Entity | None) -> bool:
        """A PC that gets no other grant until what is wrong with it, or its session, is over."""
        if not isinstance(state, PcState):
            return False
        shown = session_key(state.target.session_id or "")
        return state.pc_id in self._untouchable or shown in self.quarantine.parked

    def _actor(self, pc_id: str) -> PcActor | None:
        club = self.clubs.get(self._club_of_pc.get(pc_id, ""))
        return None if club is None else club.pcs.get(pc_id)

    def _document(self, pc_id: str, club_id: str) -> PublishDesired:
        state = self._pc(pc_id) or PcState(pc_id, club_id)
        document = desired_document(state, self.ownership.epoch)
        return PublishDesired(club_id, pc_id, document, changed=False)
