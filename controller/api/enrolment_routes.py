"""Enrolment for staff: one-time codes, machines that wait, credentials revoked and rotated."""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Final, Literal, TypeVar

from fastapi import APIRouter, Path

from actors.store import BookChange
from actors.strangers import STRANGERS_SNAPSHOT, Stranger, strangers_in
from controller.api import enrolment_models as wire
from controller.api.command_calls import ClubId, PcId
from controller.api.commands import checked_key
from controller.api.dependencies import AsPrincipal, InRooms, Rooms
from controller.api.directory import ChainDirectory
from controller.api.edit_calls import Edit, InEdit
from controller.api.editing import Edited
from controller.api.guard import GuardedRoute
from controller.api.instants import render_instant
from controller.api.models import Wire
from controller.api.openapi import API_PREFIX, COMMAND_PROBLEMS
from controller.api.paging import InTurning
from controller.api.problems import ProblemError
from controller.enrolment.book import Book, Decision, changes_of, parsed
from controller.enrolment.codes import CODE_BYTES, make_code
from controller.enrolment.halls import halls_of
from controller.enrolment.office import CodeWish, EnrolmentOffice, drawn_code
from controller.enrolment.staffing import (
    By,
    StaffRefusal,
    approve,
    issue_code,
    reject,
    set_state,
    want_renewal,
)
from controller.lists.held import Listing
from schemas.commands import EntityId
from schemas.enrolment import (
    CredentialState,
    EnrolmentCode,
    EnrolmentFacts,
    PcCredential,
    WaitingRequest,
)

CODE_ID_CHARACTERS: Final = 24
_CODE: Final = b"enrolment code\n"

router = APIRouter(
    prefix=f"{API_PREFIX}/clubs/{{clubId}}", route_class=GuardedRoute, responses=COMMAND_PROBLEMS
)

RequestId = Annotated[EntityId, Path(alias="requestId")]
T = TypeVar("T")
A = TypeVar("A", bound=Wire)
Change = Callable[[Book, Mapping[str, str]], Decision[T | StaffRefusal]]
"""A decision on a club's book and the PCs in service there, id -> name."""


@router.post(
    "/enrolment-codes", operation_id="createEnrolmentCode", tags=["enrolment"], status_code=201
)
async def create_enrolment_code(
    edit: InEdit, club_id: ClubId, asked: wire.CreateEnrolmentCodeRequest
) -> wire.NewEnrolmentCode:
    """Make a one-time code that lets PCs of the club in."""
    key, secret = checked_key(edit.idempotency_key), edit.rooms.given.code_secret
    code_id = sha256(f"{edit.principal.label}\n{key}".encode()).hexdigest()[:CODE_ID_CHARACTERS]
    wish = CodeWish(code_id, asked.uses, asked.minutes, asked.needs_approval, asked.pc_id)
    drawn = edit.rooms.given.draw_secret().hex()
    issued = drawn_code(club_id, wish, _code_bytes(secret, drawn), by=_by(edit))

    def issue(book: Book, hall: Mapping[str, str]) -> Decision[EnrolmentCode | StaffRefusal]:
        if wish.pc_id is not None and wish.pc_id not in hall:
            return Decision(StaffRefusal.NO_SUCH_PC)
        return issue_code(book, issued.document)

    def kept(code: EnrolmentCode) -> wire.KeptEnrolmentCode:
        return wire.KeptEnrolmentCode(
            drawn=drawn,
            uses=code.uses_left,
            expires_at=render_instant(code.expires_at_ms),
            needs_approval=code.needs_approval,
            pc_id=code.pc_id,
        )

    made = await _changed(
        _Asked(edit, club_id, "create_enrolment_code", asked.model_dump(mode="json")),
        wire.KeptEnrolmentCode,
        change=issue,
        shown=kept,
    )
    told = made.model_dump(exclude={"drawn"})
    return wire.NewEnrolmentCode(code=make_code(club_id, _code_bytes(secret, made.drawn)), **told)


def _code_bytes(secret: bytes, drawn: str) -> bytes:
    """What a code is made of: neither the store nor the secret alone tells it."""
    return hmac.digest(secret, _CODE + drawn.encode(), "sha256")[:CODE_BYTES]


@router.get("/quarantine", operation_id="getQuarantine", tags=["enrolment"])
async def get_quarantine(
    rooms: InRooms, principal: AsPrincipal, club_id: ClubId
) -> wire.QuarantineView:
    """Machines that wait, names nobody knows on the broker, and PCs that were shut out."""
    (await rooms.directory.chain(principal.chain_id)).club(club_id)
    book = await office_of(rooms).book_of(principal.chain_id, club_id)
    snapshots = await rooms.given.store.snapshots(STRANGERS_SNAPSHOT)
    waiting = sorted(book.requests.values(), key=lambda one: (one.asked_at_ms, one.request_id))
    return wire.QuarantineView(
        waiting=[_waiting(one) for one in waiting if one.rejected_at_ms is None],
        strangers=[_stranger(one) for one in strangers_in(snapshots.values(), club_id)],
        shut_out=[_shown(one) for one in book.credentials.values() if not one.is_active],
    )


CREDENTIALS: Final[Listing[PcCredential]] = Listing(
    row_id=lambda one: one.pc_id, sorts={"pcId": lambda one: one.pc_id}
)


@router.get("/credentials", operation_id="listPcCredentials", tags=["enrolment"])
async def list_credentials(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    turning: InTurning,
    club_id: ClubId,
    state: CredentialState | None = None,
    sort: Literal["pcId", "-pcId"] = "pcId",
) -> wire.CredentialsView:
    """Every PC of the club that was ever enrolled, by the state of what it is let in by."""
    ask = turning.asked(sort, state=state)
    (await rooms.directory.chain(principal.chain_id)).club(club_id)
    book = await office_of(rooms).book_of(principal.chain_id, club_id)
    wanted = (one for one in book.credentials.values() if state in (None, one.state))
    page, more = CREDENTIALS.page(wanted, ask)
    return wire.CredentialsView(credentials=[_shown(one) for one in page], next_cursor=more)


