"""Editing what is configured, in memory: the twin of the edit script."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from actors.store_editing import BookChange, CatalogueEdit, CatalogueImage
from actors.store_enrolment import ENROLMENT_CHANNEL
from actors.store_keys import clubs_among
from actors.store_memory_chain import MemoryChain
from actors.store_memory_reads import MemoryReads
from actors.store_values import (
    AUDIT_MAX_ENTRIES,
    ClubTakenError,
    Idempotency,
    Listening,
    StoredEntity,
    UnitOutcome,
    UnitStatus,
    nothing_to_reread,
)

CATALOGUE = "catalogue"
PLAYERS = "players"
ENROLMENT = "enrolment"


class MemoryEdits(MemoryReads):
    """The CatalogueEditing part of the port."""

    async def catalogue_image(self, chain_id: str) -> CatalogueImage:
        """See :meth:`actors.store_editing.CatalogueEditing.catalogue_image`."""
        chain = self._server.chain(chain_id)
        return CatalogueImage(chain.revision, dict(chain.catalogue))

    async def answer(self, chain_id: str, key: str) -> Idempotency | None:
        """See :meth:`actors.store_editing.CatalogueEditing.answer`."""
        return self._server.chain(chain_id).answers.get(key)

    async def edit(self, chain_id: str, edit: CatalogueEdit) -> UnitOutcome:
        """See :meth:`actors.store_editing.CatalogueEditing.edit`."""
        self._claim_clubs(chain_id, clubs_among(edit.fields))
        chain = self._server.chain(chain_id)
        refusal = _refusal(chain, edit)
        if refusal is not None:
            return refusal
        _apply(chain, edit)
        if edit.fields:
            self._server.publish(CATALOGUE, chain_id)
        if edit.players:
            self._server.publish(PLAYERS, " ".join((chain_id, *edit.players)))
        if edit.book is not None and edit.book.fields:
            self._server.publish(ENROLMENT_CHANNEL, f"{chain_id} {edit.book.club_id}")
        return UnitOutcome(UnitStatus.APPLIED)

    def _claim_clubs(self, chain_id: str, club_ids: list[str]) -> None:
        owners = self._server.clubs
        for club_id in club_ids:
            if owners.get(club_id, chain_id) != chain_id:
                raise ClubTakenError(f"club {club_id} belongs to another chain")
        owners.update(dict.fromkeys(club_ids, chain_id))

    async def player_changes(
        self, listening: Listening = nothing_to_reread
    ) -> AsyncIterator[tuple[str, str]]:
        """See :meth:`actors.store_editing.CatalogueEditing.player_changes`."""
        async with aclosing(self._server.listen(PLAYERS, listening)) as messages:
            async for message in messages:
                chain_id, *player_ids = message.split(" ")
                for player_id in player_ids:
                    yield chain_id, player_id


def _refusal(chain: MemoryChain, edit: CatalogueEdit) -> UnitOutcome | None:
    asked = edit.idempotency
    known = None if asked is None else chain.answers.get(asked.key)
    if known is not None and asked is not None:
        if known.fingerprint != asked.fingerprint:
            return UnitOutcome(UnitStatus.KEY_REUSED)
        return UnitOutcome(UnitStatus.DUPLICATE, reply=known.reply)
    if edit.revision is not None and edit.revision != chain.revision:
        return UnitOutcome(UnitStatus.STALE, name=CATALOGUE)
    for write in edit.documents:
        found = chain.documents.get(write.key)
        if (0 if found is None else found.version) != write.expected_version:
            return UnitOutcome(UnitStatus.STALE, name=write.key)
    if edit.book is not None:
        held = chain.enrolment.get(edit.book.club_id, {})
        if any(held.get(name) != one.before for name, one in edit.book.fields.items()):
            return UnitOutcome(UnitStatus.STALE, name=ENROLMENT)
    return None


def _apply(chain: MemoryChain, edit: CatalogueEdit) -> None:
    for name, blob in edit.fields.items():
        if blob is None:
            chain.catalogue.pop(name, None)
        else:
            chain.catalogue[name] = blob
    chain.revision += bool(edit.fields)
    for write in edit.documents:
        if write.blob is None:
            chain.documents.pop(write.key, None)
        else:
            stored = StoredEntity(write.key, write.expected_version + 1, write.blob)
            chain.documents[write.key] = stored
    if edit.book is not None:
        _change_book(chain, edit.book)
    for entry in edit.audit:
        chain.audit.append(entry)
    chain.audit.trim_to(AUDIT_MAX_ENTRIES)
    if edit.idempotency is not None:
        chain.answers[edit.idempotency.key] = edit.idempotency


def _change_book(chain: MemoryChain, change: BookChange) -> None:
    book = chain.enrolment.setdefault(change.club_id, {})
    for name, one in change.fields.items():
        if one.after is None:
            book.pop(name, None)
        else:
            book[name] = one.after
