"""Editing what is configured: the part of the store port that CRMs and imports write through.

A chain's catalogue has a revision that rises with every change of it. An edit names the revision
it was decided on and is refused when there has been another change since, so whatever was checked
on the whole catalogue is still true when the edit takes effect.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from actors.store_enrolment import FieldChange
from actors.store_values import (
    EntityWrite,
    Idempotency,
    Listening,
    Scope,
    UnitOutcome,
    nothing_to_reread,
)

PLAYER_PREFIX: Final = "player:"
EDIT_WRITES_MAX: Final = 20_000
"""Documents of one edit: an import of the largest club stays far below."""


@dataclass(frozen=True, slots=True)
class CatalogueImage:
    """A chain's catalogue at one instant: its revision and its documents by field."""

    revision: int
    fields: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class BookChange:
    """A change of a club's enrolment book, field by field, on what its author has read."""

    club_id: str
    fields: Mapping[str, FieldChange]


@dataclass(frozen=True, slots=True)
class CatalogueEdit:
    """What one change writes. All of it or nothing.

    ``revision`` None: the change does not depend on the catalogue. ``fields`` are catalogue
    documents to store (None removes one); ``documents`` are chain documents (``Scope.CHAIN``)
    with the versions they must have now. ``book`` is what changes in a club's enrolment book.
    ``audit`` are entries of the chain's audit.
    """

    revision: int | None = None
    fields: Mapping[str, bytes | None] = field(default_factory=dict)
    documents: tuple[EntityWrite, ...] = ()
    book: BookChange | None = None
    audit: tuple[bytes, ...] = ()
    idempotency: Idempotency | None = None

    def __post_init__(self) -> None:
        if any(write.scope is not Scope.CHAIN for write in self.documents):
            raise ValueError("an edit writes chain documents only")
        if len(self.fields) + len(self.documents) > EDIT_WRITES_MAX:
            raise ValueError(f"an edit has at most {EDIT_WRITES_MAX} documents")

    @property
    def players(self) -> tuple[str, ...]:
        """Ids of the players whose documents it writes."""
        keys = (write.key for write in self.documents)
        return tuple(key.removeprefix(PLAYER_PREFIX) for key in keys if _is_player(key))


def _is_player(key: str) -> bool:
    return key.startswith(PLAYER_PREFIX)


class CatalogueEditing(Protocol):
    """Changes of a chain that exists."""

    async def catalogue_image(self, chain_id: str) -> CatalogueImage:
        """The chain's whole catalogue with its revision, read at one instant."""

    async def answer(self, chain_id: str, key: str) -> Idempotency | None:
        """What was answered under an idempotency key, while that is kept."""

    async def edit(self, chain_id: str, edit: CatalogueEdit) -> UnitOutcome:
        """Write an edit and tell every host: APPLIED, DUPLICATE, KEY_REUSED or STALE.

        STALE names ``catalogue`` when the revision is another one, ``enrolment`` when the book
        is not as read, else the document whose version is another. Raises ClubTakenError if
        another chain has one of its clubs.
        """

    def player_changes(
        self, listening: Listening = nothing_to_reread
    ) -> AsyncIterator[tuple[str, str]]:
        """(chain id, player id) of players edited anywhere; lossy by nature, so see
        ``listening``."""
