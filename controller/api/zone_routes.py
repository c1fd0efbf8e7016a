"""Zones of a club as configured: listed, made, changed, archived."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Response

from controller.api import catalogue_models as wire
from controller.api.catalogue_rendering import changed_limits, zone_settings
from controller.api.command_calls import ClubId
from controller.api.dependencies import AsPrincipal, InRooms
from controller.api.directory import ChainDirectory
from controller.api.edit_calls import EditedVersion, InEdit, ZoneId, with_etag
from controller.api.editing import Edited, check_etag, etag_of
from controller.api.guard import GuardedRoute
from controller.api.openapi import API_PREFIX, EDIT_PROBLEMS, QUERY_PROBLEMS
from controller.api.paging import InTurning, PlaceSort
from controller.api.problems import ProblemError
from controller.lists.held import Listing, in_hall
from schemas.catalogue import ZoneDocument

router = APIRouter(prefix=f"{API_PREFIX}/clubs/{{clubId}}/zones", route_class=GuardedRoute)
_LIMITS = frozenset({"opening", "longest_session_minutes"})


ZONES: Final[Listing[ZoneDocument]] = Listing(
    row_id=lambda zone: zone.zone_id,
    sorts={"position": lambda zone: in_hall(zone.position, zone.name), "name": lambda z: z.name},
)


@router.get("", operation_id="listZones", tags=["zones"], responses=QUERY_PROBLEMS)
async def list_zones(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    turning: InTurning,
    club_id: ClubId,
    archived: bool = False,
    sort: PlaceSort = "position",
) -> wire.ZoneSettingsList:
    """A club's zones in the order of the hall unless told; with `archived`, those too."""
    ask = turning.asked(sort, archived=archived)
    directory = await rooms.directory.chain(principal.chain_id, fresh=turning.is_first)
    directory.club(club_id)
    found = [zone for zone in directory.every_zone.values() if zone.club_id == club_id]
    page, more = ZONES.page([zone for zone in found if archived or not zone.archived], ask)
    shown = [_shown(directory, zone) for zone in page]
    return wire.ZoneSettingsList(zones=shown, next_cursor=more)


@router.post(
    "", operation_id="createZone", tags=["zones"], status_code=201, responses=EDIT_PROBLEMS
)
async def create_zone(
    *, edit: InEdit, club_id: ClubId, asked: wire.CreateZoneRequest
) -> wire.ZoneSettings:
    """A new zone of the club."""

    async def decide(directory: ChainDirectory) -> Edited:
        directory.club(club_id)
        if asked.zone_id in directory.every_zone:
            raise ProblemError("id-taken", field="zoneId")
        empty = ZoneDocument(zone_id=asked.zone_id, club_id=club_id, name=asked.name)
        return _changed(directory, empty, asked.model_dump(exclude_unset=True))

    changes = asked.model_dump(mode="json", exclude_unset=True)
    in_full = {"club_id": club_id, **changes}
    return await edit.apply(
        "createZone", wire.ZoneSettings, in_full, decide=decide, club_id=club_id
    )


@router.get("/{zoneId}", operation_id="getZone", tags=["zones"], responses=QUERY_PROBLEMS)
async def get_zone(
    *, rooms: InRooms, principal: AsPrincipal, club_id: ClubId, zone_id: ZoneId, response: Response
) -> wire.ZoneSettings:
    """A zone as configured; the `ETag` is the version."""
    directory = await rooms.directory.chain(principal.chain_id, fresh=True)
    zone = _zone(directory, club_id, zone_id)
    return with_etag(response, _shown(directory, zone))


