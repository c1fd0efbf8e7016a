"""Subscriptions to events as they travel over HTTP."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from controller.api.changes import Kept
from controller.api.instants import Instant
from controller.api.models import Page, Request, Wire
from schemas.events import EVENT_DATA

EventType = Annotated[str, WithJsonSchema({"type": "string", "enum": sorted(EVENT_DATA)})]


def _known(events: list[str]) -> list[str]:
    unknown = sorted(set(events) - set(EVENT_DATA))
    if unknown:
        raise ValueError(f"no such event: {', '.join(unknown)[:80]}")
    return sorted(set(events))


Url = Annotated[str, Field(min_length=1, max_length=2_000)]
Events = Annotated[list[EventType], Field(max_length=len(EVENT_DATA)), AfterValidator(_known)]


class CreateWebhookRequest(Request):
    """Where to send what. Without `events`, everything is sent."""

    url: Url
    events: Events = Field(default_factory=list)


class UpdateWebhookRequest(Request):
    """What is to be changed. `events` empty or null asks for everything."""

    url: Kept[Url] = None
    events: Events | None = None


class Webhook(Wire):
    """A subscription. `disabledReason` says who ended it: a person, its receiver, or its queue."""

    etag: str
    """What `If-Match` is to be for an edit of what is shown here."""
    webhook_id: str
    url: str
    events: list[str]
    enabled: bool
    disabled_reason: Literal["by-hand", "gone", "overflow"] | None
    created_at: Instant


class WebhookWithSecret(Webhook):
    """A subscription and the secret its deliveries are signed with. It is not shown again."""

    secret: str


class WebhookList(Page):
    """Subscriptions of the chain in the order asked for."""

    webhooks: list[Webhook]
