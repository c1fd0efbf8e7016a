"""What runs or waits in a club, for lists: read together, decoded once.

However many pages are asked for, a club is read at most one time after another
(:mod:`controller.shared_reads`), and whoever has started a session sees it. A session that has
not changed since the last read is not decoded again.
"""

import asyncio
from collections import OrderedDict
from typing import Final, Protocol

from actors.store import StoredEntity
from billing_core.session import SessionState
from controller.readable import readable, session_of
from controller.shared_reads import SharedReads

CLUBS_KEPT_MAX: Final = 512
"""Clubs whose decoded sessions are kept; of the others each page decodes anew."""
DECODED_AT_ONCE: Final = 100
"""Between so many the process answers others."""

ClubName = tuple[str, str]
Decoded = tuple[StoredEntity, SessionState]


class ClubSource(Protocol):
    """The part of the store that running sessions are read from."""

    async def sessions_of_club(self, chain_id: str, club_id: str) -> tuple[StoredEntity, ...]:
        """See :meth:`actors.store.ReadModels.sessions_of_club`."""


class RunningSessions:
    """Running sessions of every club somebody lists."""

    def __init__(self, store: ClubSource) -> None:
        self._store = store
        self._reads = SharedReads(self._read)
        self._known: OrderedDict[ClubName, dict[str, Decoded]] = OrderedDict()

    async def of(self, chain_id: str, club_id: str) -> tuple[Decoded, ...]:
        """A club's open sessions as of an instant after this call, by id."""
        return await self._reads.answer((chain_id, club_id))

    async def _read(self, club: ClubName) -> tuple[Decoded, ...]:
        before = self._known.get(club, {})
        known: dict[str, Decoded] = {}
        decoded = 0
        for stored in await self._store.sessions_of_club(*club):
            found = before.get(stored.key)
            # A store that went back in time gives a version's number to other content.
            if found is None or found[0] != stored:
                found = next(readable([stored], session_of), None)
                decoded += 1
                if decoded % DECODED_AT_ONCE == 0:
                    await asyncio.sleep(0)
            if found is None:
                continue
            known[stored.key] = found
        self._known[club] = known
        self._known.move_to_end(club)
        while len(self._known) > CLUBS_KEPT_MAX:
            self._known.popitem(last=False)
        return tuple(known.values())
