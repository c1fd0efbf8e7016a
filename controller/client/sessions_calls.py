"""The API's calls about sessions, written from docs/openapi.json: do not edit by hand."""

from collections.abc import Mapping, Sequence
from typing import Literal

from controller.api import list_models, models, receipt_models
from controller.client.transport import Transport, given, part


class SessionsCalls(Transport):
    """Calls about sessions."""

    async def create_session(
        self,
        club_id: str,
        *,
        key: str,
        pc_id: str,
        guest_label: str | None = None,
        mode: Literal["PREPAID", "OPEN_ENDED"] | None = None,
        payment: Mapping[str, object] | None = None,
        planned_end_at: str | None = None,
        planned_start_at: str | None = None,
        player_id: str | None = None,
        player_tariff_id: str | None = None,
        start: bool | None = None,
        tariff_id: str | None = None,
    ) -> models.Session:
        """Create a session on a PC for a player or a guest, and start it at once if asked to."""
        return await self.send(
            models.Session,
            "POST",
            f"/clubs/{part(club_id)}/sessions",
            key=key,
            body=given(
                guestLabel=guest_label,
                mode=mode,
                payment=payment,
                pcId=pc_id,
                plannedEndAt=planned_end_at,
                plannedStartAt=planned_start_at,
                playerId=player_id,
                playerTariffId=player_tariff_id,
                start=start,
                tariffId=tariff_id,
            ),
        )

    async def list_sessions(
        self,
        *,
        club_id: Sequence[str] | None = None,
        status: Sequence[str] | None = None,
        coverage_status: Sequence[str] | None = None,
        ended_reason: Sequence[str] | None = None,
        zone_id: str | None = None,
        pc_id: str | None = None,
        player_id: str | None = None,
        tariff_id: str | None = None,
        from_: str | None = None,
        to: str | None = None,
        search: str | None = None,
        sort: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> list_models.SessionPage:
        """Sessions by period, status, coverage, reason of the end, zone, PC, player or tariff,
        newest start first unless told.
        """
        return await self.send(
            list_models.SessionPage,
            "GET",
            "/sessions",
            query=given(
                clubId=club_id,
                coverageStatus=coverage_status,
                cursor=cursor,
                endedReason=ended_reason,
                limit=limit,
                pcId=pc_id,
                playerId=player_id,
                search=search,
                sort=sort,
                status=status,
                tariffId=tariff_id,
                to=to,
                zoneId=zone_id,
                **{"from": from_},
            ),
        )

    async def get_session(self, session_id: str) -> models.Session:
        """A session, running or over; its version is the ETag, for an If-Match."""
        return await self.send(models.Session, "GET", f"/sessions/{part(session_id)}")

    async def cancel_session(
        self, session_id: str, *, key: str, if_match: str | None = None
    ) -> models.Session:
        """Take back a session that has not started; nothing is charged."""
        return await self.send(
            models.Session,
            "POST",
            f"/sessions/{part(session_id)}/cancel",
            key=key,
            headers={"If-Match": if_match},
        )

    async def convert_guest(
        self, session_id: str, *, key: str, player_id: str, if_match: str | None = None
    ) -> models.Session:
        """Give a guest's session, and what the guest has left, to a player who has registered."""
        return await self.send(
            models.Session,
            "POST",
            f"/sessions/{part(session_id)}/convert-guest",
            key=key,
            body=given(playerId=player_id),
            headers={"If-Match": if_match},
        )

    async def end_session(
        self,
        session_id: str,
        *,
        key: str,
        ended_reason: Literal["ManualByAdmin", "ManualByPlayer"] | None = None,
        if_match: str | None = None,
    ) -> receipt_models.EndedSession:
        """End a session now: the PC locks and the receipt is written."""
        return await self.send(
            receipt_models.EndedSession,
            "POST",
            f"/sessions/{part(session_id)}/end",
            key=key,
            body=given(endedReason=ended_reason),
            headers={"If-Match": if_match},
        )

    async def extend_session(
        self,
        session_id: str,
        *,
        key: str,
        payment: Mapping[str, object] | None = None,
        player_tariff_id: str | None = None,
        tariff_id: str | None = None,
        if_match: str | None = None,
    ) -> models.Session:
        """Append a tariff after what is covered; the PC does not notice."""
        return await self.send(
            models.Session,
            "POST",
            f"/sessions/{part(session_id)}/extend",
            key=key,
            body=given(payment=payment, playerTariffId=player_tariff_id, tariffId=tariff_id),
            headers={"If-Match": if_match},
        )

    async def get_receipt(self, session_id: str) -> receipt_models.Receipt:
        """The frozen bill of an ended session: segments, and why each cost what it cost."""
        return await self.send(
            receipt_models.Receipt, "GET", f"/sessions/{part(session_id)}/receipt"
        )

    async def start_session(
        self, session_id: str, *, key: str, if_match: str | None = None
    ) -> models.Session:
        """Press Start for a session that waits: the PC unlocks and time runs. In the app and at
        a kiosk the PC has to be online; at the desk it need not.
        """
        return await self.send(
            models.Session,
            "POST",
            f"/sessions/{part(session_id)}/start",
            key=key,
            headers={"If-Match": if_match},
        )

    async def switch_session_device(
        self, session_id: str, *, key: str, pc_id: str, if_match: str | None = None
    ) -> models.Session:
        """Move the player to another PC; time and tariff go on."""
        return await self.send(
            models.Session,
            "POST",
            f"/sessions/{part(session_id)}/switch-device",
            key=key,
            body=given(pcId=pc_id),
            headers={"If-Match": if_match},
        )
