"""The API's calls about pcs, written from docs/openapi.json: do not edit by hand."""

from typing import Literal

from controller.api import catalogue_models
from controller.client.transport import Transport, given, part


class PcsCalls(Transport):
    """Calls about pcs."""

    async def list_pcs(
        self,
        club_id: str,
        *,
        zone_id: str | None = None,
        administrative_state: str | None = None,
        retired: str | None = None,
        sort: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> catalogue_models.PcSettingsList:
        """A club's PCs in the order of the hall unless told, by zone and by state; retired ones
        only with `retired`, or when `administrativeState` asks for them.
        """
        return await self.send(
            catalogue_models.PcSettingsList,
            "GET",
            f"/clubs/{part(club_id)}/pcs",
            query=given(
                administrativeState=administrative_state,
                cursor=cursor,
                limit=limit,
                retired=retired,
                sort=sort,
                zoneId=zone_id,
            ),
        )

    async def create_pc(
        self,
        club_id: str,
        *,
        key: str,
        name: str,
        pc_id: str,
        zone_id: str,
        position: int | None = None,
    ) -> catalogue_models.PcSettings:
        """A new PC in a zone of the club; it is locked until it is enrolled and played on."""
        return await self.send(
            catalogue_models.PcSettings,
            "POST",
            f"/clubs/{part(club_id)}/pcs",
            key=key,
            body=given(name=name, pcId=pc_id, position=position, zoneId=zone_id),
        )

    async def get_pc(self, club_id: str, pc_id: str) -> catalogue_models.PcSettings:
        """A PC as configured; the `ETag` is the version."""
        return await self.send(
            catalogue_models.PcSettings, "GET", f"/clubs/{part(club_id)}/pcs/{part(pc_id)}"
        )

    async def update_pc(
        self,
        club_id: str,
        pc_id: str,
        *,
        key: str,
        administrative_state: Literal["IN_SERVICE", "RETIRED"] | None = None,
        name: str | None = None,
        position: int | None = None,
        zone_id: str | None = None,
        if_match: str | None = None,
    ) -> catalogue_models.PcSettings:
        """Change a PC. One that a session is on, or is booked on, cannot be retired; a session
        that begins at the same moment ends with `DeviceRetired`.
        """
        return await self.send(
            catalogue_models.PcSettings,
            "PATCH",
            f"/clubs/{part(club_id)}/pcs/{part(pc_id)}",
            key=key,
            body=given(
                administrativeState=administrative_state,
                name=name,
                position=position,
                zoneId=zone_id,
            ),
            headers={"If-Match": if_match},
        )
