"""The API's calls about enrolment, written from docs/openapi.json: do not edit by hand."""

from controller.api import enrolment_models
from controller.client.transport import Transport, given, part


class EnrolmentCalls(Transport):
    """Calls about enrolment."""

    async def list_pc_credentials(
        self,
        club_id: str,
        *,
        state: str | None = None,
        sort: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> enrolment_models.CredentialsView:
        """Every PC of the club that was ever enrolled, by the state of what it is let in by."""
        return await self.send(
            enrolment_models.CredentialsView,
            "GET",
            f"/clubs/{part(club_id)}/credentials",
            query=given(cursor=cursor, limit=limit, sort=sort, state=state),
        )

    async def create_enrolment_code(
        self,
        club_id: str,
        *,
        key: str,
        minutes: int | None = None,
        needs_approval: bool | None = None,
        pc_id: str | None = None,
        uses: int | None = None,
    ) -> enrolment_models.NewEnrolmentCode:
        """Make a one-time code that lets PCs of the club in."""
        return await self.send(
            enrolment_models.NewEnrolmentCode,
            "POST",
            f"/clubs/{part(club_id)}/enrolment-codes",
            key=key,
            body=given(minutes=minutes, needsApproval=needs_approval, pcId=pc_id, uses=uses),
        )

    async def approve_enrolment(
        self, club_id: str, request_id: str, *, key: str, pc_id: str | None = None
    ) -> enrolment_models.PcCredentials:
        """Let a waiting machine in, as the PC it is. What that PC was known by before is void."""
        return await self.send(
            enrolment_models.PcCredentials,
            "POST",
            f"/clubs/{part(club_id)}/enrolments/{part(request_id)}/approve",
            key=key,
            body=given(pcId=pc_id),
        )

    async def reject_enrolment(
        self, club_id: str, request_id: str, *, key: str
    ) -> enrolment_models.WaitingMachine:
        """Turn a waiting machine away."""
        return await self.send(
            enrolment_models.WaitingMachine,
            "POST",
            f"/clubs/{part(club_id)}/enrolments/{part(request_id)}/reject",
            key=key,
        )

    async def revoke_pc(
        self, club_id: str, pc_id: str, *, key: str
    ) -> enrolment_models.PcCredentials:
        """Shut a PC out at once, until it is enrolled anew. What it holds it plays to the end."""
        return await self.send(
            enrolment_models.PcCredentials,
            "POST",
            f"/clubs/{part(club_id)}/pcs/{part(pc_id)}/revoke",
            key=key,
        )

    async def rotate_pc_secret(
        self, club_id: str, pc_id: str, *, key: str
    ) -> enrolment_models.PcCredentials:
        """Have a PC draw a new secret: at once while it is on, otherwise when it comes back."""
        return await self.send(
            enrolment_models.PcCredentials,
            "POST",
            f"/clubs/{part(club_id)}/pcs/{part(pc_id)}/rotate",
            key=key,
        )

    async def get_quarantine(self, club_id: str) -> enrolment_models.QuarantineView:
        """Machines that wait, names nobody knows on the broker, and PCs that were shut out."""
        return await self.send(
            enrolment_models.QuarantineView, "GET", f"/clubs/{part(club_id)}/quarantine"
        )
