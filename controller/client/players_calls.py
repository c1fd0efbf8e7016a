"""The API's calls about players, written from docs/openapi.json: do not edit by hand."""

from controller.api import models
from controller.client.transport import Transport, given, part


class PlayersCalls(Transport):
    """Calls about players."""

    async def find_players(self, club_id: str, *, query: str | None = None) -> models.PlayerList:
        """Players of the chain whose name or phone contains the query, with their balance here."""
        return await self.send(
            models.PlayerList, "GET", f"/clubs/{part(club_id)}/players", query=given(query=query)
        )
