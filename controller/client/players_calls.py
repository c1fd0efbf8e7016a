"""The API's calls about players, written from docs/openapi.json: do not edit by hand."""

from collections.abc import Mapping, Sequence

from controller.api import models, player_models
from controller.client.transport import Clear, Transport, given, part


class PlayersCalls(Transport):
    """Calls about players."""

    async def find_players(
        self,
        club_id: str,
        *,
        query: str | None = None,
        phone: str | None = None,
        group_id: str | None = None,
        sort: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> models.PlayerList:
        """Players of the chain with their balance here: whose name or phone contains the
        `query`, who have this `phone`, who are in a group.
        """
        return await self.send(
            models.PlayerList,
            "GET",
            f"/clubs/{part(club_id)}/players",
            query=given(
                cursor=cursor, groupId=group_id, limit=limit, phone=phone, query=query, sort=sort
            ),
        )

    async def create_player(
        self,
        *,
        key: str,
        label: str,
        auto_renewal: bool | None = None,
        credit_limits: Sequence[Mapping[str, object]] | None = None,
        groups: Sequence[str] | None = None,
        phone: str | None = None,
        player_id: str | None = None,
    ) -> player_models.PlayerProfile:
        """A new player of the chain, with an empty wallet."""
        return await self.send(
            player_models.PlayerProfile,
            "POST",
            "/players",
            key=key,
            body=given(
                autoRenewal=auto_renewal,
                creditLimits=credit_limits,
                groups=groups,
                label=label,
                phone=phone,
                playerId=player_id,
            ),
        )

    async def get_player(self, player_id: str) -> player_models.PlayerProfile:
        """A player of the chain; for a player, themself."""
        return await self.send(player_models.PlayerProfile, "GET", f"/players/{part(player_id)}")

    async def update_player(
        self,
        player_id: str,
        *,
        key: str,
        auto_renewal: bool | None = None,
        credit_limits: Sequence[Mapping[str, object]] | None = None,
        groups: Sequence[str] | None = None,
        label: str | None = None,
        phone: str | Clear | None = None,
        if_match: str | None = None,
    ) -> player_models.PlayerProfile:
        """Change a player. A session of theirs goes on by what they are now, within a second. A
        player changes `autoRenewal` of their own and nothing else.
        """
        return await self.send(
            player_models.PlayerProfile,
            "PATCH",
            f"/players/{part(player_id)}",
            key=key,
            body=given(
                autoRenewal=auto_renewal,
                creditLimits=credit_limits,
                groups=groups,
                label=label,
                phone=phone,
            ),
            headers={"If-Match": if_match},
        )
