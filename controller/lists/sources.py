"""Where lists read: the store, and the archive if there is one."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

from actors.orders import order_key
from actors.store import ChainStream, ReadModels, StoredEntity
from controller.archive import rows, writing

ENTRIES_PER_READ: Final = 1_000
UNARCHIVED_MAX: Final = 20_000
"""Events a list reads past the archive; when it is further behind, a list would be a guess."""

P = ParamSpec("P")
R = TypeVar("R")


class ArchiveBehindError(Exception):
    """The archive is so far behind that history cannot be listed without gaps."""


class Archived(Protocol):
    """What an edge asks of the archive. Methods raise ArchiveError."""

    async def session(self, chain_id: str, session_id: str) -> StoredEntity | None:
        """A session's final document, or None."""

    async def look(
        self, work: Callable[Concatenate[Any, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Do ``work``, which only reads, on one connection as of one instant."""


async def told_since_archived(
    store: ReadModels, archived: Archived | None, chain_id: str
) -> list[dict[str, Any]]:
    """Events the archive may not know of yet, oldest first. Raises ArchiveBehindError."""
    after = rows.BEGINNING
    if archived is not None:
        after = await archived.look(rows.cursor, chain_id, ChainStream.OUTBOX)
    found: list[dict[str, Any]] = []
    while read := await store.stream(
        chain_id, ChainStream.OUTBOX, after=after, count=ENTRIES_PER_READ
    ):
        good, _ = writing.readable(chain_id, ChainStream.OUTBOX, read)
        found += (document["event"] for _, document in good)
        if archived is not None and len(found) > UNARCHIVED_MAX:
            raise ArchiveBehindError
        after = read[-1].entry_id
    return found


def ids_told(events: Iterable[dict[str, Any]], name: str) -> list[str]:
    """The ids that events bear under a name, each once."""
    return sorted({event[name] for event in events if event.get(name)})


async def orders_told(
    store: ReadModels, chain_id: str, events: Sequence[dict[str, Any]]
) -> dict[str, bytes]:
    """Documents of the orders that events tell of, as they are now, by id."""
    ids = ids_told(events, "order_id")
    stored = await store.documents(chain_id, [order_key(one) for one in ids])
    return {one: stored[order_key(one)].blob for one in ids if order_key(one) in stored}
