"""What runs or waits in a club, for lists: read together, decoded once.

However many pages are asked for, a club is read at most one time after another. A page waits for
a read that begins after it was asked for, never for an older one, so whoever has started a session
sees it; and a session that has not changed since is not decoded again.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, Generic, Protocol, TypeVar

import orjson

from actors.store import StoredEntity
from billing_core.session import SessionState
from billing_core.stored import session_from_dict

CLUBS_KEPT_MAX: Final = 512
"""Clubs whose decoded sessions are kept; of the others each page decodes anew."""
DECODED_AT_ONCE: Final = 100
"""Between so many the process answers others."""

T = TypeVar("T")
Decoded = tuple[StoredEntity, SessionState]


class ClubSource(Protocol):
    """The part of the store that running sessions are read from."""

    async def sessions_of_club(self, chain_id: str, club_id: str) -> tuple[StoredEntity, ...]:
        """See :meth:`actors.store.ReadModels.sessions_of_club`."""


class Shared(Generic[T]):
    """One question, asked for many at a time: whoever comes while it is being answered waits for
    the next answer, together with all others who came meanwhile."""

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._asking: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def answer(self) -> T:
        """An answer to a question that was put after this call. Raises what ``ask`` raises."""
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._asking), name="shared-read")
            self._next.add_done_callback(_seen)
        # Whoever gives up waiting leaves the others theirs.
        return await asyncio.shield(self._next)

    async def _after(self, before: "asyncio.Task[T] | None") -> T:
        if before is not None:
            await asyncio.wait({before})
        self._asking, self._next = self._next, None
        return await self._ask()


def _seen(task: "asyncio.Task[T]") -> None:
    """Nobody may be left to hear of a failure, when all who waited have gone."""
    if not task.cancelled():
        task.exception()


class RunningSessions:
    """Running sessions of every club somebody lists."""

    def __init__(self, store: ClubSource) -> None:
        self._store = store
        self._clubs: OrderedDict[tuple[str, str], _Club] = OrderedDict()

    async def of(self, chain_id: str, club_id: str) -> tuple[Decoded, ...]:
        """A club's open sessions as of an instant after this call, by id."""
        name = (chain_id, club_id)
        club = self._clubs.get(name)
        if club is None:
            club = self._clubs[name] = _Club(self._store, name)
        self._clubs.move_to_end(name)
        while len(self._clubs) > CLUBS_KEPT_MAX:
            self._clubs.popitem(last=False)
        return await club.read.answer()


class _Club:
    """One club: the read everybody shares, and what the last one has decoded."""

    def __init__(self, store: ClubSource, name: tuple[str, str]) -> None:
        self.read = Shared(self._all)
        self._store = store
        self._name = name
        self._known: dict[str, Decoded] = {}

    async def _all(self) -> tuple[Decoded, ...]:
        known: dict[str, Decoded] = {}
        decoded = 0
        for stored in await self._store.sessions_of_club(*self._name):
            found = self._known.get(stored.key)
            # A store that went back in time gives a version's number to other content.
            if found is None or found[0] != stored:
                found = (stored, session_from_dict(orjson.loads(stored.blob)))
                decoded += 1
                if decoded % DECODED_AT_ONCE == 0:
                    await asyncio.sleep(0)
            known[stored.key] = found
        self._known = known
        return tuple(known.values())
