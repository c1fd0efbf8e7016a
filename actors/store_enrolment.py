"""A club's enrolment book: one-time codes, PCs that ask to be let in, credentials.

One hash per club, ``clubctl:{C}:enrolment:<club>``, field -> JSON. What the fields mean is the
business of whoever writes them; the store promises that a change happens whole or not at all,
and only on what its author has read.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Protocol

from actors.redis_link import RedisLink, Script
from actors.store_keys import CLUBS, ChainKeys
from actors.store_memory_server import MemoryServer
from actors.store_values import Listening, nothing_to_reread

ENROLMENT_CHANNEL: Final = "clubctl:enrolment"
_CHANGE: Final = Script.named("enrolment")


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


class RedisEnrolment:
    """The books in Redis or Valkey; part of RedisStore."""

    _link: RedisLink
    _blocking: RedisLink

    async def chain_of_club(self, club_id: str) -> str | None:
        """See :meth:`EnrolmentBooks.chain_of_club`."""
        chain = await self._link.call("HGET", CLUBS, club_id)
        return None if chain is None else chain.decode()

    async def enrolment(self, chain_id: str, club_id: str) -> dict[str, bytes]:
        """See :meth:`EnrolmentBooks.enrolment`."""
        stored = await self._link.call("HGETALL", ChainKeys(chain_id).of("enrolment", club_id))
        return {name.decode(): document for name, document in stored.items()}

    async def change_enrolment(
        self, chain_id: str, club_id: str, changes: Mapping[str, FieldChange]
    ) -> bool:
        """See :meth:`EnrolmentBooks.change_enrolment`."""
        arguments: list[bytes | str] = [ENROLMENT_CHANNEL, f"{chain_id} {club_id}"]
        for name, change in changes.items():
            arguments += [name, change.before or b"", change.after or b""]
        key = ChainKeys(chain_id).of("enrolment", club_id)
        return bool(await self._link.run(_CHANGE, [key], arguments))

    async def enrolment_changes(
        self, listening: Listening = nothing_to_reread
    ) -> AsyncIterator[tuple[str, str]]:
        """See :meth:`EnrolmentBooks.enrolment_changes`."""
        async with aclosing(self._blocking.listen(ENROLMENT_CHANNEL, listening)) as messages:
            async for message in messages:
                chain_id, _, club_id = message.partition(" ")
                yield chain_id, club_id


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
