"""A club's enrolment book: one-time codes, PCs that ask to be let in, credentials.

One hash per club, ``clubctl:{C}:enrolment:<club>``, field -> JSON. What the fields mean is the
business of whoever writes them; the store promises that a change happens whole or not at all,
and only on what its author has read.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from actors.store_values import Listening, nothing_to_reread

ENROLMENT_CHANNEL: Final = "clubctl:enrolment"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field as its author read it, and as it is to be; None: it is not there."""

    before: bytes | None
    after: bytes | None


class EnrolmentBooks(Protocol):
    """The books of every club. All methods raise StoreUnavailableError without an answer."""

    async def chain_of_club(self, club_id: str) -> str | None:
        """The chain a club belongs to; None for a club nobody has."""

    async def enrolment(self, chain_id: str, club_id: str) -> dict[str, bytes]:
        """A club's whole book."""

    async def change_enrolment(
        self, chain_id: str, club_id: str, changes: Mapping[str, FieldChange]
    ) -> bool:
        """Make all changes and tell the listeners, or none: False when a field is not as read.

        What is as wanted already counts as changed, so the same call may be sent again.
        """

    def enrolment_changes(
        self, listening: Listening = nothing_to_reread
    ) -> AsyncIterator[tuple[str, str]]:
        """(chain, club) of books that changed; lossy by nature, so see ``listening``."""
