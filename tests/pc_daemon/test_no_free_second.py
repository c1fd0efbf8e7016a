"""Every way to cheat a lease that we know, and what it wins: nothing beyond the stated bound.

The bounds are those of docs/lease.md. ``play`` counts for how long the PC was really open.
"""

import pytest
from agent_bench import MINUTE_MS, START, locked
from club_voice import Club, open_club

from pc_daemon.agent import PERSIST_EVERY_MS
from pc_daemon.agent_state import (
    DocumentReceived,
)
from pc_daemon.clock import Instant
from pc_daemon.lease import Grant
from schemas.device import (
    AgentFault,
    PcMode,
)

HOUR_MS = 60 * MINUTE_MS
PAID_MS = 10 * MINUTE_MS


@pytest.fixture
def club() -> Club:
    """A PC that is connected, welcomed and open for ten minutes."""
    club = open_club()
    assert club.bench.mode is PcMode.UNLOCKED
    return club


# Clocks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [-30, -5, -1, 1, 5, 30])
def test_setting_the_clock_wins_and_loses_nothing(club: Club, hours: int) -> None:
    assert club.play(3 * MINUTE_MS) == 3 * MINUTE_MS
    club.wait(0, clock_set_by_ms=hours * HOUR_MS)

    assert club.play(HOUR_MS) == 7 * MINUTE_MS - 1_000


def test_setting_the_clock_again_and_again_wins_nothing(club: Club) -> None:
    open_ms = 0
    for hours in (5, -10, 48, -48, 1) * 10:
        open_ms += club.play(30_000)
        club.wait(0, clock_set_by_ms=hours * HOUR_MS)
    assert open_ms == PAID_MS - 1_000


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_calendar_that_is_wrong_from_the_start_is_corrected_by_the_first_welcome(
    hours: int,
) -> None:
    club = Club()
    club.bench.now = Instant(START.boot_ms, START.wall_ms + hours * HOUR_MS)
    club.connects()
    club.bench.document(club.grants(1))

    assert club.play(HOUR_MS) == PAID_MS - 1_000


def test_a_suspended_pc_uses_up_its_lease(club: Club) -> None:
    club.play(3 * MINUTE_MS)
    club.wait(7 * MINUTE_MS)
    assert club.bench.mode is PcMode.LOCKED


def test_a_lease_that_lay_about_has_aged_whatever_the_wall_clock_says() -> None:
    club = Club()
    old = club.grants(1)
    club.wait(9 * MINUTE_MS, clock_set_by_ms=-HOUR_MS)
    club.connects()
    club.bench.document(old)

    assert club.play(HOUR_MS) == MINUTE_MS - 1_000


# The agent and the machine die ------------------------------------------------------------------


def test_killing_the_agent_again_and_again_wins_nothing(club: Club) -> None:
    open_ms = 0
    for _ in range(40):
        open_ms += club.play(20_000)
        dead = club.bench.now
        club.now_ms += 500
        club.bench = club.bench.restarted(Instant(dead.boot_ms + 500, dead.wall_ms - HOUR_MS))
    assert open_ms <= PAID_MS


@pytest.mark.parametrize("hours", [-5, 0, 5])
def test_reboots_win_nothing_wherever_the_clock_is_set(club: Club, hours: int) -> None:
    open_ms = 0
    for _ in range(30):
        open_ms += club.play(25_000)
        # Cut between two writings: what ran since the last one counts as used all the same.
        club.reboots(3_000, clock_set_by_ms=hours * HOUR_MS)
    assert open_ms <= PAID_MS
    assert club.bench.mode is PcMode.LOCKED


