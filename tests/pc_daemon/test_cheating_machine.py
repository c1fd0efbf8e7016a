"""Any life of an enrolled PC whose broker belongs to a thief: never a second more than was granted.

The thief sets the clock, cuts the power, deletes the memory, keeps messages back and plays them
again, and forges. The model adds up for how long each lease has really kept the PC open.
"""

from dataclasses import replace

from agent_bench import MINUTE_MS, locked
from club_voice import Club
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pc_daemon.agent_state import DocumentReceived
from pc_daemon.clock import Instant
from schemas.device import DesiredDocument, PcMode
from schemas.trust import Welcome

PASSES_MS = st.sampled_from([1_000, 9_000, MINUTE_MS, 4 * MINUTE_MS])
JUMPS_MS = st.sampled_from([-20 * MINUTE_MS, 0, 20 * MINUTE_MS, 10**9])
STEP_MS = 1_000
FORGERIES: list[dict[str, int]] = [
    {},
    {"seq": 2**52, "duration_ms": 10**9, "hard_stop_at_ms": 2**52},
    {"seq": 2**52, "issued_at_ms": 2**52, "hard_stop_at_ms": 2**52},
]


class CheatingMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.club = Club()
        self.rev = 0
        self.durations: dict[str, int] = {}
        self.open_ms: dict[str, int] = {}
        self.ended: set[str] = set()
        self.kept: list[DesiredDocument] = []
        self.kept_welcomes: list[Welcome] = []

    def _pass(self, ms: int) -> None:
        for _ in range(ms // STEP_MS):
            self.club.wait(STEP_MS)
            if self.club.bench.mode is PcMode.UNLOCKED:
                document = self.club.bench.state.document
                assert document is not None
                assert document.lease is not None
                name = document.lease.lease_id
                self.open_ms[name] = self.open_ms.get(name, 0) + STEP_MS

    @rule(ms=PASSES_MS)
    def time_passes(self, ms: int) -> None:
        self._pass(ms)

    @rule()
    def a_long_time_passes(self) -> None:
        self._pass(3 * MINUTE_MS)

    @rule(jump_ms=JUMPS_MS)
    def the_memory_is_lost_and_what_was_said_is_played_again(self, jump_ms: int) -> None:
        self.club.reboots(5_000, clock_set_by_ms=jump_ms, keeps_memory=False)
        self.club.connects(welcomes=False)
        for welcome in self.kept_welcomes[-2:]:
            self.club.hears(welcome)
        for document in self.kept[-2:]:
            self.club.bench.take(DocumentReceived(document))

    @rule(jump_ms=JUMPS_MS)
    def the_clock_is_set(self, jump_ms: int) -> None:
        self.club.wait(0, clock_set_by_ms=jump_ms)

    @rule()
    def the_controller_is_heard(self) -> None:
        self.club.connects()
        if self.kept:
            self.club.bench.take(DocumentReceived(self.kept[-1]))

    @rule()
    def a_welcome_is_kept(self) -> None:
        self.club.connects(welcomes=False)
        question = self.club.bench.state.question
        assert question is not None
        self.kept_welcomes.append(self.club.welcome(question.nonce))

    @rule(age=st.sampled_from([1, 1, 2, 9]), shift_ms=st.sampled_from([0, -10 * MINUTE_MS]))
    @precondition(lambda self: self.kept_welcomes)
    def a_welcome_is_played_again(self, age: int, shift_ms: int) -> None:
        welcome = self.kept_welcomes[-min(age, len(self.kept_welcomes))]
        self.club.hears(welcome.model_copy(update={"at_ms": welcome.at_ms + shift_ms}))

    @rule(minutes=st.sampled_from([2, 5]), arrives=st.booleans())
    def a_session_is_paid_for(self, minutes: int, *, arrives: bool) -> None:
        self.rev += 1
        name = f"s{self.rev}"
        document = self.club.grants(
            self.rev, minutes, lease_id=name, session_id=name, seq=self.club.now_ms
        )
        self.ended |= self.durations.keys()
        self.durations[name] = minutes * MINUTE_MS
        self.kept.append(document)
        if arrives:
            self.club.connects()
            self.club.bench.document(document)

    @rule(arrives=st.booleans())
    def the_session_is_ended(self, *, arrives: bool) -> None:
        self.rev += 1
        self.club.newest = (1, self.rev)
        self.ended |= self.durations.keys()
        self.kept.append(locked(self.rev))
        if arrives:
            self.club.bench.document(self.kept[-1])

    @rule(age=st.sampled_from([1, 1, 1, 2, 3]), forged=st.sampled_from(FORGERIES))
    @precondition(lambda self: self.kept)
    def a_document_is_played_again(self, age: int, forged: dict[str, int]) -> None:
        document = self.kept[-min(age, len(self.kept))]
        if forged and document.lease is not None:
            lease = document.lease.model_copy(update=forged)
            document = document.model_copy(update={"lease": lease, "epoch": 2})
        self.club.bench.take(DocumentReceived(document))

    @rule(off_ms=PASSES_MS, jump_ms=JUMPS_MS)
    def the_agent_is_killed(self, off_ms: int, jump_ms: int) -> None:
        self.club.now_ms += off_ms
        now = self.club.bench.now
        wall_ms = max(0, now.wall_ms + off_ms + jump_ms)
        self.club.bench = self.club.bench.restarted(Instant(now.boot_ms + off_ms, wall_ms))

    @rule(off_ms=PASSES_MS, jump_ms=JUMPS_MS, keeps_memory=st.booleans())
    def the_power_is_cut(self, off_ms: int, jump_ms: int, *, keeps_memory: bool) -> None:
        now = self.club.bench.now
        if now.wall_ms + off_ms + jump_ms < 0:
            self.club.bench.now = replace(now, wall_ms=2 * 10**9)
        self.club.reboots(off_ms, clock_set_by_ms=jump_ms, keeps_memory=keeps_memory)

    @invariant()
    def no_lease_keeps_a_pc_open_for_longer_than_it_says(self) -> None:
        for name, open_ms in self.open_ms.items():
            assert open_ms <= self.durations[name], name

    @invariant()
    def an_open_pc_serves_a_session_that_was_paid_for(self) -> None:
        if self.club.bench.mode is PcMode.UNLOCKED:
            document = self.club.bench.state.document
            assert document is not None
            assert document.session_id in self.durations

    @invariant()
    def what_the_controller_said_last_is_obeyed_once_it_is_heard(self) -> None:
        state = self.club.bench.state
        if state.calendar.proven and state.floor == self.club.newest and state.document:
            newest = state.document.version == self.club.newest
            assert not newest or state.document.session_id not in self.ended


CheatingMachine.TestCase.settings = settings(
    max_examples=200, stateful_step_count=50, deadline=None
)
TestCheatingMachine = CheatingMachine.TestCase
