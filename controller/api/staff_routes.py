"""People who work for the chain: made, given roles, switched off."""

from collections.abc import Iterable
from typing import Annotated, Final

from fastapi import APIRouter, Query, Response

from actors.store import EntityWrite, Scope, StoredEntity
from controller.api import staff_models as wire
from controller.api.dependencies import AsPrincipal, InRooms, Rooms
from controller.api.directory import ChainDirectory
from controller.api.edit_calls import EditedVersion, InEdit, StaffId, with_etag
from controller.api.editing import Edited, check_etag, etag_of_version, whole_chain_only
from controller.api.guard import GuardedRoute
from controller.api.openapi import API_PREFIX, EDIT_PROBLEMS, QUERY_PROBLEMS
from controller.api.paging import Id, InTurning, NameSort
from controller.api.principal import Principal
from controller.api.problems import ProblemError
from controller.lists.held import Listing
from schemas.access import ROLE_PERMISSIONS, Permission, Role
from schemas.catalogue import StaffDocument, StaffRole

router = APIRouter(prefix=f"{API_PREFIX}/staff", route_class=GuardedRoute)
_PREFIX = "staff:"


STAFF: Final[Listing[wire.StaffMember]] = Listing(
    row_id=lambda one: one.staff_id, sorts={"name": lambda one: one.name}
)


@router.get("", operation_id="listStaff", tags=["staff"], responses=QUERY_PROBLEMS)
async def list_staff(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    turning: InTurning,
    enabled: bool | None = None,
    role: wire.StaffRoleName | None = None,
    club_id: Annotated[Id, Query(alias="clubId")] = None,
    sort: NameSort = "name",
) -> wire.StaffList:
    """Everybody who works for the chain, or who has a role, or who works in a club: in that one or
    in all of them."""
    whole_chain_only(principal)
    ask = turning.asked(sort, enabled=enabled, role=role, club=club_id)
    stored = await rooms.given.store.documents_by_prefix(principal.chain_id, _PREFIX)
    wanted = (
        one
        for one in map(_read, stored)
        if enabled in (None, one.enabled) and _works(one, role, club_id)
    )
    page, more = STAFF.page(wanted, ask)
    return wire.StaffList(staff=page, next_cursor=more)


@router.post(
    "", operation_id="createStaff", tags=["staff"], status_code=201, responses=EDIT_PROBLEMS
)
async def create_staff(edit: InEdit, asked: wire.CreateStaffRequest) -> wire.StaffMember:
    """Somebody new. They sign in with a token of the chain's issuer, under this id."""
    whole_chain_only(edit.principal)

    async def decide(directory: ChainDirectory) -> Edited:
        if await _stored(edit.rooms, edit.principal, asked.staff_id) is not None:
            raise ProblemError("id-taken", field="staffId")
        roles = _checked_roles(directory, edit.principal, asked.roles)
        return _edited(StaffDocument(staff_id=asked.staff_id, name=asked.name, roles=roles), 0)

    in_full = asked.model_dump(mode="json", exclude_unset=True)
    return await edit.apply("createStaff", wire.StaffMember, in_full, decide=decide)


@router.get("/{staffId}", operation_id="getStaff", tags=["staff"], responses=QUERY_PROBLEMS)
async def get_staff(
    *, rooms: InRooms, principal: AsPrincipal, staff_id: StaffId, response: Response
) -> wire.StaffMember:
    """A person, and what they are where."""
    whole_chain_only(principal)
    found = await _stored(rooms, principal, staff_id)
    if found is None:
        raise ProblemError("staff-not-found")
    return with_etag(response, _read(found))


@router.patch("/{staffId}", operation_id="updateStaff", tags=["staff"], responses=EDIT_PROBLEMS)
async def update_staff(
    *,
    edit: InEdit,
    staff_id: StaffId,
    asked: wire.UpdateStaffRequest,
    if_match: EditedVersion = None,
) -> wire.StaffMember:
    """Rename somebody, replace their roles, or end their access: the next request knows."""
    whole_chain_only(edit.principal)

    async def decide(directory: ChainDirectory) -> Edited:
        found = await _stored(edit.rooms, edit.principal, staff_id)
        if found is None:
            raise ProblemError("staff-not-found")
        check_etag(if_match, etag_of_version(found.version))
        before = StaffDocument.model_validate_json(found.blob)
        check_grants(edit.principal, (ROLE_PERMISSIONS[one.role] for one in before.roles))
        changes = asked.model_dump(include={"name", "enabled"}, exclude_unset=True)
        if asked.roles is not None:
            changes["roles"] = _checked_roles(directory, edit.principal, asked.roles)
        return _edited(before.model_copy(update=changes), found.version)

    in_full = {"staff_id": staff_id, **asked.model_dump(mode="json", exclude_unset=True)}
    return await edit.apply("updateStaff", wire.StaffMember, in_full, decide=decide)


def _works(one: wire.StaffMember, role: Role | None, club_id: str | None) -> bool:
    if role is None and club_id is None:
        return True
    return any(
        role in (None, held.role) and (club_id is None or held.club_id in (None, club_id))
        for held in one.roles
    )


def check_grants(principal: Principal, granted: Iterable[frozenset[Permission]]) -> None:
    """Raise ``forbidden`` when somebody gives, or takes, rights beyond their own."""
    for permissions in granted:
        missing = sorted(permissions - principal.permissions)
        if missing:
            raise ProblemError("forbidden", f"This needs {missing[0].value} of your own.")


def check_clubs(directory: ChainDirectory, club_ids: Iterable[str], field: str) -> None:
    """Raise ``reference-unknown`` for a club the chain does not have."""
    for club_id in club_ids:
        if club_id not in directory.clubs:
            raise ProblemError("reference-unknown", f"No club {club_id}.", field=field)


def _checked_roles(
    directory: ChainDirectory, principal: Principal, asked: Iterable[wire.RoleInClub]
) -> tuple[StaffRole, ...]:
    roles = {one.club_id: StaffRole(role=Role(one.role), club_id=one.club_id) for one in asked}
    check_clubs(directory, (club_id for club_id in roles if club_id is not None), "roles")
    check_grants(principal, (ROLE_PERMISSIONS[one.role] for one in roles.values()))
    return tuple(roles.values())


async def _stored(rooms: Rooms, principal: Principal, staff_id: str) -> StoredEntity | None:
    key = _PREFIX + staff_id
    return (await rooms.given.store.documents(principal.chain_id, [key])).get(key)


def _edited(one: StaffDocument, version: int) -> Edited:
    blob = one.model_dump_json().encode()
    write = EntityWrite(_PREFIX + one.staff_id, version, blob, Scope.CHAIN)
    return Edited(_shown(one, version + 1), documents=(write,))


def _read(stored: StoredEntity) -> wire.StaffMember:
    return _shown(StaffDocument.model_validate_json(stored.blob), stored.version)


def _shown(one: StaffDocument, version: int) -> wire.StaffMember:
    roles = [
        wire.RoleInClub.model_validate(role.model_dump(), by_alias=False, by_name=True)
        for role in one.roles
    ]
    return wire.StaffMember(
        etag=etag_of_version(version),
        staff_id=one.staff_id,
        name=one.name,
        roles=roles,
        enabled=one.enabled,
    )
