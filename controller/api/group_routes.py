"""Player groups of the chain: listed, made, renamed, taken away."""

from collections.abc import Iterable
from typing import Final

from fastapi import APIRouter, Response

from controller.api import catalogue_models as wire
from controller.api.catalogue_rendering import player_group
from controller.api.dependencies import AsPrincipal, InRooms
from controller.api.directory import ChainDirectory
from controller.api.edit_calls import EditedVersion, GroupId, InEdit, with_etag
from controller.api.editing import Edited, check_etag, etag_of, whole_chain_only
from controller.api.guard import GuardedRoute
from controller.api.openapi import API_PREFIX, EDIT_PROBLEMS, QUERY_PROBLEMS
from controller.api.paging import InTurning, NameSort
from controller.api.problems import ProblemError
from controller.api.set_aside import player_in
from controller.lists.held import Listing
from schemas.catalogue import PlayerGroupDocument

router = APIRouter(prefix=f"{API_PREFIX}/player-groups", route_class=GuardedRoute)


GROUPS: Final[Listing[PlayerGroupDocument]] = Listing(
    row_id=lambda group: group.group_id, sorts={"name": lambda group: group.name}
)


@router.get("", operation_id="listPlayerGroups", tags=["groups"], responses=QUERY_PROBLEMS)
async def list_player_groups(
    *, rooms: InRooms, principal: AsPrincipal, turning: InTurning, sort: NameSort = "name"
) -> wire.PlayerGroupList:
    """The chain's player groups, by name."""
    ask = turning.asked(sort)
    directory = await rooms.directory.chain(principal.chain_id, fresh=turning.is_first)
    page, more = GROUPS.page(directory.groups.values(), ask)
    shown = [_shown(directory, group) for group in page]
    return wire.PlayerGroupList(groups=shown, next_cursor=more)


@router.post(
    "",
    operation_id="createPlayerGroup",
    tags=["groups"],
    status_code=201,
    responses=EDIT_PROBLEMS,
)
async def create_player_group(edit: InEdit, asked: wire.CreateGroupRequest) -> wire.PlayerGroup:
    """A new group."""
    whole_chain_only(edit.principal)

    async def decide(directory: ChainDirectory) -> Edited:
        if asked.group_id in directory.groups:
            raise ProblemError("id-taken", field="groupId")
        return _edited(PlayerGroupDocument(group_id=asked.group_id, name=asked.name))

    in_full = asked.model_dump(mode="json")
    return await edit.apply("createPlayerGroup", wire.PlayerGroup, in_full, decide=decide)


@router.get("/{groupId}", operation_id="getPlayerGroup", tags=["groups"], responses=QUERY_PROBLEMS)
async def get_player_group(
    *, rooms: InRooms, principal: AsPrincipal, group_id: GroupId, response: Response
) -> wire.PlayerGroup:
    """A group; the `ETag` is the version."""
    directory = await rooms.directory.chain(principal.chain_id, fresh=True)
    group = _group(directory, group_id)
    return with_etag(response, _shown(directory, group))


@router.patch(
    "/{groupId}", operation_id="updatePlayerGroup", tags=["groups"], responses=EDIT_PROBLEMS
)
async def update_player_group(
    *,
    edit: InEdit,
    group_id: GroupId,
    asked: wire.UpdateGroupRequest,
    if_match: EditedVersion = None,
) -> wire.PlayerGroup:
    """Rename a group."""
    whole_chain_only(edit.principal)

    async def decide(directory: ChainDirectory) -> Edited:
        group = _group(directory, group_id)
        check_etag(if_match, etag_of(directory.raw[f"group:{group_id}"]))
        return _edited(group.model_copy(update=asked.model_dump(exclude_unset=True)))

    in_full = {"group_id": group_id, **asked.model_dump(mode="json", exclude_unset=True)}
    return await edit.apply("updatePlayerGroup", wire.PlayerGroup, in_full, decide=decide)


@router.delete(
    "/{groupId}", operation_id="deletePlayerGroup", tags=["groups"], responses=EDIT_PROBLEMS
)
async def delete_player_group(
    *, edit: InEdit, group_id: GroupId, if_match: EditedVersion = None
) -> wire.PlayerGroup:
    """Take a group away that no player is in and no tariff is meant for."""
    whole_chain_only(edit.principal)

    async def decide(directory: ChainDirectory) -> Edited:
        group = _group(directory, group_id)
        check_etag(if_match, etag_of(directory.raw[f"group:{group_id}"]))
        chain_id, store = edit.principal.chain_id, edit.rooms.given.store
        stored = await store.documents_by_prefix(chain_id, "player:")
        if group_id in groups_of_tariffs(directory) or any(
            group_id in player_in(one).groups for one in stored
        ):
            raise ProblemError("group-in-use")
        return Edited(_shown(directory, group), {f"group:{group_id}": None})

    in_full = {"group_id": group_id}
    return await edit.apply("deletePlayerGroup", wire.PlayerGroup, in_full, decide=decide)


def groups_of_tariffs(directory: ChainDirectory) -> frozenset[str]:
    """Groups that tariffs, published or drafted, are meant for."""
    tariffs = (*directory.tariffs.values(), *directory.drafts.values())
    named = {group for tariff in tariffs for group in tariff.groups}
    ruled = {group for tariff in tariffs for rule in tariff.prices for group in rule.groups}
    return frozenset(named | ruled)


def check_groups(directory: ChainDirectory, group_ids: Iterable[str]) -> None:
    """Raise ``reference-unknown`` for a group that nothing in the catalogue knows."""
    known = directory.groups.keys() | groups_of_tariffs(directory)
    for group_id in group_ids:
        if group_id not in known:
            raise ProblemError("reference-unknown", f"No group {group_id}.", field="groups")


def _group(directory: ChainDirectory, group_id: str) -> PlayerGroupDocument:
    group = directory.groups.get(group_id)
    if group is None:
        raise ProblemError("group-not-found")
    return group


def _edited(group: PlayerGroupDocument) -> Edited:
    raw = group.model_dump_json().encode()
    return Edited(player_group(group, etag_of(raw)), {f"group:{group.group_id}": raw})


def _shown(directory: ChainDirectory, group: PlayerGroupDocument) -> wire.PlayerGroup:
    return player_group(group, etag_of(directory.raw[f"group:{group.group_id}"]))