def test_a_reboot_costs_an_honest_player_only_the_time_it_takes(club: Club) -> None:
    club.play(3 * MINUTE_MS)
    club.reboots(30_000)
    assert club.bench.mode is PcMode.UNLOCKED

    assert club.play(HOUR_MS) == 7 * MINUTE_MS - 30_000 - 1_000


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_pc_whose_calendar_is_off_goes_by_what_it_was_off_when_it_was_last_told(
    hours: int,
) -> None:
    club = Club()
    club.bench.now = Instant(START.boot_ms, START.wall_ms + hours * HOUR_MS)
    club.connects()
    club.bench.document(club.grants(1))
    club.play(3 * MINUTE_MS)

    club.reboots(30_000)
    assert club.bench.mode is PcMode.UNLOCKED

    assert club.play(HOUR_MS) == 7 * MINUTE_MS - 30_000 - 1_000


def test_a_clock_that_is_put_right_after_a_reboot_locks_nobody_out() -> None:
    club = Club()
    # Its battery is empty: every boot begins in the past, until the network tells.
    club.bench.now = Instant(START.boot_ms, START.wall_ms - 1_000 * HOUR_MS)
    club.connects()
    club.bench.document(club.grants(1))
    club.play(MINUTE_MS)
    club.reboots(30_000)
    club.wait(1_000, clock_set_by_ms=1_000 * HOUR_MS)

    assert club.play(HOUR_MS) == 9 * MINUTE_MS - 31_000 - 1_000


# The memory is lost -----------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [-5, 0])
def test_without_its_memory_a_pc_opens_only_for_what_is_true_now(club: Club, hours: int) -> None:
    old = club.bench.state.document
    club.play(3 * MINUTE_MS)
    club.reboots(30_000, clock_set_by_ms=hours * HOUR_MS, keeps_memory=False)
    assert club.play(MINUTE_MS) == 0

    # Somebody keeps the controller away and plays what it once said.
    club.connects(welcomes=False)
    club.bench.take(DocumentReceived(old))
    assert club.play(HOUR_MS) == 0
    assert AgentFault.TIME_UNPROVEN in club.bench.faults


def test_without_its_memory_a_pc_goes_on_once_the_controller_was_heard(club: Club) -> None:
    old = club.bench.state.document
    club.play(3 * MINUTE_MS)
    club.reboots(30_000, clock_set_by_ms=-5 * HOUR_MS, keeps_memory=False)
    club.connects(welcomes=False)
    club.bench.take(DocumentReceived(old))
    club.wait(10_000)
    club.beats()
    assert club.bench.mode is PcMode.UNLOCKED
    assert club.bench.faults == ()

    assert club.play(HOUR_MS) == 7 * MINUTE_MS - 40_000 - 1_000


def test_a_lost_memory_does_not_bring_back_a_session_that_was_ended(club: Club) -> None:
    old = club.bench.state.document
    club.bench.document(locked(2))
    club.newest = (1, 2)
    club.reboots(30_000, keeps_memory=False)
    club.connects()
    club.bench.take(DocumentReceived(old))

    assert club.play(HOUR_MS) == 0


def played_on_since_it_was_written() -> tuple[Club, Grant]:
    """A PC nine seconds after it last wrote down what was consumed, and what it wrote."""
    club = Club()
    club.connects()
    club.bench.document(club.grants(1))
    club.play(PERSIST_EVERY_MS * 3 + 9_000)
    written = club.bench.image
    assert written is not None
    (grant,) = written.grants
    return club, grant


def test_what_a_power_cut_forgets_is_less_than_what_it_costs() -> None:
    club, grant = played_on_since_it_was_written()
    club.reboots(0, clock_set_by_ms=-HOUR_MS)
    (resumed,) = club.bench.state.grants
    assert resumed.consumed_ms == grant.consumed_ms + PERSIST_EVERY_MS


def test_a_boot_that_nobody_counted_costs_what_every_boot_costs() -> None:
    club, grant = played_on_since_it_was_written()
    again = club.bench.restarted(Instant(10_000, club.bench.now.wall_ms - HOUR_MS))
    (resumed,) = again.state.grants
    assert resumed.consumed_ms == grant.consumed_ms + PERSIST_EVERY_MS
