"""The API's calls about staff, written from docs/openapi.json: do not edit by hand."""

from collections.abc import Mapping, Sequence

from controller.api import staff_models
from controller.client.transport import Transport, given, part


class StaffCalls(Transport):
    """Calls about staff."""

    async def list_staff(
        self,
        *,
        enabled: str | None = None,
        role: str | None = None,
        club_id: str | None = None,
        sort: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> staff_models.StaffList:
        """Everybody who works for the chain, or who has a role, or who works in a club: in that
        one or in all of them.
        """
        return await self.send(
            staff_models.StaffList,
            "GET",
            "/staff",
            query=given(
                clubId=club_id, cursor=cursor, enabled=enabled, limit=limit, role=role, sort=sort
            ),
        )

    async def create_staff(
        self,
        *,
        key: str,
        name: str,
        staff_id: str,
        roles: Sequence[Mapping[str, object]] | None = None,
    ) -> staff_models.StaffMember:
        """Somebody new. They sign in with a token of the chain's issuer, under this id."""
        return await self.send(
            staff_models.StaffMember,
            "POST",
            "/staff",
            key=key,
            body=given(name=name, roles=roles, staffId=staff_id),
        )

    async def get_staff(self, staff_id: str) -> staff_models.StaffMember:
        """A person, and what they are where."""
        return await self.send(staff_models.StaffMember, "GET", f"/staff/{part(staff_id)}")

    async def update_staff(
        self,
        staff_id: str,
        *,
        key: str,
        enabled: bool | None = None,
        name: str | None = None,
        roles: Sequence[Mapping[str, object]] | None = None,
        if_match: str | None = None,
    ) -> staff_models.StaffMember:
        """Rename somebody, replace their roles, or end their access: the next request knows."""
        return await self.send(
            staff_models.StaffMember,
            "PATCH",
            f"/staff/{part(staff_id)}",
            key=key,
            body=given(enabled=enabled, name=name, roles=roles),
            headers={"If-Match": if_match},
        )
