"""What staff do with a club's book: codes, requests, credentials. Pure decisions."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from controller.enrolment.book import Book, Decision, Entry
from schemas.enrolment import CredentialState, EnrolmentCode, PcCredential, WaitingRequest

CODES_MAX: Final = 16
"""Live codes of one club."""
REQUEST_KEPT_MS: Final = 24 * 3_600_000
"""How long a request waits for staff, and how long a rejected one is told so."""


class StaffRefusal(StrEnum):
    """Why staff cannot have it; stable codes."""

    TOO_MANY_CODES = "too-many-enrolment-codes"
    NO_SUCH_REQUEST = "enrolment-not-found"
    NO_SUCH_PC = "pc-not-found"
    PC_NEEDED = "enrolment-needs-pc"
    REJECTED = "enrolment-rejected"
    NOT_ENROLLED = "pc-not-enrolled"


@dataclass(frozen=True, slots=True)
class By:
    """Who does it and when."""

    principal: str
    now_ms: int


def issue_code(book: Book, code: EnrolmentCode) -> Decision[EnrolmentCode | StaffRefusal]:
    """Keep a code, strike out what is over. One of the same id is replaced."""
    stale = _stale(book, code.created_at_ms)
    over = {one.field for one in stale}
    live = [one for one in book.codes.values() if one.field not in over | {code.field}]
    if len(live) >= CODES_MAX:
        return Decision(StaffRefusal.TOO_MANY_CODES)
    return Decision(code, keep=(code,), strike=tuple(stale))


def approve(
    book: Book, request_id: str, pc_id: str | None, *, hall: Mapping[str, str], by: By
) -> Decision[PcCredential | StaffRefusal]:
    """Make a waiting machine the PC ``pc_id`` (None: the one it would be).

    Whatever that PC was known by before is no good from then on.
    """
    request = book.requests.get(request_id)
    if request is None:
        return _approved_before(book, request_id, pc_id)
    if request.rejected_at_ms is not None:
        return Decision(StaffRefusal.REJECTED)
    place = pc_id or request.pc_id
    if place is None:
        return Decision(StaffRefusal.PC_NEEDED)
    if place not in hall:
        return Decision(StaffRefusal.NO_SUCH_PC)
    credential = PcCredential(
        pc_id=place,
        request_id=request_id,
        secret_digest=request.secret_digest,
        broker_hash=request.broker_hash,
        facts=request.facts,
        enrolled_at_ms=by.now_ms,
        changed_at_ms=by.now_ms,
        changed_by=by.principal,
    )
    return Decision(credential, keep=(credential,), strike=(request,))


def reject(book: Book, request_id: str, by: By) -> Decision[WaitingRequest | StaffRefusal]:
    """Turn a waiting machine away; it is told so when it asks again."""
    request = book.requests.get(request_id)
    if request is None:
        return Decision(StaffRefusal.NO_SUCH_REQUEST)
    if request.rejected_at_ms is not None:
        return Decision(request)
    rejected = request.model_copy(update={"rejected_at_ms": by.now_ms})
    return Decision(rejected, keep=(rejected,))


def set_state(
    book: Book, pc_id: str, state: CredentialState, *, by: By
) -> Decision[PcCredential | StaffRefusal]:
    """Revoke or quarantine a PC's credentials. What is revoked stays so until it is enrolled."""
    credential = book.credentials.get(pc_id)
    if credential is None:
        return Decision(StaffRefusal.NOT_ENROLLED)
    if credential.state is state or not credential.is_active:
        return Decision(credential)
    changed = credential.model_copy(
        update={"state": state, "changed_at_ms": by.now_ms, "changed_by": by.principal}
    )
    return Decision(changed, keep=(changed,))


def want_renewal(book: Book, pc_id: str, by: By) -> Decision[PcCredential | StaffRefusal]:
    """Have a PC draw a new secret. Asked for again, the time it has for that runs on."""
    credential = book.credentials.get(pc_id)
    if credential is None or not credential.is_active:
        return Decision(StaffRefusal.NOT_ENROLLED)
    if credential.renew_wanted:
        return Decision(credential)
    wanted = credential.model_copy(
        update={"renew_wanted": True, "changed_at_ms": by.now_ms, "changed_by": by.principal}
    )
    return Decision(wanted, keep=(wanted,))


def _approved_before(
    book: Book, request_id: str, pc_id: str | None
) -> Decision[PcCredential | StaffRefusal]:
    for credential in book.credentials.values():
        if credential.request_id == request_id and pc_id in (None, credential.pc_id):
            return Decision(credential)
    return Decision(StaffRefusal.NO_SUCH_REQUEST)


def _stale(book: Book, now_ms: int) -> list[Entry]:
    codes: list[Entry] = [
        one for one in book.codes.values() if one.expires_at_ms <= now_ms or not one.uses_left
    ]
    old = (one for one in book.requests.values() if one.asked_at_ms + REQUEST_KEPT_MS <= now_ms)
    return [*codes, *old]
