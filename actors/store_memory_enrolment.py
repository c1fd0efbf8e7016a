"""Enrolment books in memory: the twin of RedisEnrolment."""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing

from actors.store_enrolment import ENROLMENT_CHANNEL, FieldChange
from actors.store_memory_server import MemoryServer
from actors.store_values import Listening, nothing_to_reread


class MemoryEnrolment:
    """The books in memory; part of MemoryStore."""

    _server: MemoryServer

    async def chain_of_club(self, club_id: str) -> str | None:
        """See :meth:`EnrolmentBooks.chain_of_club`."""
        return self._server.clubs.get(club_id)

    async def enrolment(self, chain_id: str, club_id: str) -> dict[str, bytes]:
        """See :meth:`EnrolmentBooks.enrolment`."""
        return dict(self._server.chain(chain_id).enrolment.get(club_id, {}))

    async def change_enrolment(
        self, chain_id: str, club_id: str, changes: Mapping[str, FieldChange]
    ) -> bool:
        """See :meth:`EnrolmentBooks.change_enrolment`."""
        book = self._server.chain(chain_id).enrolment.setdefault(club_id, {})
        if all(book.get(name) == change.after for name, change in changes.items()):
            return True
        if any(book.get(name) != change.before for name, change in changes.items()):
            return False
        for name, change in changes.items():
            if change.after is None:
                book.pop(name, None)
            else:
                book[name] = change.after
        self._server.publish(ENROLMENT_CHANNEL, f"{chain_id} {club_id}")
        return True

    async def enrolment_changes(
        self, listening: Listening = nothing_to_reread
    ) -> AsyncIterator[tuple[str, str]]:
        """See :meth:`EnrolmentBooks.enrolment_changes`."""
        async with aclosing(self._server.listen(ENROLMENT_CHANNEL, listening)) as messages:
            async for message in messages:
                chain_id, _, club_id = message.partition(" ")
                yield chain_id, club_id
