"""A club's enrolment book as documents, and changing it on what was read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import structlog
from pydantic import BaseModel, ValidationError

from actors.store import StoreUnavailableError
from actors.store_enrolment import EnrolmentBooks, FieldChange
from schemas.enrolment import (
    CODE_FIELD,
    CREDENTIAL_FIELD,
    REQUEST_FIELD,
    EnrolmentCode,
    PcCredential,
    WaitingRequest,
)

ATTEMPTS_MAX: Final = 32

log = structlog.get_logger(__name__)

D = TypeVar("D", EnrolmentCode, WaitingRequest, PcCredential)
T = TypeVar("T")
Entry = EnrolmentCode | WaitingRequest | PcCredential


@dataclass(frozen=True, slots=True)
class Book:
    """A club's book as read; by code id, request id and PC id."""

    codes: Mapping[str, EnrolmentCode] = field(default_factory=dict)
    requests: Mapping[str, WaitingRequest] = field(default_factory=dict)
    credentials: Mapping[str, PcCredential] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision(Generic[T]):
    """What to answer, and the entries to keep and to strike out for it."""

    answer: T
    keep: tuple[Entry, ...] = ()
    strike: tuple[Entry, ...] = ()


def parsed(raw: Mapping[str, bytes]) -> Book:
    """The documents of a book. One that does not read is passed over, and said so."""
    return Book(
        codes={one.code_id: one for one in _read(EnrolmentCode, CODE_FIELD, raw)},
        requests={one.request_id: one for one in _read(WaitingRequest, REQUEST_FIELD, raw)},
        credentials={one.pc_id: one for one in _read(PcCredential, CREDENTIAL_FIELD, raw)},
    )


async def changed(
    store: EnrolmentBooks, place: tuple[str, str], decide: Callable[[Book], Decision[T]]
) -> T:
    """Decide on the book of (chain, club) and write it down; decided again if it moved meanwhile.

    Raises StoreUnavailableError without an answer, and when others keep changing the book.
    """
    chain_id, club_id = place
    for _ in range(ATTEMPTS_MAX):
        raw = await store.enrolment(chain_id, club_id)
        decision = decide(parsed(raw))
        changes = changes_of(raw, decision)
        if not changes or await store.change_enrolment(chain_id, club_id, changes):
            return decision.answer
    raise StoreUnavailableError(f"the enrolment book of {club_id} keeps changing")


def changes_of(raw: Mapping[str, bytes], decision: Decision[T]) -> dict[str, FieldChange]:
    """What a decision on the book ``raw`` changes in it."""
    wanted = {one.field: None for one in decision.strike} | {
        one.field: _stored(one) for one in decision.keep
    }
    return {
        name: FieldChange(raw.get(name), after)
        for name, after in wanted.items()
        if raw.get(name) != after
    }


def _stored(entry: BaseModel) -> bytes:
    return entry.model_dump_json(exclude_none=True).encode()


def _read(model: type[D], prefix: str, raw: Mapping[str, bytes]) -> list[D]:
    found = []
    for name in sorted(raw):
        if not name.startswith(prefix):
            continue
        try:
            found.append(model.model_validate_json(raw[name]))
        except ValidationError:
            log.warning("enrolment_unreadable", field=name)
    return found
