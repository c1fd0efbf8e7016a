"""Stored documents this release cannot read: damaged, or written by a newer one.

Each is left exactly as it is. What cannot be decided without it is refused under its own name, and
everything else goes on.
"""

from dataclasses import dataclass
from typing import Final

from actors.refusal import Refusal

UNREADABLE_ERRORS: Final = (KeyError, TypeError, ValueError, AttributeError)
"""What reading a document of another shape may raise."""
QUARANTINED: Final = Refusal(
    "quarantined", "a stored document this depends on cannot be read by this release"
)

ANSWER_OF_ANOTHER_RELEASE: Final = Refusal(
    "answer-of-another-release",
    "it was answered before, and the answer was kept in a shape this release cannot read",
)
"""The one refusal of what may have been done: under another key it would be done twice."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a document cannot be read, and the PC it names if that much can be seen."""

    reason: str
    pc_id: str | None = None


class UnreadableError(Exception):
    """A decision depends on a document that cannot be read. ``key`` names it."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key} cannot be read: {reason}")
        self.key = key

    @property
    def holders(self) -> frozenset[str]:
        """Whose document it is, if it is a holder's: it is read again for the next turn."""
        kind, _, holder_id = self.key.partition(":")
        return frozenset({holder_id} if kind in ("player", "bought") else ())
