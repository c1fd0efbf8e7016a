"""The API's calls about hall, written from docs/openapi.json: do not edit by hand."""

from controller.api import models, pc_models
from controller.client.transport import Transport, given, part


class HallCalls(Transport):
    """Calls about hall."""

    async def get_hall(self, club_id: str) -> models.Hall:
        """Every PC of the club as an operator sees it; players see nobody but themselves in it."""
        return await self.send(models.Hall, "GET", f"/clubs/{part(club_id)}/hall")

    async def command_pc(
        self,
        club_id: str,
        pc_id: str,
        *,
        key: str,
        command: str,
        code: str | None = None,
        duration_seconds: int | None = None,
        text: str | None = None,
    ) -> models.Tile:
        """Send a PC a one-shot order; what became of it is on its tile and in an event."""
        return await self.send(
            models.Tile,
            "POST",
            f"/clubs/{part(club_id)}/pcs/{part(pc_id)}/commands",
            key=key,
            body=given(code=code, command=command, durationSeconds=duration_seconds, text=text),
        )

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

    async def get_pc_machine(self, club_id: str, pc_id: str) -> pc_models.PcMachine:
        """What a PC told of its machine within the last two minutes."""
        return await self.send(
            pc_models.PcMachine, "GET", f"/clubs/{part(club_id)}/pcs/{part(pc_id)}/machine"
        )

    async def release_pc(self, club_id: str, pc_id: str, *, key: str) -> models.Tile:
        """Put a held PC back into use."""
        return await self.send(
            models.Tile, "POST", f"/clubs/{part(club_id)}/pcs/{part(pc_id)}/release", key=key
        )
