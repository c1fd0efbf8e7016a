"""The API's calls about webhooks, written from docs/openapi.json: do not edit by hand."""

from collections.abc import Sequence

from controller.api import webhook_models
from controller.client.transport import Clear, Transport, given, part


class WebhooksCalls(Transport):
    """Calls about webhooks."""

    async def list_webhooks(
        self,
        *,
        enabled: str | None = None,
        sort: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> webhook_models.WebhookList:
        """The chain's subscriptions, oldest first unless told; secrets are not shown."""
        return await self.send(
            webhook_models.WebhookList,
            "GET",
            "/webhooks",
            query=given(cursor=cursor, enabled=enabled, limit=limit, sort=sort),
        )

    async def create_webhook(
        self, *, key: str, url: str, events: Sequence[str] | None = None
    ) -> webhook_models.WebhookWithSecret:
        """Subscribe to events of the chain. The answer holds the secret; no other does."""
        return await self.send(
            webhook_models.WebhookWithSecret,
            "POST",
            "/webhooks",
            key=key,
            body=given(events=events, url=url),
        )

    async def delete_webhook(
        self, webhook_id: str, *, key: str, if_match: str | None = None
    ) -> webhook_models.Webhook:
        """Send nothing more and make room for another. What is owed to it is dropped, dead
        letters too; deliveries under way end within moments. The answer is what it was.
        """
        return await self.send(
            webhook_models.Webhook,
            "DELETE",
            f"/webhooks/{part(webhook_id)}",
            key=key,
            headers={"If-Match": if_match},
        )

    async def get_webhook(self, webhook_id: str) -> webhook_models.Webhook:
        """A subscription without its secret; the `ETag` is the version."""
        return await self.send(webhook_models.Webhook, "GET", f"/webhooks/{part(webhook_id)}")

    async def update_webhook(
        self,
        webhook_id: str,
        *,
        key: str,
        events: Sequence[str] | Clear | None = None,
        url: str | None = None,
        if_match: str | None = None,
    ) -> webhook_models.Webhook:
        """Send elsewhere, or other events. What is owed already goes to the new `url`; `events`
        counts for what happens from now on. The secret stays.
        """
        return await self.send(
            webhook_models.Webhook,
            "PATCH",
            f"/webhooks/{part(webhook_id)}",
            key=key,
            body=given(events=events, url=url),
            headers={"If-Match": if_match},
        )

    async def disable_webhook(self, webhook_id: str, *, key: str) -> webhook_models.Webhook:
        """Send nothing more. What is owed already waits until it is enabled again; what happens
        meanwhile is not owed.
        """
        return await self.send(
            webhook_models.Webhook, "POST", f"/webhooks/{part(webhook_id)}/disable", key=key
        )

    async def enable_webhook(self, webhook_id: str, *, key: str) -> webhook_models.Webhook:
        """Send again: what was owed when it was disabled, and what happens from now on."""
        return await self.send(
            webhook_models.Webhook, "POST", f"/webhooks/{part(webhook_id)}/enable", key=key
        )

    async def rotate_webhook_secret(
        self, webhook_id: str, *, key: str
    ) -> webhook_models.WebhookWithSecret:
        """Draw a new secret. For a day deliveries are signed with the old one too."""
        return await self.send(
            webhook_models.WebhookWithSecret,
            "POST",
            f"/webhooks/{part(webhook_id)}/rotate-secret",
            key=key,
        )
