"""The API's calls about zones, written from docs/openapi.json: do not edit by hand."""

from collections.abc import Mapping, Sequence

from controller.api import catalogue_models
from controller.client.transport import Clear, Transport, given, part


class ZonesCalls(Transport):
    """Calls about zones."""

    async def list_zones(
        self,
        club_id: str,
        *,
        archived: str | None = None,
        sort: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> catalogue_models.ZoneSettingsList:
        """A club's zones in the order of the hall unless told; with `archived`, those too."""
        return await self.send(
            catalogue_models.ZoneSettingsList,
            "GET",
            f"/clubs/{part(club_id)}/zones",
            query=given(archived=archived, cursor=cursor, limit=limit, sort=sort),
        )

    async def create_zone(
        self,
        club_id: str,
        *,
        key: str,
        name: str,
        zone_id: str,
        default_tariff_id: str | None = None,
        longest_session_minutes: int | None = None,
        opening: Mapping[str, object] | None = None,
        position: int | None = None,
        tariff_ids: Sequence[str] | None = None,
    ) -> catalogue_models.ZoneSettings:
        """A new zone of the club."""
        return await self.send(
            catalogue_models.ZoneSettings,
            "POST",
            f"/clubs/{part(club_id)}/zones",
            key=key,
            body=given(
                defaultTariffId=default_tariff_id,
                longestSessionMinutes=longest_session_minutes,
                name=name,
                opening=opening,
                position=position,
                tariffIds=tariff_ids,
                zoneId=zone_id,
            ),
        )

    async def delete_zone(
        self, club_id: str, zone_id: str, *, key: str, if_match: str | None = None
    ) -> catalogue_models.ZoneSettings:
        """Archive a zone without PCs in service: receipts go on naming it, nothing else shows
        it.
        """
        return await self.send(
            catalogue_models.ZoneSettings,
            "DELETE",
            f"/clubs/{part(club_id)}/zones/{part(zone_id)}",
            key=key,
            headers={"If-Match": if_match},
        )

    async def get_zone(self, club_id: str, zone_id: str) -> catalogue_models.ZoneSettings:
        """A zone as configured; the `ETag` is the version."""
        return await self.send(
            catalogue_models.ZoneSettings, "GET", f"/clubs/{part(club_id)}/zones/{part(zone_id)}"
        )

    async def update_zone(
        self,
        club_id: str,
        zone_id: str,
        *,
        key: str,
        archived: bool | None = None,
        default_tariff_id: str | Clear | None = None,
        longest_session_minutes: int | Clear | None = None,
        name: str | None = None,
        opening: Mapping[str, object] | None = None,
        position: int | None = None,
        tariff_ids: Sequence[str] | None = None,
        if_match: str | None = None,
    ) -> catalogue_models.ZoneSettings:
        """Change a zone: its place, the tariffs it sells, its default, its limits."""
        return await self.send(
            catalogue_models.ZoneSettings,
            "PATCH",
            f"/clubs/{part(club_id)}/zones/{part(zone_id)}",
            key=key,
            body=given(
                archived=archived,
                defaultTariffId=default_tariff_id,
                longestSessionMinutes=longest_session_minutes,
                name=name,
                opening=opening,
                position=position,
                tariffIds=tariff_ids,
            ),
            headers={"If-Match": if_match},
        )
