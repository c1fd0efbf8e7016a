"""One stored document that somebody asked for: read, or told to be one that cannot be."""

from collections.abc import Callable
from typing import TypeVar

import structlog

from actors.store import StoredEntity
from actors.unreadable import UNREADABLE_ERRORS
from controller.api.problems import ProblemError
from schemas.catalogue import PlayerDocument

Read = TypeVar("Read")

log = structlog.get_logger(__name__)


def read_or_quarantined(stored: StoredEntity, read: Callable[[bytes], Read]) -> Read:
    """What the document says. Raises ProblemError ``quarantined`` when this release cannot tell."""
    try:
        return read(stored.blob)
    except UNREADABLE_ERRORS as error:
        log.warning("document_unreadable", entity=stored.key, reason=repr(error))
        raise ProblemError("quarantined") from error


def player_in(stored: StoredEntity) -> PlayerDocument:
    """The player in a document. Raises ProblemError ``quarantined``."""
    return read_or_quarantined(stored, PlayerDocument.model_validate_json)
