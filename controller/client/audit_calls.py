"""The API's calls about audit, written from docs/openapi.json: do not edit by hand."""

from collections.abc import Sequence

from controller.api import audit_routes
from controller.client.transport import Transport, given, part


class AuditCalls(Transport):
    """Calls about audit."""

    async def list_chain_audit(
        self,
        *,
        club_id: str | None = None,
        sort: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
        principal: str | None = None,
        operation: Sequence[str] | None = None,
        result: str | None = None,
        target: str | None = None,
        from_: str | None = None,
        to: str | None = None,
    ) -> audit_routes.ChainAuditPage:
        """Every command and every change of the chain, its clubs, tariffs, players and staff,
        with the filters of a club's audit.
        """
        return await self.send(
            audit_routes.ChainAuditPage,
            "GET",
            "/audit",
            query=given(
                clubId=club_id,
                cursor=cursor,
                limit=limit,
                operation=operation,
                principal=principal,
                result=result,
                sort=sort,
                target=target,
                to=to,
                **{"from": from_},
            ),
        )

    async def list_audit(
        self,
        club_id: str,
        *,
        sort: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
        principal: str | None = None,
        operation: Sequence[str] | None = None,
        result: str | None = None,
        target: str | None = None,
        from_: str | None = None,
        to: str | None = None,
    ) -> audit_routes.AuditPage:
        """Every command of the club with its speaker and its result, the newest first: by who
        asked, operation, result, an id named in it (`target`) and period.
        """
        return await self.send(
            audit_routes.AuditPage,
            "GET",
            f"/clubs/{part(club_id)}/audit",
            query=given(
                cursor=cursor,
                limit=limit,
                operation=operation,
                principal=principal,
                result=result,
                sort=sort,
                target=target,
                to=to,
                **{"from": from_},
            ),
        )
