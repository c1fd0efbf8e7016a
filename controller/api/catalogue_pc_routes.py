"""PCs of a club as configured: listed, made, moved, renamed, retired."""

from typing import Annotated, Final

import orjson
from fastapi import APIRouter, Query, Response

from controller.api import catalogue_models as wire
from controller.api.catalogue_rendering import pc_settings
from controller.api.command_calls import ClubId, PcId
from controller.api.dependencies import AsPrincipal, InRooms, Rooms
from controller.api.directory import ChainDirectory
from controller.api.edit_calls import EditedVersion, InEdit, with_etag
from controller.api.editing import Edited, check_etag, etag_of
from controller.api.guard import GuardedRoute
from controller.api.openapi import API_PREFIX, EDIT_PROBLEMS, QUERY_PROBLEMS
from controller.api.paging import Id, InTurning, PlaceSort
from controller.api.problems import ProblemError
from controller.lists.held import Listing, in_hall
from schemas.catalogue import PcAdministrativeState, PcDocument

router = APIRouter(prefix=f"{API_PREFIX}/clubs/{{clubId}}/pcs", route_class=GuardedRoute)


PCS: Final[Listing[PcDocument]] = Listing(
    row_id=lambda pc: pc.pc_id,
    sorts={"position": lambda pc: in_hall(pc.position, pc.name), "name": lambda pc: pc.name},
)


@router.get("", operation_id="listPcs", tags=["pcs"], responses=QUERY_PROBLEMS)
async def list_pcs(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    turning: InTurning,
    club_id: ClubId,
    zone_id: Annotated[Id, Query(alias="zoneId")] = None,
    state: Annotated[PcAdministrativeState | None, Query(alias="administrativeState")] = None,
    retired: bool = False,
    sort: PlaceSort = "position",
) -> wire.PcSettingsList:
    """A club's PCs in the order of the hall unless told, by zone and by state; retired ones only
    with `retired`, or when `administrativeState` asks for them."""
    ask = turning.asked(sort, zone=zone_id, state=state, retired=retired)
    directory = await rooms.directory.chain(principal.chain_id, fresh=turning.is_first)
    directory.club(club_id)
    states = set(PcAdministrativeState) if retired else {PcAdministrativeState.IN_SERVICE}
    states = states if state is None else {state}
    found = (pc for pc in directory.every_pc.values() if pc.club_id == club_id)
    wanted = (pc for pc in found if pc.state in states and zone_id in (None, pc.zone_id))
    page, more = PCS.page(wanted, ask)
    return wire.PcSettingsList(pcs=[_shown(directory, pc) for pc in page], next_cursor=more)


@router.post("", operation_id="createPc", tags=["pcs"], status_code=201, responses=EDIT_PROBLEMS)
async def create_pc(
    *, edit: InEdit, club_id: ClubId, asked: wire.CreatePcRequest
) -> wire.PcSettings:
    """A new PC in a zone of the club; it is locked until it is enrolled and played on."""

    async def decide(directory: ChainDirectory) -> Edited:
        directory.club(club_id)
        if asked.pc_id in directory.every_pc:
            raise ProblemError("id-taken", field="pcId")
        pc = PcDocument(
            pc_id=asked.pc_id,
            club_id=club_id,
            zone_id=asked.zone_id,
            name=asked.name,
            position=asked.position,
        )
        return _checked(directory, pc)

    in_full = {"club_id": club_id, **asked.model_dump(mode="json", exclude_unset=True)}
    return await edit.apply("createPc", wire.PcSettings, in_full, decide=decide, club_id=club_id)


@router.get("/{pcId}", operation_id="getPc", tags=["pcs"], responses=QUERY_PROBLEMS)
async def get_pc(
    *, rooms: InRooms, principal: AsPrincipal, club_id: ClubId, pc_id: PcId, response: Response
) -> wire.PcSettings:
    """A PC as configured; the `ETag` is the version."""
    directory = await rooms.directory.chain(principal.chain_id, fresh=True)
    pc = _pc(directory, club_id, pc_id)
    return with_etag(response, _shown(directory, pc))


@router.patch("/{pcId}", operation_id="updatePc", tags=["pcs"], responses=EDIT_PROBLEMS)
async def update_pc(
    *,
    edit: InEdit,
    club_id: ClubId,
    pc_id: PcId,
    asked: wire.UpdatePcRequest,
    if_match: EditedVersion = None,
) -> wire.PcSettings:
    """Change a PC. One that a session is on, or is booked on, cannot be retired; a session that
    begins at the same moment ends with `DeviceRetired`."""

    async def decide(directory: ChainDirectory) -> Edited:
        pc = _pc(directory, club_id, pc_id)
        check_etag(if_match, etag_of(directory.raw[f"pc:{pc_id}"]))
        changes = asked.model_dump(exclude_unset=True)
        state = changes.pop("administrative_state", pc.state)
        retires = state is PcAdministrativeState.RETIRED and state is not pc.state
        if retires and pc_id in await occupied_pcs(edit.rooms, edit.principal.chain_id, club_id):
            raise ProblemError("pc-in-use")
        return _checked(directory, pc.model_copy(update={**changes, "state": state}))

    return await edit.apply(
        "updatePc",
        wire.PcSettings,
        {"club_id": club_id, "pc_id": pc_id} | asked.model_dump(mode="json", exclude_unset=True),
        decide=decide,
        club_id=club_id,
    )


async def occupied_pcs(rooms: Rooms, chain_id: str, club_id: str) -> frozenset[str]:
    """PCs that open sessions of the club name."""
    stored = await rooms.given.store.sessions_of_club(chain_id, club_id)
    return frozenset(orjson.loads(one.blob)["pc_id"] for one in stored)


def _pc(directory: ChainDirectory, club_id: str, pc_id: str) -> PcDocument:
    directory.club(club_id)
    pc = directory.every_pc.get(pc_id)
    if pc is None or pc.club_id != club_id:
        raise ProblemError("pc-not-found")
    return pc


def _checked(directory: ChainDirectory, pc: PcDocument) -> Edited:
    zone = directory.every_zone.get(pc.zone_id)
    in_service = pc.state is PcAdministrativeState.IN_SERVICE
    if zone is None or zone.club_id != pc.club_id or (zone.archived and in_service):
        raise ProblemError("reference-unknown", f"No zone {pc.zone_id} here.", field="zoneId")
    raw = pc.stored()
    return Edited(pc_settings(pc, etag_of(raw)), {f"pc:{pc.pc_id}": raw})


def _shown(directory: ChainDirectory, pc: PcDocument) -> wire.PcSettings:
    return pc_settings(pc, etag_of(directory.raw[f"pc:{pc.pc_id}"]))
