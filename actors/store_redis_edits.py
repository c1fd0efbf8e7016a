"""Editing what is configured, on Redis."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import orjson

from actors.redis_link import Argument, Script
from actors.store_editing import CatalogueEdit, CatalogueImage
from actors.store_keys import CATALOGUE_REVISION, CLUBS, PLAYER_CHANNEL, ChainKeys, clubs_among
from actors.store_redis_reads import RedisReads
from actors.store_values import (
    AUDIT_MAX_ENTRIES,
    IDEMPOTENCY_RETENTION_MS,
    ClubTakenError,
    Idempotency,
    Listening,
    UnitOutcome,
    UnitStatus,
    nothing_to_reread,
)
from actors.store_wire import idempotency_form, idempotency_of

_EDIT = Script.named("edit")
_CLAIM_CLUBS = Script.named("claim_clubs")
_FIRST_BLOB = 5


class RedisEdits(RedisReads):
    """The CatalogueEditing part of the port."""

    async def catalogue_image(self, chain_id: str) -> CatalogueImage:
        """See :meth:`actors.store_editing.CatalogueEditing.catalogue_image`."""
        keys = ChainKeys(chain_id)
        revision, stored = await self._link.together(
            [("GET", keys.of(CATALOGUE_REVISION)), ("HGETALL", keys.of("catalogue"))], atomic=True
        )
        return CatalogueImage(int(revision or 0), {k.decode(): v for k, v in stored.items()})

    async def answer(self, chain_id: str, key: str) -> Idempotency | None:
        """See :meth:`actors.store_editing.CatalogueEditing.answer`."""
        stored = await self._link.call("GET", ChainKeys(chain_id).idempotency(key))
        return None if stored is None else idempotency_of(key, stored)

    async def edit(self, chain_id: str, edit: CatalogueEdit) -> UnitOutcome:
        """See :meth:`actors.store_editing.CatalogueEditing.edit`."""
        await self.claim_clubs(chain_id, clubs_among(edit.fields))
        chain = ChainKeys(chain_id)
        named = "" if edit.idempotency is None else edit.idempotency.key
        club_id = "" if edit.book is None else edit.book.club_id
        keys = [
            *map(chain.of, ("catalogue", CATALOGUE_REVISION, "documents", "audit")),
            chain.idempotency(named),
            chain.of("enrolment", club_id),
        ]
        reply: bytes = await self._link.run(_EDIT, keys, _arguments(chain_id, edit))
        return _outcome(reply)

    async def claim_clubs(self, chain_id: str, club_ids: list[str]) -> None:
        """Make these clubs the chain's own. Raises ClubTakenError."""
        if not club_ids:
            return
        taken = await self._link.run(_CLAIM_CLUBS, [CLUBS], [chain_id, *club_ids])
        if taken is not None:
            raise ClubTakenError(f"club {taken.decode()} belongs to another chain")

    async def player_changes(
        self, listening: Listening = nothing_to_reread
    ) -> AsyncIterator[tuple[str, str]]:
        """See :meth:`actors.store_editing.CatalogueEditing.player_changes`."""
        async with aclosing(self._blocking.listen(PLAYER_CHANNEL, listening)) as messages:
            async for message in messages:
                chain_id, *player_ids = message.split(" ")
                for player_id in player_ids:
                    yield chain_id, player_id


def _arguments(chain_id: str, edit: CatalogueEdit) -> list[Argument]:
    blobs: list[bytes] = []

    def place(blob: bytes | None) -> int:
        if blob is None:
            return 0
        blobs.append(blob)
        return _FIRST_BLOB + len(blobs) - 1

    asked = edit.idempotency
    players, book = edit.players, edit.book
    changes = {} if book is None else book.fields
    plan = (
        False if edit.revision is None else edit.revision,
        [(name, place(blob)) for name, blob in edit.fields.items()],
        [(write.key, write.expected_version, place(write.blob)) for write in edit.documents],
        [place(entry) for entry in edit.audit],
        place(None if asked is None else idempotency_form(asked)),
        chain_id if edit.fields else False,
        " ".join((chain_id, *players)) if players else False,
        [(name, place(one.before), place(one.after)) for name, one in changes.items()],
        f"{chain_id} {book.club_id}" if book is not None and changes else False,
    )
    fingerprint = "" if asked is None else asked.fingerprint
    limits = (IDEMPOTENCY_RETENTION_MS, AUDIT_MAX_ENTRIES)
    return [orjson.dumps(plan), *limits, fingerprint, *blobs]


_STATUSES = {
    b"A": UnitStatus.APPLIED,
    b"D": UnitStatus.DUPLICATE,
    b"K": UnitStatus.KEY_REUSED,
    b"S": UnitStatus.STALE,
}


def _outcome(reply: bytes) -> UnitOutcome:
    status, rest = _STATUSES[reply[:1]], reply[1:]
    if status is UnitStatus.DUPLICATE:
        return UnitOutcome(status, reply=rest)
    return UnitOutcome(status, name=rest.decode() if status is UnitStatus.STALE else None)
