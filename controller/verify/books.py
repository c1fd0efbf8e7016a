"""What a check looks at: a bounded part of a chain's sessions and PCs, and their money."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import orjson

from actors.store import SESSION_KEY_PREFIX, StoredEntity
from actors.unreadable import UNREADABLE_ERRORS
from billing_core.session import SessionState
from billing_core.stored import StoredValueError, session_from_dict

Document: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that is not as it must be. ``subject`` names it: an account, a session, a PC."""

    check: str
    subject: str
    expected: str
    found: str


@dataclass(slots=True)
class Books:
    """``closed`` has the whole final documents, ``states`` the states of all sessions here."""

    transactions: list[Document] = field(default_factory=list)
    states: dict[str, SessionState] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    """Of the sessions that are open, as stored."""
    closed: dict[str, Document] = field(default_factory=dict)
    pcs: dict[str, Document] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)
    """How many events each source says it has told."""
    problems: list[Row] = field(default_factory=list)
    """What could not be read at all."""

    @property
    def session_ids(self) -> list[str]:
        """Every session here, readable or not."""
        return sorted(self.versions.keys() | self.closed.keys())


def books_of(stored: Iterable[StoredEntity]) -> Books:
    """Entities of shards (by their keys) and final documents (by session id)."""
    books = Books()
    for entity in stored:
        _keep(books, entity)
    return books


def pieces_of(
    stored: Iterable[StoredEntity], *, sessions_max: int, steps_max: int
) -> Iterator[Books]:
    """The same in parts of up to so many entities, closed by the one that reaches ``steps_max``.

    What was posted for a session is as much as it has steps, be it a minute or a week long.
    """
    books, kept, steps = Books(), 0, 0
    for entity in stored:
        steps += _keep(books, entity)
        kept += 1
        if kept >= sessions_max or steps >= steps_max:
            yield books
            books, kept, steps = Books(), 0, 0
    if kept:
        yield books


def _keep(books: Books, entity: StoredEntity) -> int:
    """Add one entity; how many steps it says were posted for it."""
    try:
        return _keep_read(books, entity, orjson.loads(entity.blob))
    except UNREADABLE_ERRORS as error:
        books.problems.append(Row("document readable", entity.key, "a document", repr(error)))
        return 0


def _keep_read(books: Books, entity: StoredEntity, document: Document) -> int:
    kind, _, name = entity.key.partition(":")
    if entity.key.startswith(SESSION_KEY_PREFIX):
        books.versions[name] = entity.version
        return _keep_state(books, name, document)
    if kind in ("pc", "club"):
        books.told[entity.key] = document.get("event_seq", 0)
        if kind == "pc":
            books.pcs[name] = document
    elif ":" not in entity.key:
        steps = _keep_state(books, entity.key, document["state"])
        books.closed[entity.key] = document
        return steps
    return 0


def _keep_state(books: Books, session_id: str, data: Document) -> int:
    try:
        state = books.states[session_id] = session_from_dict(data)
    except StoredValueError as error:
        books.problems.append(Row("session readable", session_id, "a session", str(error)))
        return 0
    books.told[f"{SESSION_KEY_PREFIX}{session_id}"] = state.event_seq
    return sum(segment.steps for segment in state.segments)
