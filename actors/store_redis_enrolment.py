"""Enrolment books in Redis or Valkey."""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Final

from actors.redis_link import RedisLink, Script
from actors.store_enrolment import ENROLMENT_CHANNEL, FieldChange
from actors.store_keys import CLUBS, ChainKeys
from actors.store_values import Listening, nothing_to_reread

_CHANGE: Final = Script.named("enrolment")


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
