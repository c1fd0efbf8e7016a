"""What the screen of a PC does and why. Without pydantic: a killed screen must be back soon."""

from enum import StrEnum


class PcMode(StrEnum):
    """What the screen of a PC does."""

    LOCKED = "LOCKED"
    UNLOCKED = "UNLOCKED"


class LockReason(StrEnum):
    """Why a locked PC is locked, in the screen's own words and language."""

    FREE = "FREE"
    RESERVED = "RESERVED"
    """A booked session waits for its player."""
    MOVING = "MOVING"
    """The player's other PC is still closing."""
    HELD = "HELD"
