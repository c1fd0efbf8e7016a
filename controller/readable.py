"""Stored documents one by one: one that cannot be read is left out and told of, not the list."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import orjson
import structlog

from actors.store import StoredEntity
from actors.unreadable import UNREADABLE_ERRORS
from billing_core.session import SessionState
from billing_core.stored import session_from_dict

Read = TypeVar("Read")

log = structlog.get_logger(__name__)


def readable(
    stored: Iterable[StoredEntity], read: Callable[[StoredEntity], Read]
) -> Iterator[tuple[StoredEntity, Read]]:
    """Each document that can be read, with what it says."""
    for one in stored:
        try:
            yield one, read(one)
        except UNREADABLE_ERRORS as error:
            log.warning("document_left_out", entity=one.key, reason=repr(error))


def session_of(stored: StoredEntity) -> SessionState:
    """The session in an entity, open or ended."""
    document = orjson.loads(stored.blob)
    return session_from_dict(document.get("state", document))
