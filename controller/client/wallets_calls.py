"""The API's calls about wallets, written from docs/openapi.json: do not edit by hand."""

from typing import Literal

from controller.api import models
from controller.client.transport import Transport, given, part


class WalletsCalls(Transport):
    """Calls about wallets."""

    async def top_up_wallet(
        self,
        club_id: str,
        player_id: str,
        *,
        key: str,
        amount_minor: int,
        bonus_minor: int | None = None,
        means: Literal["cash", "card"] | None = None,
    ) -> models.Wallet:
        """Take money over the desk of a club into a player's wallet, in the club's currency."""
        return await self.send(
            models.Wallet,
            "POST",
            f"/clubs/{part(club_id)}/players/{part(player_id)}/wallet/top-ups",
            key=key,
            body=given(amountMinor=amount_minor, bonusMinor=bonus_minor, means=means),
        )

    async def get_wallet(self, player_id: str) -> models.Wallet:
        """What a player's wallet holds, in each currency of the chain."""
        return await self.send(models.Wallet, "GET", f"/players/{part(player_id)}/wallet")
