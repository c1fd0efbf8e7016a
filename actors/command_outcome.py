"""What became of a one-shot order to a PC: its own word, or nobody's by the time there is none."""

from dataclasses import replace
from typing import Final

from actors.club_events import PcTold
from actors.pc import PcState, SentCommand
from actors.turn import DeviceAnswer
from schemas.device import CommandOutcome, DeviceCommandKind
from schemas.events import ClubEventKind

NO_ANSWER: Final = "NO_ANSWER"
_DONE_IS_SAID_FIRST: Final = frozenset({DeviceCommandKind.REBOOT, DeviceCommandKind.SHUTDOWN})


def answered(state: PcState, answer: DeviceAnswer, now_ms: int) -> PcTold:
    """Take a PC's word for what became of the order; a repeated word changes nothing."""
    sent = state.command
    if sent is None or sent.command_id != answer.command_id or not _is_news(sent, answer):
        return PcTold(state)
    told = PcTold(state)
    return _concluded(told, sent, answer.outcome.value, detail=answer.detail, now_ms=now_ms)


def _is_news(sent: SentCommand, answer: DeviceAnswer) -> bool:
    """A PC that is to go down says DONE first, and takes it back where it was not let."""
    if sent.outcome is None:
        return True
    is_taken_back = answer.outcome is CommandOutcome.FAILED and sent.kind in _DONE_IS_SAID_FIRST
    return is_taken_back and sent.outcome == CommandOutcome.DONE


def overdue(told: PcTold, now_ms: int) -> PcTold:
    """Say that nobody answered, once it is too late to."""
    sent = told.state.command
    if sent is None or now_ms < sent.answer_due_at_ms:
        return told
    return given_up(told, now_ms)


def given_up(told: PcTold, now_ms: int) -> PcTold:
    """Say of an order that still waits that nobody answered; after this nobody can."""
    sent = told.state.command
    if sent is None or sent.outcome is not None:
        return told
    return _concluded(told, sent, NO_ANSWER, detail="", now_ms=now_ms)


def _concluded(
    told: PcTold, sent: SentCommand, outcome: str, *, detail: str, now_ms: int
) -> PcTold:
    state = replace(told.state, command=replace(sent, outcome=outcome))
    told = replace(told, state=state)
    payload = {
        "command_id": sent.command_id,
        "command": sent.kind.value,
        "outcome": outcome,
        "detail": detail,
    }
    return told.tell(ClubEventKind.PC_COMMAND_DONE, at_ms=now_ms, session_id=None, payload=payload)
