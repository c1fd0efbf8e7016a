"""What a PC keeps in its journal besides the time it served."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from schemas.fields import Counter, InstantMs, Token, WireMessage

Detail = Annotated[str, Field(max_length=64, pattern=r"^[ !#-\[\]-~]*$")]
"""Plain ASCII that JSON writes as it is, so that a full batch fits one message."""


class JournalEventKind(StrEnum):
    """What happened."""

    BOOT = "BOOT"
    """The agent started; the first of a ``boot_id`` is the PC's own start."""
    FREEZE = "FREEZE"
    """Nothing ran between the two instants: frozen, suspended or starved."""
    SCREEN_RESTARTED = "SCREEN_RESTARTED"
    TAMPER = "TAMPER"
    """Somebody works against the screen or the agent; ``detail`` says how."""
    MAINTENANCE = "MAINTENANCE"
    """A technician had the PC open, from the first instant to the second."""


class JournalEvent(WireMessage):
    """Something that happened to the PC while perhaps nobody listened.

    Numbered together with usage records: (``boot_id``, ``seq``) names either, never both. An
    event of an instant ends when it starts.
    """

    boot_id: Token
    seq: Counter
    kind: JournalEventKind
    started_boot_ms: Counter
    ended_boot_ms: Counter
    started_at_ms: InstantMs
    ended_at_ms: InstantMs
    session_id: Token | None = None
    """Whose session ran at the time."""
    detail: Detail = ""
