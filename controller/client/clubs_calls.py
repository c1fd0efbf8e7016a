"""The API's calls about clubs, written from docs/openapi.json: do not edit by hand."""

from controller.api import models
from controller.client.transport import Transport, part


class ClubsCalls(Transport):
    """Calls about clubs."""

    async def list_clubs(self) -> models.ClubList:
        """The chain's clubs, by name."""
        return await self.send(models.ClubList, "GET", "/clubs")

    async def get_club(self, club_id: str) -> models.Club:
        """A club, its zones in the order of the hall, and the tariffs they sell."""
        return await self.send(models.Club, "GET", f"/clubs/{part(club_id)}")
