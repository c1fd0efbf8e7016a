"""Locked or unlocked: documents, leases, clocks, reboots."""

from dataclasses import replace

import pytest
from agent_bench import IDENTITY, MINUTE_MS, START, Bench, lease, locked, sent, shown, unlocked

from pc_daemon.agent import PERSIST_EVERY_MS, until_next_ms
from pc_daemon.agent_state import Connecting, Disconnected, Persist, Send, Show, Tick
from pc_daemon.clock import Instant
from schemas.device import (
    AgentFault,
    Birth,
    DocumentVersion,
    PcMode,
    Presence,
    PresenceState,
    Reported,
    UsageEnd,
    WarningLevel,
)


def test_without_a_document_it_is_locked_and_says_so() -> None:
    bench = Bench()
    assert [show.screen.mode for show in shown(bench.actions)] == [PcMode.LOCKED]

    actions = bench.online()

    (birth,) = sent(actions, Birth)
    (presence,) = sent(actions, Presence)
    (report,) = sent(actions, Reported)
    assert isinstance(birth, Birth)
    assert (birth.mode, birth.applied, birth.unsent_usage_count) == (PcMode.LOCKED, None, 0)
    assert isinstance(presence, Presence)
    assert presence.state is PresenceState.ONLINE
    assert isinstance(report, Reported)
    assert presence.connection_epoch == birth.connection_epoch == report.connection_epoch


def test_the_journal_comes_before_the_screen_and_the_screen_before_the_report() -> None:
    bench = Bench()
    bench.online()

    actions = bench.document(unlocked(1, lease()))

    assert [type(action) for action in actions] == [Persist, Show, Send]
    assert bench.mode is PcMode.UNLOCKED
    assert bench.state.reported is not None
    assert bench.state.reported.applied == DocumentVersion(1, 1)
    assert shown(actions)[0].lock_after_ms == 30 * MINUTE_MS


@pytest.mark.parametrize(
    ("older", "newer"),
    [((1, 1), (1, 2)), ((1, 9), (2, 0)), ((2, 3), (3, 1))],
)
def test_an_older_document_is_never_obeyed(older: tuple[int, int], newer: tuple[int, int]) -> None:
    bench = Bench()
    bench.online()
    bench.document(locked(newer[1], epoch=newer[0]))

    actions = bench.document(unlocked(older[1], lease(epoch=0), epoch=older[0]))

    assert bench.mode is PcMode.LOCKED
    assert bench.state.observed == DocumentVersion(*newer)
    assert len(sent(actions, Reported)) == 1


def test_a_withdrawn_document_locks_and_may_come_back() -> None:
    bench = Bench()
    bench.document(unlocked(1, lease()))
    bench.document(None)
    assert bench.mode is PcMode.LOCKED

    bench.document(unlocked(1, lease()))

    assert bench.mode is PcMode.UNLOCKED


def test_the_lease_ends_on_the_boot_clock_whatever_the_wall_clock_is_set_to() -> None:
    bench = Bench()
    bench.online()
    bench.document(unlocked(1, lease(minutes=10)))

    bench.now = Instant(bench.now.boot_ms + 10 * MINUTE_MS - 1, START.wall_ms - 10**9)
    bench.take(Tick())
    assert bench.mode is PcMode.UNLOCKED
    bench.now = replace(bench.now, boot_ms=bench.now.boot_ms + 1)
    bench.take(Tick())

    assert bench.mode is PcMode.LOCKED
    assert bench.faults == (AgentFault.LEASE_ENDED,)


def test_the_wall_clock_can_only_shorten_and_an_ended_lease_stays_ended() -> None:
    bench = Bench()
    bench.document(unlocked(1, lease(minutes=10)))

    bench.now = Instant(bench.now.boot_ms + 1, START.wall_ms + 10 * MINUTE_MS)
    bench.take(Tick())
    assert bench.mode is PcMode.LOCKED
    bench.now = Instant(bench.now.boot_ms + 1, START.wall_ms)
    bench.take(Tick())

    assert bench.mode is PcMode.LOCKED


def test_a_lease_that_arrives_late_has_aged_on_the_way() -> None:
    bench = Bench(now=Instant(START.boot_ms, START.wall_ms + 9 * MINUTE_MS))
    bench.document(unlocked(1, lease(minutes=10, hard_stop_at_ms=2**52)))

    bench.wait(MINUTE_MS - 1)
    assert bench.mode is PcMode.UNLOCKED
    bench.wait(1)
    assert bench.mode is PcMode.LOCKED


def test_the_same_grant_again_does_not_start_over_but_a_newer_one_extends() -> None:
    bench = Bench()
    bench.document(unlocked(1, lease(minutes=10)))
    bench.wait(9 * MINUTE_MS)
    bench.now = replace(bench.now, wall_ms=START.wall_ms)

    bench.document(unlocked(2, lease(minutes=10)))
    assert until_next_ms(bench.state, bench.now) == MINUTE_MS
    bench.document(unlocked(3, lease(seq=2, minutes=20)))
    assert bench.mode is PcMode.UNLOCKED
    # Setting the clock back has not made the new one any younger.
    bench.wait(11 * MINUTE_MS - 1)
    assert bench.mode is PcMode.UNLOCKED
    bench.wait(1)

    assert bench.mode is PcMode.LOCKED


