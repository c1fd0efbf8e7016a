"""From a PC's decoded message to what it means for a turn."""

from actors.evidence import ClockTie, clock_tie
from actors.presence import Signal
from actors.turn import AppliedTarget, DeviceAnswer, PcInput
from schemas.codec import UpMessage
from schemas.device import (
    Birth,
    DeviceCommandResult,
    Heartbeat,
    PcMode,
    Presence,
    PresenceReason,
    PresenceState,
    Reported,
    UsageBatch,
)
from schemas.topics import PcTopic


def pc_input(
    topic: PcTopic, message: UpMessage, *, retained: bool, mono_ms: int, wall_ms: int
) -> PcInput | None:
    """What a message received at ``mono_ms`` and ``wall_ms`` says about its PC; None when it says
    nothing a turn needs.

    A retained message was kept by the broker and proves no life: only an absence in it counts.
    """
    if isinstance(message, Presence):
        return _presence_input(topic, message, mono_ms)
    if retained:
        return None
    applied = _applied(message)
    return PcInput(
        club_id=topic.club_id,
        pc_id=topic.pc_id,
        signal=Signal.HEARD,
        received_mono_ms=mono_ms,
        applied=applied,
        wants_desired=isinstance(message, Birth),
        connection_epoch=_connection_epoch(message),
        usage=message.records if isinstance(message, UsageBatch) else (),
        answers=_answers(message),
        mac=_mac(message),
        tie=_tie(message, wall_ms),
        ui_ok=message.ui_ok if isinstance(message, Heartbeat) else None,
        faults=message.errors if isinstance(message, Reported) else None,
        journal=message.events if isinstance(message, UsageBatch) else (),
    )


def _answers(message: UpMessage) -> tuple[DeviceAnswer, ...]:
    if not isinstance(message, DeviceCommandResult):
        return ()
    return (DeviceAnswer(message.cmd_id, message.outcome, message.detail),)


def _mac(message: UpMessage) -> str | None:
    if not isinstance(message, Birth) or message.machine is None:
        return None
    return message.machine.mac


def _tie(message: UpMessage, wall_ms: int) -> ClockTie | None:
    if not isinstance(message, Birth | Heartbeat) or message.serving is None:
        return None
    return clock_tie(message.serving, wall_ms)


def _connection_epoch(message: UpMessage) -> int | None:
    if isinstance(message, DeviceCommandResult):
        return None
    return message.connection_epoch


def _applied(message: UpMessage) -> AppliedTarget | None:
    if not isinstance(message, Birth | Heartbeat | Reported):
        return None
    version = None if message.applied is None else (message.applied.epoch, message.applied.rev)
    return AppliedTarget(version=version, locked=message.mode is PcMode.LOCKED)


def _presence_input(topic: PcTopic, message: Presence, mono_ms: int) -> PcInput | None:
    if message.state is PresenceState.ONLINE:
        return None
    lost = message.reason is PresenceReason.CONNECTION_LOST
    return PcInput(
        club_id=topic.club_id,
        pc_id=topic.pc_id,
        signal=Signal.WILL if lost else Signal.GOODBYE,
        received_mono_ms=mono_ms,
        connection_epoch=message.connection_epoch,
    )
