"""The API's calls about clubs, written from docs/openapi.json: do not edit by hand."""

from collections.abc import Mapping
from typing import Literal

from controller.api import catalogue_models, models
from controller.client.transport import Clear, Transport, given, part


class ClubsCalls(Transport):
    """Calls about clubs."""

    async def get_chain(self) -> catalogue_models.Chain:
        """The chain the key belongs to; the `ETag` is its version."""
        return await self.send(catalogue_models.Chain, "GET", "/chain")

    async def update_chain(
        self, *, key: str, name: str | None = None, if_match: str | None = None
    ) -> catalogue_models.Chain:
        """Rename the chain."""
        return await self.send(
            catalogue_models.Chain,
            "PATCH",
            "/chain",
            key=key,
            body=given(name=name),
            headers={"If-Match": if_match},
        )

    async def list_clubs(
        self, *, sort: str | None = None, cursor: str | None = None, limit: int | None = None
    ) -> models.ClubList:
        """The chain's clubs, by name."""
        return await self.send(
            models.ClubList, "GET", "/clubs", query=given(cursor=cursor, limit=limit, sort=sort)
        )

    async def create_club(
        self,
        *,
        key: str,
        currency: str,
        name: str,
        timezone: str,
        allows_parallel_sessions: bool | None = None,
        club_id: str | None = None,
        credit_max_minutes: int | None = None,
        ending_soon_minutes: int | None = None,
        grace_seconds: int | None = None,
        low_balance_minor: int | None = None,
        needs_attention_minutes: int | None = None,
        no_show_minutes: int | None = None,
        offline_max_minutes: int | None = None,
        opening: Mapping[str, object] | None = None,
        outages: Literal["CONTINUE", "CREDIT", "PROPOSE"] | None = None,
        players_pay_later: bool | None = None,
        renews_from_wallet: bool | None = None,
    ) -> catalogue_models.ClubSettings:
        """A new club of the chain, with no zone and no PC yet."""
        return await self.send(
            catalogue_models.ClubSettings,
            "POST",
            "/clubs",
            key=key,
            body=given(
                allowsParallelSessions=allows_parallel_sessions,
                clubId=club_id,
                creditMaxMinutes=credit_max_minutes,
                currency=currency,
                endingSoonMinutes=ending_soon_minutes,
                graceSeconds=grace_seconds,
                lowBalanceMinor=low_balance_minor,
                name=name,
                needsAttentionMinutes=needs_attention_minutes,
                noShowMinutes=no_show_minutes,
                offlineMaxMinutes=offline_max_minutes,
                opening=opening,
                outages=outages,
                playersPayLater=players_pay_later,
                renewsFromWallet=renews_from_wallet,
                timezone=timezone,
            ),
        )

    async def get_club(self, club_id: str) -> models.Club:
        """A club, its zones in the order of the hall, and the tariffs they sell; to a player,
        those for sale to players.
        """
        return await self.send(models.Club, "GET", f"/clubs/{part(club_id)}")

    async def get_club_settings(self, club_id: str) -> catalogue_models.ClubSettings:
        """A club and every policy of it; the `ETag` is the version."""
        return await self.send(
            catalogue_models.ClubSettings, "GET", f"/clubs/{part(club_id)}/settings"
        )

    async def update_club_settings(
        self,
        club_id: str,
        *,
        key: str,
        allows_parallel_sessions: bool | None = None,
        credit_max_minutes: int | None = None,
        ending_soon_minutes: int | None = None,
        grace_seconds: int | None = None,
        low_balance_minor: int | None = None,
        name: str | None = None,
        needs_attention_minutes: int | None = None,
        no_show_minutes: int | Clear | None = None,
        offline_max_minutes: int | None = None,
        opening: Mapping[str, object] | None = None,
        outages: Literal["CONTINUE", "CREDIT", "PROPOSE"] | None = None,
        players_pay_later: bool | None = None,
        renews_from_wallet: bool | None = None,
        timezone: str | None = None,
        if_match: str | None = None,
    ) -> catalogue_models.ClubSettings:
        """Change a club. Hosts obey within a second, running sessions included."""
        return await self.send(
            catalogue_models.ClubSettings,
            "PATCH",
            f"/clubs/{part(club_id)}/settings",
            key=key,
            body=given(
                allowsParallelSessions=allows_parallel_sessions,
                creditMaxMinutes=credit_max_minutes,
                endingSoonMinutes=ending_soon_minutes,
                graceSeconds=grace_seconds,
                lowBalanceMinor=low_balance_minor,
                name=name,
                needsAttentionMinutes=needs_attention_minutes,
                noShowMinutes=no_show_minutes,
                offlineMaxMinutes=offline_max_minutes,
                opening=opening,
                outages=outages,
                playersPayLater=players_pay_later,
                renewsFromWallet=renews_from_wallet,
                timezone=timezone,
            ),
            headers={"If-Match": if_match},
        )
