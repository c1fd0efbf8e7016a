"""What an agent tells the controller, and what it does on order."""

from agent_bench import MINUTE_MS, START, Bench, lease, locked, sent, shown, unlocked

from pc_daemon.agent import USAGE_RETRY_BEATS
from pc_daemon.agent_state import (
    CarriedOut,
    CommandReceived,
    HeartbeatDue,
    JournalChecked,
    Notify,
    Persist,
    Reboot,
    ScreenChecked,
    Send,
    Stopping,
    UsageAcknowledged,
)
from schemas.device import (
    AgentFault,
    Birth,
    CommandOutcome,
    DeviceCommand,
    DeviceCommandKind,
    DeviceCommandResult,
    DocumentVersion,
    Heartbeat,
    PcMode,
    Presence,
    PresenceReason,
    PresenceState,
    Reported,
    Serving,
    UsageAck,
    UsageBatch,
    UsageEnd,
)


def test_heartbeats_count_up_and_only_while_connected() -> None:
    bench = Bench()
    assert bench.take(HeartbeatDue()) == []
    bench.online()
    bench.document(unlocked(1, lease(minutes=30)))

    beats = [sent(bench.take(HeartbeatDue()), Heartbeat)[0] for _ in range(2)]

    assert [beat.seq for beat in beats if isinstance(beat, Heartbeat)] == [1, 2]
    last = beats[-1]
    assert isinstance(last, Heartbeat)
    assert last.lease_remaining_ms == 30 * MINUTE_MS
    assert last.applied == DocumentVersion(1, 1)


def test_usage_is_offered_until_it_is_acknowledged() -> None:
    bench = Bench()
    bench.online()
    bench.document(unlocked(1, lease()))
    bench.wait(MINUTE_MS)

    (batch,) = sent(bench.document(locked(2)), UsageBatch)
    assert isinstance(batch, UsageBatch)
    (record,) = batch.records
    assert (record.session_id, record.end) == ("s1", UsageEnd.DOCUMENT)
    assert not sent(bench.wait(60 * MINUTE_MS), UsageBatch)
    offered = [len(sent(bench.take(HeartbeatDue()), UsageBatch)) for _ in range(12)]
    assert offered == ([0] * (USAGE_RETRY_BEATS - 1) + [1]) * 2
    assert len(sent(bench.online(), UsageBatch)) == 1

    bench.take(UsageAcknowledged(UsageAck(boot_id="other", seq=record.seq)))
    assert bench.state.usage.records == (record,)
    bench.take(UsageAcknowledged(UsageAck(boot_id=record.boot_id, seq=record.seq)))
    assert bench.state.usage.records == ()
    assert not sent(bench.online(), UsageBatch)
    assert bench.entries == ()


def test_a_change_of_session_without_a_lock_between_makes_two_stretches() -> None:
    bench = Bench()
    bench.document(unlocked(1, lease()))
    bench.wait(MINUTE_MS)
    bench.document(unlocked(2, lease(lease_id="s2", session_id="s2")))
    bench.wait(MINUTE_MS)
    bench.document(locked(3))

    assert [record.session_id for record in bench.state.usage.records] == ["s1", "s2"]


def order(cmd_id: str, kind: DeviceCommandKind, not_after_ms: int = 2**52) -> CommandReceived:
    return CommandReceived(
        DeviceCommand(cmd_id=cmd_id, kind=kind, not_after_ms=not_after_ms, text="hello")
    )


def test_a_repeated_command_is_answered_and_not_repeated() -> None:
    bench = Bench()
    bench.online()

    first = bench.take(order("c1", DeviceCommandKind.MESSAGE))
    told = bench.take(CarriedOut("c1"))
    again = bench.take(order("c1", DeviceCommandKind.MESSAGE))

    assert Notify("c1", "hello") in first
    assert not any(isinstance(action, Notify) for action in again)
    assert sent(first, DeviceCommandResult) == []
    assert sent(told, DeviceCommandResult) == sent(again, DeviceCommandResult) != []
    after_reboot = bench.rebooted(off_ms=0)
    assert not any(
        isinstance(action, Notify)
        for action in after_reboot.take(order("c1", DeviceCommandKind.MESSAGE))
    )


def test_a_late_command_expires() -> None:
    bench = Bench()
    actions = bench.take(order("c1", DeviceCommandKind.REBOOT, not_after_ms=START.wall_ms - 1))

    (result,) = sent(actions, DeviceCommandResult)
    assert isinstance(result, DeviceCommandResult)
    assert result.outcome is CommandOutcome.EXPIRED
    assert not any(isinstance(action, Reboot) for action in actions)


def test_a_reboot_is_remembered_before_it_happens() -> None:
    actions = Bench().take(order("c1", DeviceCommandKind.REBOOT))
    assert [type(action) for action in actions] == [Persist, Send, Reboot]


def test_a_rebirth_tells_everything_again() -> None:
    bench = Bench()
    bench.online()
    actions = bench.take(order("c1", DeviceCommandKind.REBIRTH))
    assert len(sent(actions, Birth)) == len(sent(actions, Reported)) == 1


def test_a_failing_screen_is_reported_and_tried_again_once_per_tick() -> None:
    bench = Bench()
    bench.online()
    assert not shown(bench.take(ScreenChecked(ok=False)))
    assert bench.faults == (AgentFault.LOCKER_FAILED,)

    assert len(shown(bench.wait(1_000))) == 1
    bench.take(ScreenChecked(ok=True))

    assert bench.faults == ()
    assert not shown(bench.wait(1_000))


def test_a_failing_journal_is_reported_and_tried_again_once_per_tick() -> None:
    bench = Bench()
    bench.online()
    assert Persist not in [type(action) for action in bench.take(JournalChecked(ok=False))]
    assert bench.faults == (AgentFault.JOURNAL_FAILED,)

    assert Persist in [type(action) for action in bench.wait(1_000)]
    bench.take(JournalChecked(ok=True))
    assert bench.faults == ()


def test_a_stopping_agent_says_why() -> None:
    bench = Bench()
    bench.online()
    (presence,) = sent(bench.take(Stopping(PresenceReason.SHUTDOWN)), Presence)
    assert isinstance(presence, Presence)
    assert (presence.state, presence.reason) == (PresenceState.OFFLINE, PresenceReason.SHUTDOWN)


def test_time_in_which_the_agent_did_not_run_is_no_service() -> None:
    bench = Bench(frozen_after_ms=10_000)
    bench.online()
    bench.document(unlocked(1, lease(minutes=60)))
    for _ in range(60):
        bench.wait(1_000)
    stopped = bench.now
    bench.wait(12 * MINUTE_MS)
    (record,) = bench.state.usage.records
    assert record.end is UsageEnd.FROZEN
    assert (record.started_boot_ms, record.ended_boot_ms) == (START.boot_ms, stopped.boot_ms)
    assert bench.mode is PcMode.UNLOCKED
    (beat,) = sent(bench.take(HeartbeatDue()), Heartbeat)
    assert isinstance(beat, Heartbeat)
    assert beat.serving is not None
    assert beat.serving == Serving(
        boot_id="boot-1",
        boot_ms=bench.now.boot_ms,
        since_boot_ms=bench.now.boot_ms,
        unsent_usage_count=1,
    )


def test_a_pause_shorter_than_the_limit_is_service() -> None:
    bench = Bench(frozen_after_ms=10_000)
    bench.online()
    bench.document(unlocked(1, lease(minutes=60)))
    bench.wait(9_999)
    assert bench.state.usage.records == ()
