"""What is told of a PC: one class for the data of each kind of event."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.device import DeviceCommandKind, UsageEnd
from schemas.event_fields import EventData, Instant
from schemas.journal_events import JournalEventKind


class _OfPc(EventData):
    pc_id: str
    session_id: str | None


class PcNotResponding(_OfPc):
    """A PC with a running session is not heard. A PC that flaps is muted until it calms down."""

    last_seen_at: Instant | None


class PcRecovered(_OfPc):
    """A PC that was reported as not responding is heard again."""

    not_responding_since: Instant


class SeatExposed(_OfPc):
    """A PC should be locked and cannot be told: it could stay open until then."""

    until: Instant


class SeatSecured(_OfPc):
    """A PC that was exposed obeys again."""


class PcDegraded(_OfPc):
    """A PC answers and is not whole: its screen or its journal fails, it refuses or does not apply
    what it is sent, or two machines speak under its name (``cloned``)."""

    reasons: Annotated[str, Field(description="Stable codes, separated by commas.")]


class PcWhole(_OfPc):
    """A PC that was reported as degraded has nothing wrong with it any more."""


class PcUsage(_OfPc):
    """A stretch in which a PC provably served a session, from its own journal, on its clocks.

    ``bootId`` and ``recordSequence`` name the record at its PC; a receiver that sees the same
    pair twice has been told of the same stretch.
    """

    lease_id: str
    boot_id: str
    record_sequence: int
    started_at: Instant
    ended_at: Instant
    duration_ms: Annotated[int, Field(ge=0)]
    end: UsageEnd


class PcCommandDone(_OfPc):
    """What became of a one-shot order: the PC's answer, or NO_ANSWER. A PC that is to restart or
    to go down says DONE before it does; where it is not let, FAILED follows for the same order."""

    command_id: str
    command: DeviceCommandKind
    outcome: Literal["DONE", "EXPIRED", "FAILED", "REFUSED", "NO_ANSWER"]
    detail: str


class PcHeld(_OfPc):
    """Staff took a PC out of use. ``until`` null: until it is released by hand."""

    reason: str
    until: Instant | None


class PcReleased(_OfPc):
    """Staff put a held PC back into use. A hold that ends by itself says when it begins."""


class PcJournal(_OfPc):
    """What a PC's journal tells besides time served: a start, a freeze, somebody at its screen.

    Numbered together with its usage. A thing of an instant starts and ends in the same one.
    """

    what: JournalEventKind
    boot_id: str
    record_sequence: int
    started_at: Instant
    ended_at: Instant
    duration_ms: Annotated[int, Field(ge=0)]
    detail: str
