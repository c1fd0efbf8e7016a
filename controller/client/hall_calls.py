"""The API's calls about hall, written from docs/openapi.json: do not edit by hand."""

from controller.api import models
from controller.client.transport import Transport, given, part


class HallCalls(Transport):
    """Calls about hall."""

    async def get_hall(self, club_id: str) -> models.Hall:
        """Every PC of the club as an operator sees it; players see nobody but themselves in it."""
        return await self.send(models.Hall, "GET", f"/clubs/{part(club_id)}/hall")

    async def hold_pc(
        self, club_id: str, pc_id: str, *, key: str, reason: str, until_at: str | None = None
    ) -> models.Tile:
        """Take a PC nobody uses or waits for out of use, with a reason and perhaps an end."""
        return await self.send(
            models.Tile,
            "POST",
            f"/clubs/{part(club_id)}/pcs/{part(pc_id)}/hold",
            key=key,
            body=given(reason=reason, untilAt=until_at),
        )

    async def release_pc(self, club_id: str, pc_id: str, *, key: str) -> models.Tile:
        """Put a held PC back into use."""
        return await self.send(
            models.Tile, "POST", f"/clubs/{part(club_id)}/pcs/{part(pc_id)}/release", key=key
        )