def test_a_replayed_grant_is_refused_and_the_newer_one_goes_on() -> None:
    bench = Bench()
    bench.online()
    bench.document(unlocked(1, lease(seq=5, minutes=10)))

    bench.document(unlocked(2, lease(seq=4, minutes=1000)))

    assert bench.faults == (AgentFault.LEASE_REPLAYED,)
    assert bench.state.applied == DocumentVersion(1, 1)
    bench.wait(10 * MINUTE_MS)
    assert bench.mode is PcMode.LOCKED


@pytest.mark.parametrize(
    "foreign",
    [{"pc_id": "pc2"}, {"session_id": "s2"}, {"epoch": 2}],
    ids=["pc", "session", "epoch"],
)
def test_a_lease_of_somebody_else_unlocks_nothing(foreign: dict[str, object]) -> None:
    bench = Bench()
    bench.online()

    bench.document(unlocked(1, lease(**foreign), session_id="s1"))

    assert bench.mode is PcMode.LOCKED
    assert bench.faults == (AgentFault.LEASE_FOREIGN,)
    assert bench.state.applied is None


def test_the_lease_outlives_the_connection_and_still_ends_on_time() -> None:
    bench = Bench()
    bench.online()
    bench.document(unlocked(1, lease(minutes=30)))
    bench.take(Disconnected())

    bench.wait(29 * MINUTE_MS)
    assert bench.mode is PcMode.UNLOCKED
    bench.wait(MINUTE_MS)

    assert bench.mode is PcMode.LOCKED
    assert not sent(bench.wait(MINUTE_MS), Reported)
    (birth,) = sent(bench.online(), Birth)
    assert isinstance(birth, Birth)
    assert birth.unsent_usage_count == 1


def test_warnings_come_from_the_lease_while_offline_and_rearm_with_a_new_grant() -> None:
    bench = Bench()
    bench.document(unlocked(1, lease(minutes=30)))
    levels = []
    for _ in range(29):
        levels += [show.screen.warning for show in shown(bench.wait(MINUTE_MS))]
    bench.document(unlocked(2, lease(seq=2, minutes=60)))
    levels += [show.screen.warning for show in shown(bench.actions)[-1:]]
    assert levels == [
        WarningLevel.ENDING_SOON,
        WarningLevel.NEEDS_ATTENTION,
        WarningLevel.NONE,
    ]


def test_while_connected_a_short_lease_of_a_long_session_warns_nobody() -> None:
    bench = Bench()
    bench.online()
    bench.document(unlocked(1, lease(minutes=5), ends_at_ms=START.wall_ms + 300 * MINUTE_MS))

    assert shown(bench.actions)[-1].screen.warning is WarningLevel.NONE
    (show,) = shown(bench.take(Disconnected()))
    assert show.screen.warning is WarningLevel.ENDING_SOON


def test_consumed_time_is_written_every_ten_seconds_while_it_counts() -> None:
    bench = Bench()
    bench.document(unlocked(1, lease()))

    writes = [bool(bench.wait(PERSIST_EVERY_MS // 2)) for _ in range(6)]

    assert writes == [False, True] * 3
    assert bench.image is not None
    assert bench.image.grants[0].consumed_ms == 3 * PERSIST_EVERY_MS


def test_after_a_reboot_the_session_goes_on_with_what_is_left() -> None:
    bench = Bench()
    bench.document(unlocked(1, lease(minutes=10)))
    bench.wait(4 * MINUTE_MS)

    again = bench.rebooted(off_ms=MINUTE_MS)
    assert again.mode is PcMode.UNLOCKED
    again.wait(5 * MINUTE_MS - 1)
    assert again.mode is PcMode.UNLOCKED
    again.wait(1)

    assert again.mode is PcMode.LOCKED
    first, second = again.state.usage.records
    assert (first.end, first.boot_id) == (UsageEnd.INTERRUPTED, "boot-1")
    assert (second.end, second.boot_id) == (UsageEnd.LEASE_ENDED, "boot-2")
    assert first.ended_boot_ms - first.started_boot_ms == 4 * MINUTE_MS


def test_a_clock_set_back_during_a_reboot_wins_nothing() -> None:
    bench = Bench()
    bench.document(unlocked(1, lease(minutes=10)))
    bench.wait(9 * MINUTE_MS)

    again = bench.rebooted(off_ms=-(10**8))
    again.wait(MINUTE_MS)

    assert again.mode is PcMode.LOCKED


def test_killing_the_agent_stops_no_clock() -> None:
    bench = Bench()
    bench.document(unlocked(1, lease(minutes=10)))
    dead_for_ms = 10 * MINUTE_MS
    now = Instant(bench.now.boot_ms + dead_for_ms, START.wall_ms - 10**8)

    again = bench.restarted(now)

    assert again.mode is PcMode.LOCKED


def test_a_lost_journal_means_locked_and_a_higher_connection_epoch() -> None:
    bench = Bench()
    bench.online()
    bench.document(unlocked(1, lease()))
    first_epoch = bench.state.connection_epoch
    now = Instant(boot_ms=1_000, wall_ms=START.wall_ms + 1)

    again = Bench(now=now, identity=replace(IDENTITY, boot_id="boot-2"), image=None)
    again.online()

    assert again.mode is PcMode.LOCKED
    assert again.state.connection_epoch > first_epoch


def test_every_connection_raises_the_epoch_even_with_the_clock_set_back() -> None:
    bench = Bench()
    bench.online()
    first = bench.state.connection_epoch
    bench.now = Instant(bench.now.boot_ms, 1_000)

    actions = bench.take(Connecting())

    assert bench.state.connection_epoch == first + 1
    assert isinstance(actions[0], Persist)
