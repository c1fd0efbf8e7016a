"""The way of an edit: decided on the whole catalogue as it is, written only if it still is so.

One key, one effect, one answer, as with commands: a refusal that was decided is an answer too, and
is kept with its key by the same write. Whoever loses a race against another edit is decided again
on what there is then; ``If-Match`` says whether that is still what was asked for.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, TypeVar

import orjson

from actors.clock import Clock
from actors.club_setup import club_setups
from actors.store import (
    BookChange,
    CatalogueEdit,
    CatalogueEditing,
    CatalogueImage,
    ClubTakenError,
    EntityWrite,
    Idempotency,
    UnitStatus,
)
from actors.unreadable import UNREADABLE_ERRORS
from controller.api.commands import fingerprint_of
from controller.api.directory import ChainDirectory, Directory, parse_directory
from controller.api.models import Wire
from controller.api.principal import Principal
from controller.api.problems import FieldError, Noting, ProblemError

EDIT_ATTEMPTS_MAX: Final = 16
ETAG_DIGITS: Final = 20
_UNDECIDED: Final = frozenset({"if-match-missing", "idempotency-key-reused", "quarantined"})
"""What decides nothing about the chain: the key stays free, or is another request's."""
_REFUSAL: Final = "~refusal"
"""Where a kept answer says that it is one; no answer has a field of this name."""

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
    """What an edit writes, and what is answered once it is written.

    ``told`` is what the audit keeps instead of what was asked, where the decision knows better.
    """

    answer: Wire
    fields: Mapping[str, bytes | None] = field(default_factory=dict)
    documents: tuple[EntityWrite, ...] = ()
    book: BookChange | None = None
    told: Mapping[str, object] | None = None


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
        asking = _Asking(principal, asked, key, fingerprint_of(asked.operation, asked.asked))
        known = await self._store.answer(chain_id, key)
        if known is not None:
            return _read(_first_answer(known, asking), kind)
        for _ in range(EDIT_ATTEMPTS_MAX):
            image = await self._store.catalogue_image(chain_id)
            decided = await _decided(image, decide)
            try:
                reply = await self._kept(asking, image, decided)
            except ClubTakenError:
                reply = await self._kept(
                    asking, image, _refused(ProblemError("id-taken", field="clubId"))
                )
            if reply is not None:
                return _read(reply, kind)
        raise ProblemError("catalogue-busy")

    async def _kept(
        self, asking: "_Asking", image: CatalogueImage, decided: "_Decided"
    ) -> bytes | None:
        """The answer that the key has from now on, which is the first one if there is one already;
        None when the catalogue has changed. Raises ClubTakenError, ProblemError for a used key."""
        chain_id, edited = asking.principal.chain_id, decided.edited
        answer = Idempotency(asking.key, asking.fingerprint, decided.reply)
        edit = CatalogueEdit(
            revision=image.revision,
            fields={} if edited is None else edited.fields,
            documents=() if edited is None else edited.documents,
            book=None if edited is None else edited.book,
            audit=(self._audit_entry(asking, decided),),
            idempotency=answer,
        )
        outcome = await self._store.edit(chain_id, edit)
        if edited is not None:
            self._directory.forget(chain_id)
        if outcome.status is UnitStatus.KEY_REUSED:
            raise ProblemError("idempotency-key-reused", field="Idempotency-Key")
        if outcome.status is UnitStatus.DUPLICATE:
            return outcome.reply
        return answer.reply if outcome.status is UnitStatus.APPLIED else None

    def _audit_entry(self, asking: "_Asking", decided: "_Decided") -> bytes:
        asked, told = asking.asked, None if decided.edited is None else decided.edited.told
        return asking.principal.asker.entry(
            asked.operation,
            asked.told if told is None else told,
            at_ms=self._clock.wall_ms(),
            club_id=asked.club_id,
            idempotency_key=asking.key,
            code=decided.refusal_code,
        )


@dataclass(frozen=True, slots=True)
class _Asking:
    principal: Principal
    asked: EditRequest
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class _Decided:
    """What to write, and the answer as it is kept."""

    reply: bytes
    edited: Edited | None = None
    refusal_code: str | None = None


async def _decided(image: CatalogueImage, decide: Decide) -> _Decided:
    """The decision. Raises ProblemError where nothing could be decided: the key stays free."""
    try:
        edited = await decide(parse_directory(image.fields))
        _check_readable(image.fields, edited.fields)
    except ProblemError as refusal:
        if refusal.kind.code in _UNDECIDED:
            raise
        return _refused(refusal)
    return _Decided(orjson.dumps(edited.answer.model_dump(mode="json")), edited)


def _refused(refusal: ProblemError) -> _Decided:
    errors = [[one.field, one.message] for one in refusal.errors]
    told = {"code": refusal.kind.code, "detail": refusal.detail, "field": refusal.field}
    kept = orjson.dumps({_REFUSAL: {**told, "errors": errors}})
    return _Decided(kept, refusal_code=refusal.kind.code)


def _check_readable(before: Mapping[str, bytes], fields: Mapping[str, bytes | None]) -> None:
    """No edit may leave a catalogue that hosts cannot read."""
    if not fields:
        return
    after = {**before, **fields}
    try:
        club_setups({name: raw for name, raw in after.items() if raw is not None})
    except ValueError as error:
        raise ProblemError("invalid-request", str(error)[:300]) from error


def _first_answer(known: Idempotency, asking: _Asking) -> bytes:
    if known.fingerprint != asking.fingerprint:
        raise ProblemError("idempotency-key-reused", field="Idempotency-Key")
    return known.reply


def _read(reply: bytes, kind: type[A]) -> A:
    """The answer as it was given first. Raises the ProblemError that it was."""
    try:
        answer: dict[str, Any] = orjson.loads(reply)
        refusal = answer.get(_REFUSAL)
        if refusal is None:
            return kind.model_validate(answer, by_alias=False, by_name=True)
        told = _told(refusal)
    except UNREADABLE_ERRORS as error:
        raise ProblemError("answer-of-another-release") from error
    raise told


def _told(refusal: Mapping[str, Any]) -> ProblemError:
    errors = tuple(FieldError(field, message) for field, message in refusal["errors"])
    return ProblemError(
        refusal["code"],
        refusal["detail"],
        field=refusal["field"],
        errors=errors,
        noting=Noting.DONE,
    )
