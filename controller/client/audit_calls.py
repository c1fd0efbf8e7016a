"""The API's calls about audit, written from docs/openapi.json: do not edit by hand."""

from controller.api import audit_routes
from controller.client.transport import Transport, given, part


class AuditCalls(Transport):
    """Calls about audit."""

    async def list_chain_audit(
        self, *, before: str | None = None, limit: int | None = None
    ) -> audit_routes.ChainAuditPage:
        """Every command and every change of the chain, its clubs, tariffs, players and staff."""
        return await self.send(
            audit_routes.ChainAuditPage, "GET", "/audit", query=given(before=before, limit=limit)
        )

    async def list_audit(
        self, club_id: str, *, before: str | None = None, limit: int | None = None
    ) -> audit_routes.AuditPage:
        """Every command of the club with its speaker and its result, the newest first."""
        return await self.send(
            audit_routes.AuditPage,
            "GET",
            f"/clubs/{part(club_id)}/audit",
            query=given(before=before, limit=limit),
        )