@router.patch("/{zoneId}", operation_id="updateZone", tags=["zones"], responses=EDIT_PROBLEMS)
async def update_zone(
    *,
    edit: InEdit,
    club_id: ClubId,
    zone_id: ZoneId,
    asked: wire.UpdateZoneRequest,
    if_match: EditedVersion = None,
) -> wire.ZoneSettings:
    """Change a zone: its place, the tariffs it sells, its default, its limits."""
    changes = asked.model_dump(exclude_unset=True)
    if changes.get("archived"):
        raise ProblemError("invalid-request", "Delete the zone to archive it.", field="archived")

    async def decide(directory: ChainDirectory) -> Edited:
        zone = _zone(directory, club_id, zone_id)
        check_etag(if_match, etag_of(directory.raw[f"zone:{zone_id}"]))
        return _changed(directory, zone, changes)

    return await edit.apply(
        "updateZone",
        wire.ZoneSettings,
        {"club_id": club_id, "zone_id": zone_id}
        | asked.model_dump(mode="json", exclude_unset=True),
        decide=decide,
        club_id=club_id,
    )


@router.delete("/{zoneId}", operation_id="deleteZone", tags=["zones"], responses=EDIT_PROBLEMS)
async def delete_zone(
    *, edit: InEdit, club_id: ClubId, zone_id: ZoneId, if_match: EditedVersion = None
) -> wire.ZoneSettings:
    """Archive a zone without PCs in service: receipts go on naming it, nothing else shows it."""

    async def decide(directory: ChainDirectory) -> Edited:
        zone = _zone(directory, club_id, zone_id)
        check_etag(if_match, etag_of(directory.raw[f"zone:{zone_id}"]))
        if any(pc.zone_id == zone_id for pc in directory.pcs.get(club_id, ())):
            raise ProblemError("zone-in-use")
        return _edited(zone.model_copy(update={"archived": True}))

    in_full = {"club_id": club_id, "zone_id": zone_id}
    return await edit.apply(
        "deleteZone", wire.ZoneSettings, in_full, decide=decide, club_id=club_id
    )


def _zone(directory: ChainDirectory, club_id: str, zone_id: str) -> ZoneDocument:
    directory.club(club_id)
    zone = directory.every_zone.get(zone_id)
    if zone is None or zone.club_id != club_id:
        raise ProblemError("zone-not-found")
    return zone


def _changed(directory: ChainDirectory, before: ZoneDocument, changes: Mapping[str, Any]) -> Edited:
    limits = {name: value for name, value in changes.items() if name in _LIMITS}
    own = {name: value for name, value in changes.items() if name not in _LIMITS}
    own["tariff_ids"] = tuple(own.get("tariff_ids", before.tariff_ids))
    zone = before.model_copy(update={**own, "terms": changed_limits(before, limits)})
    _check_tariffs(directory, zone)
    return _edited(zone)


def _check_tariffs(directory: ChainDirectory, zone: ZoneDocument) -> None:
    currency = directory.club(zone.club_id).currency
    named = [(tariff_id, "tariffIds") for tariff_id in zone.tariff_ids]
    if zone.default_tariff_id is not None:
        named.append((zone.default_tariff_id, "defaultTariffId"))
    for tariff_id, field in named:
        tariff = directory.tariffs.get(tariff_id) or directory.drafts.get(tariff_id)
        if tariff is None:
            raise ProblemError("reference-unknown", f"No tariff {tariff_id}.", field=field)
        if tariff.currency != currency:
            message = f"{tariff_id} is priced in {tariff.currency}, the club in {currency}."
            raise ProblemError("reference-unknown", message, field=field)
    if zone.tariff_ids and zone.default_tariff_id not in (None, *zone.tariff_ids):
        message = f"The zone does not sell {zone.default_tariff_id}."
        raise ProblemError("reference-unknown", message, field="defaultTariffId")


def _edited(zone: ZoneDocument) -> Edited:
    raw = zone.stored()
    return Edited(zone_settings(zone, etag_of(raw)), {f"zone:{zone.zone_id}": raw})


def _shown(directory: ChainDirectory, zone: ZoneDocument) -> wire.ZoneSettings:
    return zone_settings(zone, etag_of(directory.raw[f"zone:{zone.zone_id}"]))
