"""The door for PCs that have no key yet: enrolment with a code, and how things stand later.

No key is asked for: a code or the PC's own secret is what a machine has to show. Wrong ones are
counted by address and by club, and are told to wait when they are many. A right one is let in
whoever else was wrong: nobody can lock a club out by guessing.
"""

from typing import Final

from fastapi import APIRouter, Request, Response

from controller.api.dependencies import InRooms, Rooms
from controller.api.enrolment_routes import office_of
from controller.api.guard import MAX_ORIGIN
from controller.api.problems import ProblemError
from controller.enrolment.admission import AdmissionCode
from controller.enrolment.codes import read_code
from controller.enrolment.halls import halls_of
from controller.enrolment.terms import PcTerms
from schemas.catalogue import ClubDocument
from schemas.enrolment import (
    ENROLMENT_PATH,
    REFRESH_PATH,
    EnrolmentAnswer,
    EnrolmentRequest,
    EnrolmentStatus,
    PcCredential,
    RefreshRequest,
    Standing,
)

ASK_AGAIN_S: Final = 10
ACCEPTED: Final = 202
MAX_CLUB_CHARACTERS: Final = 64

router = APIRouter(include_in_schema=False)


@router.post(ENROLMENT_PATH)
async def enrol(
    *, request: Request, response: Response, rooms: InRooms, asked: EnrolmentRequest
) -> EnrolmentAnswer:
    """Let a machine in by a code: 200 with how things stand, or 202 while staff decide."""
    terms = _terms(rooms)
    typed = read_code(asked.code)
    chain_id, club_id, admission = await office_of(rooms).admit(asked, _origin(request))
    match admission.code:
        case AdmissionCode.ENROLLED:
            standing = await _standing(rooms, terms, (chain_id, club_id), pc_id=admission.pc_id)
            return EnrolmentAnswer(
                status=EnrolmentStatus.ENROLLED,
                request_id=admission.request_id,
                standing=standing,
            )
        case AdmissionCode.WAITING:
            response.status_code = ACCEPTED
            return EnrolmentAnswer(
                status=EnrolmentStatus.WAITING,
                request_id=admission.request_id,
                retry_after_s=ASK_AGAIN_S,
            )
        case AdmissionCode.CODE_REFUSED:
            _refuse_wrong(request, rooms, "" if typed is None else typed.club_id)
        case _:
            pass
    raise ProblemError(admission.code.value)


@router.post(REFRESH_PATH)
async def refresh(request: Request, rooms: InRooms, asked: RefreshRequest) -> Standing:
    """How things stand for a known PC; with a new secret, that one is in force from now on."""
    terms = _terms(rooms)
    found = await office_of(rooms).refresh(asked)
    if found is None:
        _refuse_wrong(request, rooms, asked.club_id)
        raise ProblemError("credentials-refused")
    chain_id, credential = found
    return await _described(rooms, terms, (chain_id, asked.club_id), credential=credential)


async def _standing(
    rooms: Rooms, terms: PcTerms, club: tuple[str, str], *, pc_id: str | None
) -> Standing:
    book = await office_of(rooms).book_of(*club)
    credential = None if pc_id is None else book.credentials.get(pc_id)
    if credential is None:
        raise ProblemError(AdmissionCode.REVOKED.value)
    return await _described(rooms, terms, club, credential=credential)


async def _described(
    rooms: Rooms, terms: PcTerms, club: tuple[str, str], *, credential: PcCredential
) -> Standing:
    chain_id, club_id = club
    catalogue = await rooms.given.store.catalogue(chain_id)
    name = ClubDocument.model_validate_json(catalogue[f"club:{club_id}"]).name
    pc_name = halls_of(catalogue).get(club_id, {}).get(credential.pc_id, credential.pc_id)
    return terms.standing((club_id, name), pc_name, credential)


def _terms(rooms: Rooms) -> PcTerms:
    if rooms.given.pc_terms is None:
        raise ProblemError("enrolment-not-configured")
    return rooms.given.pc_terms


def _origin(request: Request) -> str:
    return "" if request.client is None else request.client.host[:MAX_ORIGIN]


def _refuse_wrong(request: Request, rooms: Rooms, club_id: str) -> None:
    """Count a wrong guess; raise ``too-many-guesses`` when there have been too many."""
    guesses, now_ms = rooms.given.guesses, rooms.given.real_clock.mono_ms()
    origin, club_id = _origin(request), club_id[:MAX_CLUB_CHARACTERS]
    pause_ms = guesses.pause_ms(origin=origin, club_id=club_id, now_ms=now_ms)
    if pause_ms:
        headers = {"Retry-After": str(-(-pause_ms // 1_000))}
        raise ProblemError("too-many-guesses", headers=headers)
    guesses.wrong(origin=origin, club_id=club_id, now_ms=now_ms)
