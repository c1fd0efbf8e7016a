"""The API's calls about keys, written from docs/openapi.json: do not edit by hand."""

from collections.abc import Sequence
from typing import Literal

from controller.api import staff_models
from controller.client.transport import Transport, given, part


class KeysCalls(Transport):
    """Calls about keys."""

    async def list_api_keys(
        self,
        *,
        revoked: str | None = None,
        role: str | None = None,
        sort: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> staff_models.ChainApiKeyList:
        """The chain's keys, the newest first unless told; revoked ones too, unless `revoked`
        says.
        """
        return await self.send(
            staff_models.ChainApiKeyList,
            "GET",
            "/api-keys",
            query=given(cursor=cursor, limit=limit, revoked=revoked, role=role, sort=sort),
        )

    async def create_api_key(
        self,
        *,
        key: str,
        name: str,
        role: Literal["owner", "administrator", "cashier"],
        channel: Literal["crm", "kiosk", "app"] | None = None,
        club_ids: Sequence[str] | None = None,
        scopes: Sequence[str] | None = None,
    ) -> staff_models.ChainApiKeyWithSecret:
        """A new key. The answer holds the secret, once: what is kept is a digest, so a repeated
        request cannot show it again.
        """
        return await self.send(
            staff_models.ChainApiKeyWithSecret,
            "POST",
            "/api-keys",
            key=key,
            body=given(channel=channel, clubIds=club_ids, name=name, role=role, scopes=scopes),
        )

    async def revoke_api_key(self, key_id: str, *, key: str) -> staff_models.ChainApiKey:
        """End a key: the next request with it is nobody's."""
        return await self.send(
            staff_models.ChainApiKey, "POST", f"/api-keys/{part(key_id)}/revoke", key=key
        )
