"""The API's calls about orders, written from docs/openapi.json: do not edit by hand."""

from collections.abc import Mapping, Sequence
from typing import Literal

from controller.api import list_models, order_models
from controller.client.transport import Transport, given, part


class OrdersCalls(Transport):
    """Calls about orders."""

    async def create_order(
        self,
        club_id: str,
        *,
        key: str,
        player_id: str,
        tariff_ids: Sequence[str],
        payments: Sequence[Mapping[str, object]] | None = None,
        zone_id: str | None = None,
    ) -> order_models.Order:
        """Order prepaid tariffs for a player, and pay at once if payments come with the order."""
        return await self.send(
            order_models.Order,
            "POST",
            f"/clubs/{part(club_id)}/orders",
            key=key,
            body=given(payments=payments, playerId=player_id, tariffIds=tariff_ids, zoneId=zone_id),
        )

    async def list_orders(
        self,
        *,
        club_id: Sequence[str] | None = None,
        status: Sequence[str] | None = None,
        player_id: str | None = None,
        session_id: str | None = None,
        from_: str | None = None,
        to: str | None = None,
        sort: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> list_models.OrderPage:
        """Orders by period, status, player or session, newest first unless told."""
        return await self.send(
            list_models.OrderPage,
            "GET",
            "/orders",
            query=given(
                clubId=club_id,
                cursor=cursor,
                limit=limit,
                playerId=player_id,
                sessionId=session_id,
                sort=sort,
                status=status,
                to=to,
                **{"from": from_},
            ),
        )

    async def get_order(self, order_id: str) -> order_models.Order:
        """An order. What a session costs beside what it draws from purchases is one too, its own
        bill, under the session's id; while the session runs, that is what it has come to
        so far.
        """
        return await self.send(order_models.Order, "GET", f"/orders/{part(order_id)}")

    async def pay_order(
        self, order_id: str, *, key: str, payments: Sequence[Mapping[str, object]]
    ) -> order_models.Order:
        """Pay what is due, by any means together: desk, wallet, bonus."""
        return await self.send(
            order_models.Order,
            "POST",
            f"/orders/{part(order_id)}/pay",
            key=key,
            body=given(payments=payments),
        )

    async def refund_order(
        self,
        order_id: str,
        *,
        key: str,
        amount_minor: int | None = None,
        line: int | None = None,
        payout: Literal["cash", "card"] | None = None,
    ) -> order_models.Order:
        """Give back what is left as each tariff's refund policy says, to the wallet or by hand."""
        return await self.send(
            order_models.Order,
            "POST",
            f"/orders/{part(order_id)}/refund",
            key=key,
            body=given(amountMinor=amount_minor, line=line, payout=payout),
        )

    async def list_player_tariffs(
        self,
        player_id: str,
        *,
        club_id: str | None = None,
        tariff_id: str | None = None,
        status: str | None = None,
        sort: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> order_models.PlayerTariffList:
        """What a player has bought and what is left of it, by club, tariff or status, newest
        first unless told.
        """
        return await self.send(
            order_models.PlayerTariffList,
            "GET",
            f"/players/{part(player_id)}/tariffs",
            query=given(
                clubId=club_id,
                cursor=cursor,
                limit=limit,
                sort=sort,
                status=status,
                tariffId=tariff_id,
            ),
        )
