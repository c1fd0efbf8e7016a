"""Any life of an enrolled PC whose broker belongs to a thief: never a second more than was granted.

The thief sets the clock, cuts the power, deletes the memory, keeps messages back and plays them
again, and forges. The model adds up for how long each lease has really kept the PC open. A life
is drawn from its seed, and lived again by it.
"""

from collections.abc import Callable
from random import Random

import pytest
from agent_bench import MINUTE_MS, locked
from club_voice import Club, open_club

from pc_daemon.agent_state import DocumentReceived
from pc_daemon.clock import Instant
from schemas.device import DesiredDocument, PcMode
from schemas.trust import Welcome

LIVES_A_TEST = 50
DEEDS_A_LIFE = 40
STEP_MS = 1_000
JUMPS_MS = (-20 * MINUTE_MS, -20 * MINUTE_MS, 0, 20 * MINUTE_MS, 10**9)
FORGERIES: tuple[dict[str, int], ...] = (
    {},
    {"seq": 2**52, "duration_ms": 10**9, "hard_stop_at_ms": 2**52},
    {"seq": 2**52, "issued_at_ms": 2**52, "hard_stop_at_ms": 2**52},
)


class Life:
    """One PC, its club and its thief."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.club = Club()
        self.rev = 0
        self.durations: dict[str, int] = {}
        self.open_ms: dict[str, int] = {}
        self.kept: list[DesiredDocument] = []
        self.kept_welcomes: list[Welcome] = []
        self.deeds: dict[Callable[[], None], int] = {
            self.time_passes: 12,
            self.clock_is_set: 2,
            self.session_is_paid_for: 3,
            self.session_ends: 1,
            self.controller_is_heard: 2,
            self.welcome_is_kept: 1,
            self.welcome_is_played_again: 1,
            self.document_is_played_again: 4,
            self.agent_is_killed: 2,
            self.power_is_cut: 3,
            self.memory_is_lost: 3,
        }

    def lives(self) -> None:
        """Deed after deed, and what must hold after each."""
        deeds, weights = list(self.deeds), list(self.deeds.values())
        for _ in range(DEEDS_A_LIFE):
            self.dice.choices(deeds, weights)[0]()
            self.holds()

    def holds(self) -> None:
        """No lease has kept the PC open for longer than it says."""
        for name, open_ms in self.open_ms.items():
            assert open_ms <= self.durations.get(name, 0), name

    def time_passes(self) -> None:
        for _ in range(self.dice.choice((1, 9, 60, 180))):
            self.club.wait(STEP_MS)
            if self.club.bench.mode is PcMode.UNLOCKED:
                document = self.club.bench.state.document
                assert document is not None
                assert document.lease is not None
                name = document.lease.lease_id
                self.open_ms[name] = self.open_ms.get(name, 0) + STEP_MS

    def clock_is_set(self) -> None:
        self.club.wait(0, clock_set_by_ms=self.jump_ms())

    def session_is_paid_for(self) -> None:
        self.rev += 1
        name, minutes = f"s{self.rev}", self.dice.choice((2, 5))
        document = self.club.grants(
            self.rev, minutes, lease_id=name, session_id=name, seq=self.club.now_ms
        )
        self.durations[name] = minutes * MINUTE_MS
        self.kept.append(document)
        if self.dice.random() < 0.8:
            self.club.connects()
            self.club.bench.document(document)

    def session_ends(self) -> None:
        self.rev += 1
        self.club.newest = (1, self.rev)
        self.kept.append(locked(self.rev))
        if self.dice.random() < 0.8:
            self.club.bench.document(self.kept[-1])

    def controller_is_heard(self) -> None:
        self.club.connects()
        for document in self.kept[-1:]:
            self.club.bench.take(DocumentReceived(document))

    def welcome_is_kept(self) -> None:
        self.club.connects(welcomes=False)
        question = self.club.bench.state.question
        assert question is not None
        self.kept_welcomes.append(self.club.welcome(question.nonce))

    def welcome_is_played_again(self) -> None:
        for welcome in self.kept_welcomes[-2:]:
            earlier_ms = self.dice.choice((0, 10 * MINUTE_MS))
            self.club.hears(welcome.model_copy(update={"at_ms": welcome.at_ms - earlier_ms}))

    def document_is_played_again(self) -> None:
        if not self.kept:
            return
        document = self.kept[-min(self.dice.choice((1, 2, 3)), len(self.kept))]
        forged = self.dice.choice(FORGERIES)
        if forged and document.lease is not None:
            lease = document.lease.model_copy(update=forged)
            document = document.model_copy(update={"lease": lease, "epoch": 2})
        self.club.bench.take(DocumentReceived(document))

    def agent_is_killed(self) -> None:
        off_ms = self.dice.choice((500, 20_000))
        self.club.now_ms += off_ms
        now = self.club.bench.now
        after = Instant(now.boot_ms + off_ms, now.wall_ms + off_ms + self.jump_ms())
        self.club.bench = self.club.bench.restarted(after)

    def power_is_cut(self) -> None:
        self.club.reboots(self.dice.choice((500, 20_000)), clock_set_by_ms=self.jump_ms())

    def memory_is_lost(self) -> None:
        """And whatever the controller once said is played again."""
        self.club.reboots(5_000, clock_set_by_ms=self.jump_ms(), keeps_memory=False)
        is_welcome = self.dice.random() < 0.3
        self.club.connects(welcomes=is_welcome)
        for welcome in self.kept_welcomes[-2:]:
            self.club.hears(welcome)
        for document in self.kept[-2:][: self.dice.choice((1, 2))]:
            self.club.bench.take(DocumentReceived(document))
        state = self.club.bench.state
        if state.mode is PcMode.UNLOCKED:
            assert state.document is not None
            assert is_welcome
            assert state.document.version == self.club.newest

    def jump_ms(self) -> int:
        return self.dice.choice(JUMPS_MS)


@pytest.mark.parametrize("first", range(0, 6 * LIVES_A_TEST, LIVES_A_TEST))
def test_no_life_wins_a_second(first: int) -> None:
    for seed in range(first, first + LIVES_A_TEST):
        life = Life(seed)
        try:
            life.lives()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}") from error


def test_an_ended_session_s_lease_opens_for_the_rest_of_its_time_and_no_longer() -> None:
    """Only the lease is signed, so who owns the broker may put it into a newer document."""
    club = open_club()
    granted = club.bench.state.document
    assert granted is not None
    assert club.play(3 * MINUTE_MS) == 3 * MINUTE_MS
    club.bench.document(locked(2))
    assert club.play(MINUTE_MS) == 0
    club.bench.document(granted.model_copy(update={"rev": 98}))
    # The minute in which the PC was locked is not won back.
    left_ms = 6 * MINUTE_MS
    assert left_ms - STEP_MS <= club.play(20 * MINUTE_MS) <= left_ms
    club.bench.document(granted.model_copy(update={"rev": 99}))
    assert club.play(MINUTE_MS) == 0
