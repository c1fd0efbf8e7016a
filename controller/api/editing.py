"""The way of an edit: decided on the whole catalogue as it is, written only if it still is so.

One key, one effect, one answer, as with commands. Whoever loses a race against another edit is
decided again on what there is then; ``If-Match`` says whether that is still what was asked for.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, TypeVar

import orjson

from actors.clock import Clock
from actors.club_setup import club_setups
from actors.store import (
    CatalogueEdit,
    CatalogueEditing,
    ClubTakenError,
    EntityWrite,
    Idempotency,
    UnitOutcome,
    UnitStatus,
)
from controller.api.commands import fingerprint_of
from controller.api.directory import ChainDirectory, Directory, parse_directory
from controller.api.models import Wire
from controller.api.principal import Principal
from controller.api.problems import ProblemError
from schemas.views import AuditEntryView

EDIT_ATTEMPTS_MAX: Final = 16
ETAG_DIGITS: Final = 20

A = TypeVar("A", bound=Wire)


@dataclass(frozen=True, slots=True)
class EditRequest:
    """Who asks for what: ``asked`` is the whole request, ``told`` what the audit keeps of it."""

    operation: str
    idempotency_key: str
    asked: object
    told: Mapping[str, object]
    club_id: str = ""


@dataclass(frozen=True, slots=True)
class Edited:
    """What an edit writes, and what is answered once it is written."""

    answer: Wire
    fields: Mapping[str, bytes | None] = field(default_factory=dict)
    documents: tuple[EntityWrite, ...] = ()


Decide = Callable[[ChainDirectory], Awaitable[Edited]]


def etag_of(stored: bytes) -> str:
    """The version of a catalogue document: a digest of what is stored."""
    return f'"{sha256(stored).hexdigest()[:ETAG_DIGITS]}"'


def etag_of_version(version: int) -> str:
    """The version of a chain document."""
    return f'"{version}"'


def check_etag(if_match: str | None, etag: str) -> None:
    """Raise ``if-match-missing``, or ``etag-changed`` when the caller has read another version."""
    if if_match is None or not if_match.strip():
        raise ProblemError("if-match-missing", field="If-Match")
    if if_match.strip() not in ("*", etag):
        raise ProblemError("etag-changed", field="If-Match")


def whole_chain_only(principal: Principal) -> None:
    """Raise ``forbidden`` for whoever sees only some clubs: this concerns all of them."""
    if principal.club_ids is not None:
        raise ProblemError("forbidden", "This concerns every club of the chain.")


class EditDesk:
    """Takes edits of what is configured."""

    def __init__(self, store: CatalogueEditing, clock: Clock, directory: Directory) -> None:
        self._store = store
        self._clock = clock
        self._directory = directory

    async def apply(
        self, principal: Principal, asked: EditRequest, kind: type[A], *, decide: Decide
    ) -> A:
        """The durable answer. Raises ProblemError, ``catalogue-busy`` among them."""
        chain_id = principal.chain_id
        key = f"api:{principal.label}:{asked.idempotency_key}"
        fingerprint = fingerprint_of(asked.operation, asked.asked)
        known = await self._store.answer(chain_id, key)
        if known is not None:
            return _first_answer(known, fingerprint, kind)
        for _ in range(EDIT_ATTEMPTS_MAX):
            image = await self._store.catalogue_image(chain_id)
            edited = await decide(parse_directory(image.fields))
            reply = orjson.dumps(edited.answer.model_dump(mode="json"))
            answer = Idempotency(key, fingerprint, reply)
            _check_readable(image.fields, edited.fields)
            edit = CatalogueEdit(
                revision=image.revision,
                fields=edited.fields,
                documents=edited.documents,
                audit=(self._audit_entry(principal, asked, key),),
                idempotency=answer,
            )
            outcome = await self._written(chain_id, edit)
            if outcome.status is UnitStatus.APPLIED:
                return _read(answer.reply, kind)
            if outcome.status is UnitStatus.DUPLICATE and outcome.reply is not None:
                return _read(outcome.reply, kind)
            if outcome.status is UnitStatus.KEY_REUSED:
                raise ProblemError("idempotency-key-reused", field="Idempotency-Key")
        raise ProblemError("catalogue-busy")

    async def _written(self, chain_id: str, edit: CatalogueEdit) -> UnitOutcome:
        try:
            outcome = await self._store.edit(chain_id, edit)
        except ClubTakenError as error:
            raise ProblemError("id-taken", field="clubId") from error
        self._directory.forget(chain_id)
        return outcome

    def _audit_entry(self, principal: Principal, asked: EditRequest, key: str) -> bytes:
        entry = AuditEntryView(
            at_ms=self._clock.wall_ms(),
            club_id=asked.club_id,
            principal=principal.label,
            channel=principal.channel.value,
            origin=principal.origin,
            operation=asked.operation,
            idempotency_key=key,
            asked=orjson.dumps(asked.told).decode(),
            result="ok",
            code=None,
        )
        return entry.model_dump_json().encode()


def _check_readable(before: Mapping[str, bytes], fields: Mapping[str, bytes | None]) -> None:
    """No edit may leave a catalogue that hosts cannot read."""
    if not fields:
        return
    after = {**before, **fields}
    try:
        club_setups({name: raw for name, raw in after.items() if raw is not None})
    except ValueError as error:
        raise ProblemError("invalid-request", str(error)[:300]) from error


def _first_answer(known: Idempotency, fingerprint: str, kind: type[A]) -> A:
    if known.fingerprint != fingerprint:
        raise ProblemError("idempotency-key-reused", field="Idempotency-Key")
    return _read(known.reply, kind)


def _read(reply: bytes, kind: type[A]) -> A:
    return kind.model_validate(orjson.loads(reply), by_alias=False, by_name=True)
