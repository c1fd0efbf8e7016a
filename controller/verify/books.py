"""Everything a check looks at, of one chain, as of one instant."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

import orjson

from actors.store import (
    SESSION_KEY_PREFIX,
    ChainImage,
    ChainStream,
    Store,
    StoredEntity,
    StreamEntry,
)
from billing_core.session import SessionState
from billing_core.stored import StoredValueError, session_from_dict

BATCH: Final = 1_000
_BEGINNING: Final = "0-0"

Document: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that is not as it must be. ``subject`` names it: an account, a session, a PC."""

    check: str
    subject: str
    expected: str
    found: str


class ArchivedHistory(Protocol):
    """What a check needs of an archive."""

    async def transactions(self, chain_id: str) -> list[StreamEntry]:
        """Every archived transaction."""

    async def events(self, chain_id: str) -> list[StreamEntry]:
        """Every archived event."""

    async def sessions(self, chain_id: str) -> list[StoredEntity]:
        """Every archived session; ``key`` is the session id."""


@dataclass(slots=True)
class Books:
    """``closed`` has the whole final documents, ``states`` the states of all sessions."""

    chain_id: str
    image: ChainImage
    transactions: list[Document] = field(default_factory=list)
    events: list[Document] = field(default_factory=list)
    states: dict[str, SessionState] = field(default_factory=dict)
    open_ids: set[str] = field(default_factory=set)
    closed: dict[str, Document] = field(default_factory=dict)
    pcs: dict[str, Document] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)
    """How many events each source says it has told."""
    problems: list[Row] = field(default_factory=list)
    """What could not be read at all."""


async def read_books(store: Store, chain_id: str, archive: ArchivedHistory | None) -> Books:
    """Read a chain from the store and, where the store was trimmed, from the archive."""
    image = await store.image(chain_id)
    books = Books(chain_id, image)
    archived = [] if archive is None else await archive.transactions(chain_id)
    ledger = _Stream(ChainStream.LEDGER, image.ledger_until, archived)
    books.transactions = await _history(store, books, ledger)
    archived = [] if archive is None else await archive.events(chain_id)
    outbox = _Stream(ChainStream.OUTBOX, image.outbox_until, archived)
    books.events = await _history(store, books, outbox)
    read_sessions(books, [] if archive is None else await archive.sessions(chain_id))
    return books


@dataclass(frozen=True, slots=True)
class _Stream:
    name: ChainStream
    until: str
    archived: list[StreamEntry]


async def _history(store: Store, books: Books, stream: _Stream) -> list[Document]:
    """Each entry once: the store keeps a margin of what is archived, and both must agree."""
    merged = {entry.entry_id: entry.payload for entry in stream.archived}
    newest_archived = max(map(_order, stream.archived), default=(0, 0))
    check = f"{stream.name} archive"
    after = _BEGINNING
    while read := await store.stream(books.chain_id, stream.name, after=after, count=BATCH):
        for entry in read:
            archived = merged.get(entry.entry_id)
            if archived is None and _order(entry) <= newest_archived:
                books.problems.append(Row(check, entry.entry_id, "archived", "missing"))
            if archived not in (None, entry.payload):
                books.problems.append(Row(check, entry.entry_id, "the same", "something else"))
            merged[entry.entry_id] = entry.payload
        after = read[-1].entry_id
    last = place_of(stream.until)
    return [orjson.loads(payload) for at, payload in merged.items() if place_of(at) <= last]


def read_sessions(books: Books, archived: Sequence[StoredEntity]) -> None:
    """Everything the image holds, and the sessions that only the archive does."""
    for entity in books.image.entities:
        kind, _, name = entity.key.partition(":")
        if entity.key.startswith(SESSION_KEY_PREFIX):
            books.open_ids.add(name)
            _keep_state(books, name, orjson.loads(entity.blob))
        elif kind in ("pc", "club"):
            document = orjson.loads(entity.blob)
            books.told[entity.key] = document.get("event_seq", 0)
            if kind == "pc":
                books.pcs[name] = document
    # The archive is read later than the image: what it closed meanwhile is open here.
    closed = [stored for stored in archived if stored.key not in books.open_ids]
    for stored in (*closed, *books.image.closed):
        document = orjson.loads(stored.blob)
        books.closed[stored.key] = document
        _keep_state(books, stored.key, document["state"])


def read_states(books: Books, stored: Iterable[StoredEntity]) -> None:
    """Sessions as the store keeps them (by their entity's key), or final documents (by id)."""
    for entity in stored:
        document = orjson.loads(entity.blob)
        session_id = entity.key.removeprefix(SESSION_KEY_PREFIX)
        if session_id == entity.key:
            books.closed[session_id] = document
            document = document["state"]
        _keep_state(books, session_id, document)


def _keep_state(books: Books, session_id: str, data: Document) -> None:
    try:
        state = books.states[session_id] = session_from_dict(data)
        books.told[f"{SESSION_KEY_PREFIX}{session_id}"] = state.event_seq
    except StoredValueError as error:
        books.problems.append(Row("session readable", session_id, "a session", str(error)))


def _order(entry: StreamEntry) -> tuple[int, int]:
    return place_of(entry.entry_id)


def place_of(entry_id: str) -> tuple[int, int]:
    """A stream's entry id as something that compares."""
    at_ms, _, number = entry_id.partition("-")
    return int(at_ms), int(number)