@router.post("/enrolments/{requestId}/approve", operation_id="approveEnrolment", tags=["enrolment"])
async def approve_enrolment(
    *, edit: InEdit, club_id: ClubId, request_id: RequestId, asked: wire.ApproveEnrolmentRequest
) -> wire.PcCredentials:
    """Let a waiting machine in, as the PC it is. What that PC was known by before is void."""
    by = _by(edit)
    return await _changed(
        _Asked(
            edit,
            club_id,
            "approve_enrolment",
            {"request_id": request_id, "pc_id": asked.pc_id},
        ),
        wire.PcCredentials,
        change=lambda book, hall: approve(book, request_id, asked.pc_id, hall=hall, by=by),
        shown=_shown,
    )


@router.post("/enrolments/{requestId}/reject", operation_id="rejectEnrolment", tags=["enrolment"])
async def reject_enrolment(
    edit: InEdit, club_id: ClubId, request_id: RequestId
) -> wire.WaitingMachine:
    """Turn a waiting machine away."""
    by = _by(edit)
    return await _changed(
        _Asked(edit, club_id, "reject_enrolment", {"request_id": request_id}),
        wire.WaitingMachine,
        change=lambda book, _hall: reject(book, request_id, by),
        shown=_waiting,
    )


@router.post("/pcs/{pcId}/revoke", operation_id="revokePc", tags=["enrolment"])
async def revoke_pc(edit: InEdit, club_id: ClubId, pc_id: PcId) -> wire.PcCredentials:
    """Shut a PC out at once, until it is enrolled anew. What it holds it plays to the end."""
    by = _by(edit)
    return await _changed(
        _Asked(edit, club_id, "revoked_pc", {"pc_id": pc_id}),
        wire.PcCredentials,
        change=lambda book, _hall: set_state(book, pc_id, CredentialState.REVOKED, by=by),
        shown=_shown,
    )


@router.post("/pcs/{pcId}/rotate", operation_id="rotatePcSecret", tags=["enrolment"])
async def rotate_pc_secret(edit: InEdit, club_id: ClubId, pc_id: PcId) -> wire.PcCredentials:
    """Have a PC draw a new secret: at once while it is on, otherwise when it comes back.

    The old secret dies as the new one is drawn. A PC that has not drawn one by `renewBy` is shut
    out; until then the old one is good, for whoever holds it. One that has leaked is revoked.
    """
    by = _by(edit)
    return await _changed(
        _Asked(edit, club_id, "rotate_pc_secret", {"pc_id": pc_id}),
        wire.PcCredentials,
        change=lambda book, _hall: want_renewal(book, pc_id, by),
        shown=_shown,
    )


def office_of(rooms: Rooms) -> EnrolmentOffice:
    """Enrolment over the application's store."""
    return rooms.office


@dataclass(frozen=True, slots=True)
class _Asked:
    """What staff ask for in a club's book; ``asked`` holds no secret."""

    edit: Edit
    club_id: str
    operation: str
    asked: Mapping[str, object]


async def _changed(what: _Asked, kind: type[A], *, change: Change[T], shown: Callable[[T], A]) -> A:
    """Change a club's book by the way of an edit: once for its key, and only as it was read."""
    edit, club_id = what.edit, what.club_id
    store, chain_id = edit.rooms.given.store, edit.principal.chain_id

    async def decide(directory: ChainDirectory) -> Edited:
        directory.club(club_id)
        hall = halls_of(directory.raw).get(club_id, {})
        raw = await store.enrolment(chain_id, club_id)
        decision = change(parsed(raw), hall)
        if isinstance(decision.answer, StaffRefusal):
            raise ProblemError(decision.answer.value)
        changes = changes_of(raw, decision)
        return Edited(shown(decision.answer), book=BookChange(club_id, changes))

    asked = {"club_id": club_id, **what.asked}
    told = {name: value for name, value in what.asked.items() if value is not None}
    return await edit.apply(what.operation, kind, asked, decide=decide, told=told, club_id=club_id)


def _by(edit: Edit) -> By:
    return By(edit.principal.label, edit.rooms.given.real_clock.wall_ms())


def _machine(facts: EnrolmentFacts) -> wire.Machine:
    return wire.Machine(
        hostname=facts.hostname, mac=facts.mac, board=facts.board, system=facts.system
    )


def _waiting(one: WaitingRequest) -> wire.WaitingMachine:
    return wire.WaitingMachine(
        request_id=one.request_id,
        reason=one.reason.value,
        pc_id=one.pc_id,
        machine=_machine(one.facts),
        origin=one.origin,
        asked_at=render_instant(one.asked_at_ms),
    )


def _stranger(one: Stranger) -> wire.StrangeDevice:
    return wire.StrangeDevice(
        pc_id=one.pc_id, messages=one.messages, last_seen_at=render_instant(one.last_seen_at_ms)
    )


def _shown(one: PcCredential) -> wire.PcCredentials:
    renewed, renew_by = one.renewed_at_ms, one.renew_by_ms
    return wire.PcCredentials(
        pc_id=one.pc_id,
        state=one.state.value,
        machine=_machine(one.facts),
        enrolled_at=render_instant(one.enrolled_at_ms),
        renewed_at=None if renewed is None else render_instant(renewed),
        renew_wanted=one.renew_wanted,
        renew_by=None if renew_by is None else render_instant(renew_by),
    )
