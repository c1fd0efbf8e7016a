"""Enrolment for staff: one-time codes, machines that wait, credentials revoked and rotated."""

from hashlib import sha256
from typing import Annotated, TypeVar

from fastapi import APIRouter, Path

from actors.strangers import STRANGERS_SNAPSHOT, Stranger, strangers_in
from controller.api import enrolment_models as wire
from controller.api.command_calls import ClubId, IdempotencyKey, PcId
from controller.api.commands import checked_key
from controller.api.dependencies import AsPrincipal, InRooms, Rooms
from controller.api.guard import GuardedRoute
from controller.api.instants import render_instant
from controller.api.openapi import API_PREFIX, COMMAND_PROBLEMS
from controller.api.principal import Principal
from controller.api.problems import ProblemError
from controller.enrolment.office import CodeWish, EnrolmentOffice, Place
from controller.enrolment.staffing import StaffRefusal
from schemas.commands import EntityId
from schemas.enrolment import EnrolmentFacts, PcCredential, WaitingRequest

CODE_ID_CHARACTERS = 24

router = APIRouter(
    prefix=f"{API_PREFIX}/clubs/{{clubId}}", route_class=GuardedRoute, responses=COMMAND_PROBLEMS
)

RequestId = Annotated[EntityId, Path(alias="requestId")]
T = TypeVar("T")


@router.post(
    "/enrolment-codes", operation_id="createEnrolmentCode", tags=["enrolment"], status_code=201
)
async def create_enrolment_code(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    club_id: ClubId,
    asked: wire.CreateEnrolmentCodeRequest,
    idempotency_key: IdempotencyKey = None,
) -> wire.NewEnrolmentCode:
    """Make a one-time code that lets PCs of the club in. It is shown once."""
    place = await _place(rooms, principal, club_id=club_id, key=idempotency_key)
    fingerprint = f"{place.principal}\n{place.idempotency_key}"
    code_id = sha256(fingerprint.encode()).hexdigest()[:CODE_ID_CHARACTERS]
    wish = CodeWish(code_id, asked.uses, asked.minutes, asked.needs_approval, asked.pc_id)
    issued = _accepted(await office_of(rooms).issue(place, wish))
    return wire.NewEnrolmentCode(
        code=issued.text,
        uses=issued.document.uses_left,
        expires_at=render_instant(issued.document.expires_at_ms),
        needs_approval=issued.document.needs_approval,
        pc_id=issued.document.pc_id,
    )


@router.get("/quarantine", operation_id="getQuarantine", tags=["enrolment"])
async def get_quarantine(
    rooms: InRooms, principal: AsPrincipal, club_id: ClubId
) -> wire.QuarantineView:
    """Machines that wait, names nobody knows on the broker, and PCs that were shut out."""
    (await rooms.directory.chain(principal.chain_id)).club(club_id)
    book = await office_of(rooms).book(Place(principal.chain_id, club_id, principal.label))
    snapshots = await rooms.given.store.snapshots(STRANGERS_SNAPSHOT)
    waiting = sorted(book.requests.values(), key=lambda one: (one.asked_at_ms, one.request_id))
    return wire.QuarantineView(
        waiting=[_waiting(one) for one in waiting if one.rejected_at_ms is None],
        strangers=[_stranger(one) for one in strangers_in(snapshots.values(), club_id)],
        shut_out=[_shown(one) for one in book.credentials.values() if not one.is_active],
    )


@router.get("/credentials", operation_id="listPcCredentials", tags=["enrolment"])
async def list_credentials(
    rooms: InRooms, principal: AsPrincipal, club_id: ClubId
) -> wire.CredentialsView:
    """Every PC of the club that was ever enrolled."""
    (await rooms.directory.chain(principal.chain_id)).club(club_id)
    book = await office_of(rooms).book(Place(principal.chain_id, club_id, principal.label))
    return wire.CredentialsView(credentials=[_shown(one) for one in book.credentials.values()])


@router.post("/enrolments/{requestId}/approve", operation_id="approveEnrolment", tags=["enrolment"])
async def approve_enrolment(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    club_id: ClubId,
    request_id: RequestId,
    asked: wire.ApproveEnrolmentRequest,
    idempotency_key: IdempotencyKey = None,
) -> wire.PcCredentials:
    """Let a waiting machine in, as the PC it is. What that PC was known by before is void."""
    place = await _place(rooms, principal, club_id=club_id, key=idempotency_key)
    done = await office_of(rooms).approve(place, request_id, asked.pc_id)
    return _shown(_accepted(done))


@router.post("/enrolments/{requestId}/reject", operation_id="rejectEnrolment", tags=["enrolment"])
async def reject_enrolment(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    club_id: ClubId,
    request_id: RequestId,
    idempotency_key: IdempotencyKey = None,
) -> wire.WaitingMachine:
    """Turn a waiting machine away."""
    place = await _place(rooms, principal, club_id=club_id, key=idempotency_key)
    return _waiting(_accepted(await office_of(rooms).reject(place, request_id)))


@router.post("/pcs/{pcId}/revoke", operation_id="revokePc", tags=["enrolment"])
async def revoke_pc(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    club_id: ClubId,
    pc_id: PcId,
    idempotency_key: IdempotencyKey = None,
) -> wire.PcCredentials:
    """Shut a PC out at once, until it is enrolled anew. What it holds it plays to the end."""
    place = await _place(rooms, principal, club_id=club_id, key=idempotency_key)
    return _shown(_accepted(await office_of(rooms).revoke(place, pc_id)))


@router.post("/pcs/{pcId}/rotate", operation_id="rotatePcSecret", tags=["enrolment"])
async def rotate_pc_secret(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    club_id: ClubId,
    pc_id: PcId,
    idempotency_key: IdempotencyKey = None,
) -> wire.PcCredentials:
    """Have a PC draw a new secret by itself; the old one is void from that moment."""
    place = await _place(rooms, principal, club_id=club_id, key=idempotency_key)
    return _shown(_accepted(await office_of(rooms).rotate(place, pc_id)))


def office_of(rooms: Rooms) -> EnrolmentOffice:
    """Enrolment over the application's store."""
    return rooms.office


async def _place(rooms: Rooms, principal: Principal, *, club_id: str, key: str | None) -> Place:
    checked = checked_key(key)
    (await rooms.directory.chain(principal.chain_id)).club(club_id)
    return Place(
        principal.chain_id,
        club_id,
        principal.label,
        origin=principal.origin,
        channel=principal.channel.value,
        idempotency_key=checked,
    )


def _accepted(done: T | StaffRefusal) -> T:
    if isinstance(done, StaffRefusal):
        raise ProblemError(done.value)
    return done


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
    renewed = one.renewed_at_ms
    return wire.PcCredentials(
        pc_id=one.pc_id,
        state=one.state.value,
        machine=_machine(one.facts),
        enrolled_at=render_instant(one.enrolled_at_ms),
        renewed_at=None if renewed is None else render_instant(renewed),
        renew_wanted=one.renew_wanted,
    )
