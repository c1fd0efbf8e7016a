"""What became of a one-shot order to a PC: its own word, or nobody's by the time there is none."""

from dataclasses import replace
from typing import Final

from actors.club_events import PcTold
from actors.pc import PcState, SentCommand
from actors.turn import DeviceAnswer
from schemas.events import ClubEventKind

NO_ANSWER: Final = "NO_ANSWER"


def answered(state: PcState, answer: DeviceAnswer, now_ms: int) -> PcTold:
    """Take a PC's word for what became of the order; a repeated word changes nothing."""
    sent = state.command
    if sent is None or sent.command_id != answer.command_id or sent.outcome is not None:
        return PcTold(state)
    told = PcTold(state)
    return _concluded(told, sent, answer.outcome.value, detail=answer.detail, now_ms=now_ms)


def overdue(told: PcTold, now_ms: int) -> PcTold:
    """Say that nobody answered, once it is too late to."""
    sent = told.state.command
    if sent is None or sent.outcome is not None or now_ms < sent.answer_due_at_ms:
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
