"""Any order of documents, clocks set anywhere, power cuts: never a free minute.

The model keeps its own, independent account of every grant the agent was given and of the real
time that passed since; the agent must never be unlocked beyond it.
"""

from dataclasses import replace

from agent_bench import IDENTITY, Bench, lease, locked, unlocked
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pc_daemon.agent_state import Disconnected, MemoryImage, Persist, Show, Tick
from pc_daemon.clock import Instant
from schemas.device import PcMode

MINUTE_MS = 60_000
SESSIONS = ("s1", "s2")
PASSES_MS = st.sampled_from([1, 1_000, 9_999, 10_000, MINUTE_MS, 5 * MINUTE_MS, 20 * MINUTE_MS])
JUMPS_MS = st.sampled_from(
    [sign * by for by in (MINUTE_MS, 20 * MINUTE_MS, 10**9) for sign in (1, -1)]
)
NEWER = [(0, 1)] * 4 + [(0, 2), (1, 0)]
OLDER = [(0, 0), (0, -1), (-1, 5)]


class AgentMachine(RuleBasedStateMachine):
    @initialize()
    def starts(self) -> None:
        self.bench = Bench()
        self.boots = 1
        self.true_ms = 0
        """Real time since the beginning, known only to the model."""
        self.granted: dict[str, tuple[int, int]] = {}
        """Newest accepted grant per session: (seq, true instant after which it is over)."""
        self.newest = (0, -1)
        self.wants: str | None = None
        self.withdrawn = False
        self.written: MemoryImage | None = None
        self.next_seq = 1

    def _pass(self, ms: int, wall_jump_ms: int = 0) -> None:
        self.true_ms += ms
        now = self.bench.now
        wall_ms = max(0, now.wall_ms + ms + wall_jump_ms)
        self.bench.now = Instant(now.boot_ms + ms, wall_ms)
        self.bench.take(Tick())

    def _accept(self, version: tuple[int, int], session: str | None) -> bool:
        if version < self.newest or (version == self.newest and not self.withdrawn):
            return False
        self.newest = version
        self.withdrawn = False
        self.wants = session
        return True

    @rule(ms=PASSES_MS)
    def time_passes(self, ms: int) -> None:
        self._pass(ms)

    @rule(ms=PASSES_MS, jump_ms=JUMPS_MS)
    def somebody_sets_the_clock(self, ms: int, jump_ms: int) -> None:
        self._pass(ms, jump_ms)

    @rule(
        step=st.sampled_from(NEWER + OLDER),
        session=st.sampled_from(SESSIONS),
        minutes=st.sampled_from([0, 1, 6, 40]),
        replay=st.sampled_from([0, 0, 0, 1, 2]),
    )
    def an_unlocking_document_arrives(
        self, step: tuple[int, int], session: str, minutes: int, replay: int
    ) -> None:
        version = (max(0, self.newest[0] + step[0]), max(0, self.newest[1] + step[1]))
        seq = max(1, self.next_seq - replay)
        self.next_seq = max(self.next_seq, seq + 1)
        # Issued by the PC's own calendar: a wrong clock at issue must not matter either.
        granted = lease(
            lease_id=session,
            session_id=session,
            seq=seq,
            epoch=0,
            minutes=minutes,
            issued_at_ms=self.bench.now.wall_ms,
            hard_stop_at_ms=self.bench.now.wall_ms + minutes * MINUTE_MS,
        )
        accepted = self._accept(version, session)
        if accepted and seq > self.granted.get(session, (0, 0))[0]:
            self.granted[session] = (seq, self.true_ms + minutes * MINUTE_MS)
        self.bench.document(unlocked(version[1], granted, epoch=version[0]))

    @rule(step=st.sampled_from(NEWER + OLDER))
    def a_locking_document_arrives(self, step: tuple[int, int]) -> None:
        version = (max(0, self.newest[0] + step[0]), max(0, self.newest[1] + step[1]))
        self._accept(version, None)
        self.bench.document(locked(version[1], epoch=version[0]))

    @rule()
    def the_document_is_withdrawn(self) -> None:
        self.wants = None
        self.withdrawn = True
        self.bench.document(None)

    @rule()
    def the_connection_comes(self) -> None:
        self.bench.online()

    @rule()
    def the_connection_goes(self) -> None:
        self.bench.take(Disconnected())

    @rule(off_ms=PASSES_MS, jump_ms=JUMPS_MS)
    def the_agent_is_killed_the_clock_set_and_it_starts(self, off_ms: int, jump_ms: int) -> None:
        self.true_ms += off_ms
        now = self.bench.now
        now = Instant(now.boot_ms + off_ms, max(0, now.wall_ms + off_ms + jump_ms))
        identity = replace(IDENTITY, boot_id=f"boot-{self.boots}")
        if self.boots == 1:
            identity = IDENTITY
        self.bench = self.bench.restarted(now, identity)

    @precondition(lambda self: self.bench.image is not None)
    @rule(off_ms=PASSES_MS, jump_ms=JUMPS_MS)
    def the_power_fails_and_comes_back(self, off_ms: int, jump_ms: int) -> None:
        assert self.bench.image is not None
        # Off time is not played. What ran since the last writing is never won.
        self.granted = {
            session: (seq, until_ms + off_ms) for session, (seq, until_ms) in self.granted.items()
        }
        self.true_ms += off_ms
        self.boots += 1
        now = self.bench.now
        identity = replace(IDENTITY, boot_id=f"boot-{self.boots}")
        now = Instant(10_000, max(0, now.wall_ms + off_ms + jump_ms))
        self.bench = self.bench.restarted(now, identity)

    @invariant()
    def it_is_unlocked_only_under_a_live_lease_of_the_newest_document(self) -> None:
        if self.bench.mode is PcMode.LOCKED:
            return
        assert self.wants is not None
        _, until_ms = self.granted[self.wants]
        assert self.true_ms < until_ms
        document = self.bench.state.document
        assert document is not None
        assert document.version == self.newest
        assert document.session_id == self.wants

    @invariant()
    def it_never_unlocks_before_that_is_written(self) -> None:
        for action in self.bench.actions:
            if isinstance(action, Persist):
                self.written = action.image
            if isinstance(action, Show) and action.screen.mode is PcMode.UNLOCKED:
                assert self.written is not None
                assert self.written.document is not None
                assert self.written.document.mode is PcMode.UNLOCKED
        self.bench.actions.clear()

    @invariant()
    def the_screen_shows_the_mode(self) -> None:
        screen = self.bench.state.screen
        assert screen is not None
        assert screen.mode is self.bench.mode

    @invariant()
    def stretches_of_one_boot_never_overlap(self) -> None:
        last: dict[str, int] = {}
        for record in self.bench.state.usage.records:
            assert record.started_boot_ms >= last.get(record.boot_id, 0)
            last[record.boot_id] = record.ended_boot_ms


AgentMachine.TestCase.settings = settings(max_examples=300, stateful_step_count=50, deadline=None)
TestAgentMachine = AgentMachine.TestCase
