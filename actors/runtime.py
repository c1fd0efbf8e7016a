"""ShardRuntime: the synchronous, pure heart of a shard.

``turn(inputs, now)`` decides; nothing is written and nothing is asked of anybody. ``settle``
takes the store's word on what was decided. Time, facts and randomness come in as values.

Each step is decided in drafts of its own, on top of the drafts before it. An exception costs
only the entity it concerns: its draft never joins the turn, it is tried again later, and it is
quarantined when it keeps failing.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final

import structlog

from actors.club import ClubSupervisor
from actors.club_events import CLUB_KEY_PREFIX, club_key
from actors.club_setup import club_setups
from actors.deadlines import Deadlines
from actors.draft import Draft, Turn
from actors.ended import EndedSession
from actors.follow_through import shown_session
from actors.pc import PcState, desired_document
from actors.pc_actor import PcActor
from actors.presence import Presence
from actors.quarantine import Quarantine
from actors.rendering import use_of
from actors.settling import Settled, settle
from actors.store import ENDED_KEY_PREFIX, SESSION_KEY_PREFIX, Ownership, UnitOutcome, session_key
from actors.turn import (
    Answer,
    CommandInput,
    Input,
    LinkInput,
    Now,
    PcInput,
    PlayerInput,
    PublishDesired,
    WalletInput,
)
from actors.turn_steps import TurnSteps
from actors.wallets import WalletKey
from actors.workspace import PC_KEY_PREFIX, KnownHolder, Memory, Versioned, Workspace, pc_key
from billing_core.session import SessionState
from billing_core.wallet import Wallet
from schemas.commands import CommandReply, ReplyStatus
from schemas.device import DocumentVersion

NOTHING_DUE_MS: Final = 3_600_000
SETTLE_IN_MS: Final = 3_000
"""After a load PCs get this long to answer the republished documents before the hall shows
them as unknown."""

INTERNAL_ERROR: Final = CommandReply(
    status=ReplyStatus.REJECTED,
    code="internal-error",
    message="the command failed; nothing changed",
)

PcLabels = tuple[str, str, str, str]
SessionLabels = tuple[str, str, str]

log = structlog.get_logger(__name__)


class ShardRuntime:
    """The clubs of one shard under one ownership.

    ``entities`` and ``catalogue`` are as read after the epoch was raised; ``heard`` is what this
    process heard of the PCs a moment ago, if it owned the shard then.
    """

    def __init__(
        self,
        ownership: Ownership,
        entities: Mapping[str, Versioned],
        catalogue: Mapping[str, bytes],
        *,
        now: Now,
        heard: Mapping[str, Presence] | None = None,
    ) -> None:
        self.ownership = ownership
        self.memory = Memory()
        self.clubs: dict[str, ClubSupervisor] = {}
        self.quarantine = Quarantine()
        self._club_of_pc: dict[str, str] = {}
        self._sessions_due = Deadlines()
        self._grants_due = Deadlines()
        self._pcs_due = Deadlines()
        self._retries_due = Deadlines()
        self._clubs_due = Deadlines()
        self._ended_due = Deadlines()
        self._recompute: set[str] = set()
        for key, entity in entities.items():
            self.memory.install(key, entity)
        self._configure(catalogue, now, heard or {})
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

    def to_learn(self, inputs: Iterable[Input]) -> set[WalletKey]:
        """Wallets whose holders must be read before these inputs are decided."""
        keys: set[WalletKey] = set()
        for one in inputs:
            if isinstance(one, PlayerInput):
                keys |= {WalletKey(each, one.player_id) for each in self.memory.currencies}
                continue
            holder_id = self._holder_of(one)
            if holder_id is None or holder_id in self.memory.holders:
                continue
            assert isinstance(one, CommandInput)
            club = self.clubs.get(one.envelope.club_id)
            if club is not None:
                keys.add(WalletKey(club.setup.terms.currency, holder_id))
        currencies = self.memory.currencies
        return keys | {
            WalletKey(each, name) for name in self.memory.forgotten for each in currencies
        }

    def _holder_of(self, one: Input) -> str | None:
        """Whose money and bought time a command may touch, as far as it says."""
        if not isinstance(one, CommandInput):
            return None
        known = self.memory.orders.get(one.order_id or "")
        return one.player_id if known is None else known.order.holder_id

    def open_wallets(self) -> set[WalletKey]:
        """Wallets that pay for open sessions."""
        return {WalletKey(state.currency, state.holder_id) for state in self._open_sessions()}

    def learn(
        self, holders: Mapping[str, KnownHolder], wallets: Mapping[WalletKey, Wallet]
    ) -> None:
        """Take documents, bought tariffs and balances as just read."""
        self.memory.holders.update(holders)
        self.memory.forgotten.difference_update(holders)
        self.memory.wallets.update(wallets)

    def wait_ms(self, now: Now, speed: float) -> int:
        """Real ms until something is due; 0 when something is due already."""
        if self._recompute:
            return 0
        wall = _earliest(self._sessions_due, self._grants_due, self._ended_due)
        mono = _earliest(self._pcs_due, self._retries_due, self._clubs_due)
        wall_wait_ms = int((wall - now.wall_ms) / speed) + 1 if wall is not None else NOTHING_DUE_MS
        mono_wait_ms = mono - now.mono_ms if mono is not None else NOTHING_DUE_MS
        return max(0, min(wall_wait_ms, mono_wait_ms))

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

    def count_population(self, pcs: Counter[PcLabels], sessions: Counter[SessionLabels]) -> None:
        """Add this shard's PCs and open sessions to the counts."""
        workspace = Workspace(self.memory)
        for pc_id, club_id in self._club_of_pc.items():
            club = self.clubs[club_id]
            pc = workspace.pc(pc_id)
            held = pc is not None and pc.hold is not None
            use = use_of(shown_session(workspace.sessions_on(pc_id)), held=held)
            zone = club.setup.zone_of_pc(pc_id).name
            pcs[club_id, zone, club.pcs[pc_id].presence.link.value, use.value] += 1
        for state in self._open_sessions():
            coverage = "NONE" if state.coverage is None else state.coverage.status.value
            sessions[state.club_id, state.status.value, coverage] += 1

    # ---- a turn --------------------------------------------------------------------------------

    def turn(self, inputs: Sequence[Input], now: Now) -> Turn:
        """Decide everything that came in and everything that is due."""
        steps = TurnSteps(self.ownership, self.memory, self.clubs, now)
        for one in inputs:
            self._guarded(steps, _entity_of(one), partial(steps.take, one), cause=one)
            self._remind_heard(one)
            self._follow_up(steps)
        steps.to_recompute.update(dict.fromkeys(sorted(self._take_recompute())))
        for key in self._due_sessions(now):
            session_id = key.removeprefix(SESSION_KEY_PREFIX)
            self._guarded(steps, key, partial(steps.advance, session_id))
        self._follow_up(steps)
        self._turn_pcs(steps, now)
        for club_id in self._clubs_due.due(now.mono_ms):
            if (club := self.clubs.get(club_id)) is not None:
                self._guarded(steps, club_key(club_id), partial(steps.watch_link, club))
        for key in self._ended_due.due(now.wall_ms):
            session_id = key.removeprefix(ENDED_KEY_PREFIX)
            self._guarded(steps, key, partial(steps.give_up_waiting, session_id))
        for pc_id in steps.restored_pcs:
            self._remind(pc_key(pc_id))
        for session_id in steps.idle_sessions:
            self._remind(session_key(session_id))
        for club_id in steps.outages:
            self._clubs_due.remind(club_id, self.clubs[club_id].due_at_ms)
        return steps.turn

    def settle(self, drafts: Sequence[Draft], outcomes: Sequence[UnitOutcome], now: Now) -> Settled:
        """Take the store's word and say what leaves, what is tried again and what is wrong."""
        settled = settle(self.memory, drafts, outcomes)
        for draft in settled.applied:
            for key in draft.installs:
                self._remind(key)
                self.quarantine.succeeded(key)
        for key in settled.again:
            if key.startswith(SESSION_KEY_PREFIX):
                self._recompute.add(key.removeprefix(SESSION_KEY_PREFIX))
                self._remind(key)
            elif key.startswith(ENDED_KEY_PREFIX):
                self._ended_due.remind(key, now.wall_ms)
            elif key.startswith(CLUB_KEY_PREFIX):
                self._clubs_due.remind(key.removeprefix(CLUB_KEY_PREFIX), now.mono_ms)
            else:
                self._pcs_due.remind(key.removeprefix(PC_KEY_PREFIX), now.mono_ms)
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

    def _due_sessions(self, now: Now) -> list[str]:
        retries = list(self._retries_due.due(now.mono_ms))
        return [*self._sessions_due.due(now.wall_ms), *retries]

    def _turn_pcs(self, steps: TurnSteps, now: Now) -> None:
        for pc_id in [*self._grants_due.due(now.wall_ms), *self._pcs_due.due(now.mono_ms)]:
            club_id = self._club_of_pc.get(pc_id)
            if club_id is None:
                continue
            self._guarded(steps, pc_key(pc_id), partial(steps.judge_pc, club_id, pc_id))
            self._remind(pc_key(pc_id))

    def _guarded(
        self, steps: TurnSteps, key: str, step: Callable[[], None], *, cause: Input | None = None
    ) -> None:
        """Run one step; whatever it raises costs only its own entity."""
        drafts_before = len(steps.turn.drafts)
        try:
            step()
        except Exception:
            log.exception("step_failed", entity=key, shard=str(self.ownership.shard))
            steps.rewind(drafts_before)
            self._after_failure(steps, key)
            if isinstance(cause, CommandInput):
                steps.turn.immediate.append(Answer(cause.ticket, INTERNAL_ERROR))

    def _remind_heard(self, one: Input) -> None:
        """What was heard moved a deadline of silence."""
        if isinstance(one, PcInput):
            self._remind(pc_key(one.pc_id))
        elif isinstance(one, LinkInput):
            for pc_id in self._club_of_pc:
                self._remind(pc_key(pc_id))
            for club_id, club in self.clubs.items():
                self._clubs_due.remind(club_id, club.due_at_ms)

    def _after_failure(self, steps: TurnSteps, key: str) -> None:
        pause_ms = self.quarantine.failed(key, steps.now.mono_ms)
        if pause_ms is not None and key.startswith(SESSION_KEY_PREFIX):
            self._retries_due.remind(key, steps.now.mono_ms + pause_ms)

    # ---- parts ---------------------------------------------------------------------------------

    def _configure(
        self, catalogue: Mapping[str, bytes], now: Now, heard: Mapping[str, Presence]
    ) -> None:
        setups = club_setups(catalogue, self.ownership.shard)
        before, self.clubs = self.clubs, {}
        self.memory.currencies |= {setup.terms.currency for setup in setups.values()}
        self._club_of_pc = {}
        for club_id, setup in setups.items():
            self.clubs[club_id] = ClubSupervisor(club_id, setup, parked=self.quarantine.parked)
            if club_id in before:
                self.clubs[club_id].go_on_from(before[club_id])
        billed_until = self._billed_until()
        for club_id, club in self.clubs.items():
            actors = before[club_id].pcs if club_id in before else {}
            for pc_id in club.setup.pcs:
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
                self._pcs_due.remind(pc_id, now.mono_ms + (0 if known else SETTLE_IN_MS))

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

    def _take_recompute(self) -> set[str]:
        taken, self._recompute = self._recompute, set()
        return taken

    def _remind(self, key: str) -> None:
        """Look at an entity again when its state says so."""
        entity = self.memory.entities.get(key)
        state = None if entity is None else entity.state
        if isinstance(state, SessionState):
            self._sessions_due.remind(key, state.due_at_ms)
        elif isinstance(state, EndedSession):
            self._ended_due.remind(key, state.wait_until_ms)
        elif isinstance(state, PcState):
            self._grants_due.remind(state.pc_id, state.look_at_ms)
        pc_id = key.removeprefix(PC_KEY_PREFIX)
        actor = self._actor(pc_id) if key.startswith(PC_KEY_PREFIX) else None
        if actor is not None:
            self._pcs_due.remind(pc_id, actor.due_at_ms)

    def _actor(self, pc_id: str) -> PcActor | None:
        club = self.clubs.get(self._club_of_pc.get(pc_id, ""))
        return None if club is None else club.pcs.get(pc_id)

    def _document(self, pc_id: str, club_id: str) -> PublishDesired:
        state = self._pc(pc_id) or PcState(pc_id, club_id)
        document = desired_document(state, self.ownership.epoch)
        return PublishDesired(club_id, pc_id, document, changed=False)


def _earliest(*deadlines: Deadlines) -> int | None:
    instants = [one.next_ms() for one in deadlines]
    return min((at for at in instants if at is not None), default=None)


def _entity_of(one: Input) -> str:
    """What a failure of an input counts against."""
    if isinstance(one, CommandInput):
        return f"command:{one.envelope.idempotency_key}"
    if isinstance(one, PcInput):
        return pc_key(one.pc_id)
    if isinstance(one, PlayerInput):
        return f"player:{one.player_id}"
    return f"wallet:{one.key.holder_id}" if isinstance(one, WalletInput) else "link"
