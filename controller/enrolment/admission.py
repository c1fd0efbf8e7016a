"""A machine asks to be let in: the pure decision on a club's book.

A code alone makes a PC known that nobody was before. It never takes a known PC's place: that
needs staff, or a code that staff made for this very PC.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final

from controller.enrolment.book import Book, Decision
from controller.enrolment.codes import TypedCode, find_code
from schemas.enrolment import (
    CredentialState,
    EnrolmentCode,
    EnrolmentRequest,
    PcCredential,
    WaitingReason,
    WaitingRequest,
)

WAITING_MAX: Final = 256
"""Machines of one club that may wait for staff at a time."""
REQUEST_ID_CHARACTERS: Final = 32


class AdmissionCode(StrEnum):
    """What became of a request; refusals are stable codes."""

    ENROLLED = "enrolled"
    WAITING = "waiting"
    CODE_REFUSED = "enrolment-code-refused"
    REJECTED = "enrolment-rejected"
    REVOKED = "credentials-revoked"
    FULL = "too-many-enrolments-waiting"


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer to a machine; ``pc_id`` when it is enrolled, ``is_new`` when it just changed
    something."""

    code: AdmissionCode
    request_id: str
    pc_id: str | None = None
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Asking:
    """A request with what the edge knows of it. ``hall`` is the club's PCs, id -> name."""

    request: EnrolmentRequest
    typed: TypedCode | None
    hall: Mapping[str, str]
    broker_hash: str
    origin: str
    now_ms: int


def secret_digest(secret: str) -> str:
    """What a secret is known again by."""
    return sha256(f"clubctl-pc\n{secret}".encode()).hexdigest()


def request_id_of(digest: str) -> str:
    """The name of a request, from its secret's digest."""
    return digest[:REQUEST_ID_CHARACTERS]


def may_be_let_in(book: Book, secret: str, typed: TypedCode, *, now_ms: int) -> bool:
    """Whether a machine has asked before or shows a good code; cheap enough to ask for anybody."""
    if _known(book, secret_digest(secret)) is not None:
        return True
    return find_code(book.codes.values(), typed, now_ms) is not None


def admit(book: Book, asking: Asking) -> Decision[Admission]:
    """Let the machine in, let it wait, or say no."""
    digest = secret_digest(asking.request.secret)
    known = _known(book, digest)
    if known is not None:
        return Decision(known)
    request_id = request_id_of(digest)
    typed = asking.typed
    code = None if typed is None else find_code(book.codes.values(), typed, asking.now_ms)
    if code is None:
        return Decision(Admission(AdmissionCode.CODE_REFUSED, request_id))
    pc_id = place_of(asking, code)
    reason = _must_wait(book, code, pc_id)
    used = code.model_copy(update={"uses_left": code.uses_left - 1})
    if reason is None and pc_id is not None:
        credential = _credential(asking, digest, pc_id)
        admitted = Admission(AdmissionCode.ENROLLED, request_id, pc_id, is_new=True)
        return Decision(admitted, keep=(credential, used))
    if sum(one.rejected_at_ms is None for one in book.requests.values()) >= WAITING_MAX:
        return Decision(Admission(AdmissionCode.FULL, request_id))
    waiting = WaitingRequest(
        request_id=request_id,
        secret_digest=digest,
        broker_hash=asking.broker_hash,
        reason=reason or WaitingReason.NO_SUCH_PC,
        facts=asking.request.facts,
        origin=asking.origin,
        pc_id=pc_id,
        asked_at_ms=asking.now_ms,
    )
    return Decision(Admission(AdmissionCode.WAITING, request_id, is_new=True), keep=(waiting, used))


def place_of(asking: Asking, code: EnrolmentCode) -> str | None:
    """The PC this machine is: the code's, the one it names, or the one named like the machine."""
    wanted = code.pc_id or asking.request.pc_id
    if wanted is not None:
        return wanted if wanted in asking.hall else None
    hostname = _plain(asking.request.facts.hostname)
    if not hostname:
        return None
    alike = [
        pc_id for pc_id, name in asking.hall.items() if hostname in (_plain(pc_id), _plain(name))
    ]
    return alike[0] if len(alike) == 1 else None


def _known(book: Book, digest: str) -> Admission | None:
    """The answer to somebody who has asked before: the same as then, or what staff made of it."""
    request_id = request_id_of(digest)
    for credential in book.credentials.values():
        if hmac.compare_digest(credential.secret_digest, digest):
            if credential.is_active:
                return Admission(AdmissionCode.ENROLLED, request_id, credential.pc_id)
            return Admission(AdmissionCode.REVOKED, request_id)
    waiting = book.requests.get(request_id)
    if waiting is None:
        return None
    over = waiting.rejected_at_ms is not None
    return Admission(AdmissionCode.REJECTED if over else AdmissionCode.WAITING, request_id)


def _must_wait(book: Book, code: EnrolmentCode, pc_id: str | None) -> WaitingReason | None:
    if pc_id is None:
        return WaitingReason.NO_SUCH_PC
    if pc_id in book.credentials and code.pc_id != pc_id:
        return WaitingReason.PC_TAKEN
    return WaitingReason.APPROVAL if code.needs_approval else None


def _credential(asking: Asking, digest: str, pc_id: str) -> PcCredential:
    return PcCredential(
        pc_id=pc_id,
        request_id=request_id_of(digest),
        secret_digest=digest,
        broker_hash=asking.broker_hash,
        state=CredentialState.ACTIVE,
        facts=asking.request.facts,
        enrolled_at_ms=asking.now_ms,
        changed_at_ms=asking.now_ms,
    )


def _plain(name: str) -> str:
    return "".join(each for each in name.casefold() if each.isalnum())
