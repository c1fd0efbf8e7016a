"""The API's calls about outages, written from docs/openapi.json: do not edit by hand."""

from controller.api import outage_models
from controller.client.transport import Transport, given, part


class OutagesCalls(Transport):
    """Calls about outages."""

    async def list_outages(
        self,
        club_id: str,
        *,
        pc_id: str | None = None,
        player_id: str | None = None,
        session_id: str | None = None,
        sort: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> outage_models.OutageList:
        """Time in which a PC did not serve its session and that waits for staff to give it back,
        by PC, player or session, oldest first unless told.
        """
        return await self.send(
            outage_models.OutageList,
            "GET",
            f"/clubs/{part(club_id)}/outages",
            query=given(
                cursor=cursor,
                limit=limit,
                pcId=pc_id,
                playerId=player_id,
                sessionId=session_id,
                sort=sort,
            ),
        )

    async def approve_outage(
        self, club_id: str, session_id: str, number: str, *, key: str
    ) -> outage_models.Outage:
        """Give the time of an outage back, as evidence and tariff say; a one-time guest is paid
        at the desk.
        """
        return await self.send(
            outage_models.Outage,
            "POST",
            f"/clubs/{part(club_id)}/outages/{part(session_id)}/{part(number)}/approve",
            key=key,
        )

    async def reject_outage(
        self, club_id: str, session_id: str, number: str, *, key: str
    ) -> outage_models.Outage:
        """Leave the time of an outage charged."""
        return await self.send(
            outage_models.Outage,
            "POST",
            f"/clubs/{part(club_id)}/outages/{part(session_id)}/{part(number)}/reject",
            key=key,
        )
