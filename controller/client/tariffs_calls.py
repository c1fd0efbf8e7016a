"""The API's calls about tariffs, written from docs/openapi.json: do not edit by hand."""

from collections.abc import Mapping
from typing import Literal

from controller.api import tariff_models
from controller.client.transport import Transport, given, part


class TariffsCalls(Transport):
    """Calls about tariffs."""

    async def quote_tariff(
        self,
        club_id: str,
        tariff_id: str,
        *,
        start_at: str | None = None,
        end_at: str | None = None,
        zone_id: str | None = None,
        group: str | None = None,
        cash_minor: int | None = None,
        bonus_minor: int | None = None,
        mode: str | None = None,
        channel: str | None = None,
        draft: str | None = None,
    ) -> tariff_models.TariffQuote:
        """What a session would cost; with `draft`, under the version that is not published yet."""
        return await self.send(
            tariff_models.TariffQuote,
            "GET",
            f"/clubs/{part(club_id)}/tariffs/{part(tariff_id)}/quote",
            query=given(
                bonusMinor=bonus_minor,
                cashMinor=cash_minor,
                channel=channel,
                draft=draft,
                endAt=end_at,
                group=group,
                mode=mode,
                startAt=start_at,
                zoneId=zone_id,
            ),
        )

    async def list_tariffs(
        self,
        *,
        status: str | None = None,
        zone_id: str | None = None,
        type_: str | None = None,
        sort: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> tariff_models.TariffSummaryList:
        """The chain's tariffs by status, type, or the zone that sells them, archived ones only
        when asked for by `status`; drafts are shown to whoever sees the whole chain, and
        to players what is for sale to them.
        """
        return await self.send(
            tariff_models.TariffSummaryList,
            "GET",
            "/tariffs",
            query=given(
                cursor=cursor, limit=limit, sort=sort, status=status, type=type_, zoneId=zone_id
            ),
        )

    async def create_tariff(
        self, *, key: str, content: Mapping[str, object], tariff_id: str
    ) -> tariff_models.TariffDraft:
        """A new tariff, as a draft: nothing is sold before it is published."""
        return await self.send(
            tariff_models.TariffDraft,
            "POST",
            "/tariffs",
            key=key,
            body=given(content=content, tariffId=tariff_id),
        )

    async def get_tariff(self, tariff_id: str) -> tariff_models.TariffDetails:
        """The newest published version of a tariff."""
        return await self.send(tariff_models.TariffDetails, "GET", f"/tariffs/{part(tariff_id)}")

    async def update_tariff(
        self,
        tariff_id: str,
        *,
        key: str,
        status: Literal["ACTIVE", "INACTIVE", "ARCHIVED"],
        if_match: str | None = None,
    ) -> tariff_models.TariffDetails:
        """Activate a tariff, take it off sale, or archive it: a new version with the same
        content.
        """
        return await self.send(
            tariff_models.TariffDetails,
            "PATCH",
            f"/tariffs/{part(tariff_id)}",
            key=key,
            body=given(status=status),
            headers={"If-Match": if_match},
        )

    async def check_tariff(self, tariff_id: str) -> tariff_models.TariffCheck:
        """What is wrong with the draft (else the newest version) over a year, club by club."""
        return await self.send(
            tariff_models.TariffCheck, "GET", f"/tariffs/{part(tariff_id)}/check"
        )

    async def discard_tariff_draft(
        self, tariff_id: str, *, key: str, if_match: str | None = None
    ) -> tariff_models.TariffDraft:
        """Throw a draft away; the answer is what it said. A tariff never published is gone then."""
        return await self.send(
            tariff_models.TariffDraft,
            "DELETE",
            f"/tariffs/{part(tariff_id)}/draft",
            key=key,
            headers={"If-Match": if_match},
        )

    async def get_tariff_draft(self, tariff_id: str) -> tariff_models.TariffDraft:
        """What the next version is to say: the draft, else the newest version to begin with."""
        return await self.send(
            tariff_models.TariffDraft, "GET", f"/tariffs/{part(tariff_id)}/draft"
        )

    async def put_tariff_draft(
        self,
        tariff_id: str,
        *,
        key: str,
        content: Mapping[str, object],
        if_match: str | None = None,
    ) -> tariff_models.TariffDraft:
        """Write down what the next version is to say, whole. Nothing is sold by it yet."""
        return await self.send(
            tariff_models.TariffDraft,
            "PUT",
            f"/tariffs/{part(tariff_id)}/draft",
            key=key,
            body=given(content=content),
            headers={"If-Match": if_match},
        )

    async def publish_tariff(
        self,
        tariff_id: str,
        *,
        key: str,
        status: Literal["ACTIVE", "INACTIVE"] | None = None,
        if_match: str | None = None,
    ) -> tariff_models.TariffDetails:
        """Make the draft the tariff's next version, if nothing contradicts itself in any club."""
        return await self.send(
            tariff_models.TariffDetails,
            "POST",
            f"/tariffs/{part(tariff_id)}/publish",
            key=key,
            body=given(status=status),
            headers={"If-Match": if_match},
        )

    async def list_tariff_versions(
        self,
        tariff_id: str,
        *,
        sort: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> tariff_models.TariffVersionList:
        """Every version of a tariff, the newest first unless told."""
        return await self.send(
            tariff_models.TariffVersionList,
            "GET",
            f"/tariffs/{part(tariff_id)}/versions",
            query=given(cursor=cursor, limit=limit, sort=sort),
        )
