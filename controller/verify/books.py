"""What a check looks at: a bounded part of a chain's sessions and PCs, and their money."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import orjson

from actors.store import SESSION_KEY_PREFIX, StoredEntity
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
        kind, _, name = entity.key.partition(":")
        document = orjson.loads(entity.blob)
        if entity.key.startswith(SESSION_KEY_PREFIX):
            books.versions[name] = entity.version
            _keep_state(books, name, document)
        elif kind in ("pc", "club"):
            books.told[entity.key] = document.get("event_seq", 0)
            if kind == "pc":
                books.pcs[name] = document
        elif ":" not in entity.key:
            books.closed[entity.key] = document
            _keep_state(books, entity.key, document["state"])
    return books


def _keep_state(books: Books, session_id: str, data: Document) -> None:
    try:
        state = books.states[session_id] = session_from_dict(data)
        books.told[f"{SESSION_KEY_PREFIX}{session_id}"] = state.event_seq
    except StoredValueError as error:
        books.problems.append(Row("session readable", session_id, "a session", str(error)))
