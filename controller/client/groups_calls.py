"""The API's calls about groups, written from docs/openapi.json: do not edit by hand."""

from controller.api import catalogue_models
from controller.client.transport import Transport, given, part


class GroupsCalls(Transport):
    """Calls about groups."""

    async def list_player_groups(
        self, *, sort: str | None = None, cursor: str | None = None, limit: int | None = None
    ) -> catalogue_models.PlayerGroupList:
        """The chain's player groups, by name."""
        return await self.send(
            catalogue_models.PlayerGroupList,
            "GET",
            "/player-groups",
            query=given(cursor=cursor, limit=limit, sort=sort),
        )

    async def create_player_group(
        self, *, key: str, group_id: str, name: str
    ) -> catalogue_models.PlayerGroup:
        """A new group."""
        return await self.send(
            catalogue_models.PlayerGroup,
            "POST",
            "/player-groups",
            key=key,
            body=given(groupId=group_id, name=name),
        )

    async def delete_player_group(
        self, group_id: str, *, key: str, if_match: str | None = None
    ) -> catalogue_models.PlayerGroup:
        """Take a group away that no player is in and no tariff is meant for."""
        return await self.send(
            catalogue_models.PlayerGroup,
            "DELETE",
            f"/player-groups/{part(group_id)}",
            key=key,
            headers={"If-Match": if_match},
        )

    async def get_player_group(self, group_id: str) -> catalogue_models.PlayerGroup:
        """A group; the `ETag` is the version."""
        return await self.send(
            catalogue_models.PlayerGroup, "GET", f"/player-groups/{part(group_id)}"
        )

    async def update_player_group(
        self, group_id: str, *, key: str, name: str | None = None, if_match: str | None = None
    ) -> catalogue_models.PlayerGroup:
        """Rename a group."""
        return await self.send(
            catalogue_models.PlayerGroup,
            "PATCH",
            f"/player-groups/{part(group_id)}",
            key=key,
            body=given(name=name),
            headers={"If-Match": if_match},
        )
