"""Subscriptions to a chain's events: made, listed, switched off and on, given new secrets."""

from hashlib import sha256
from typing import Annotated, Final, Literal, cast

from fastapi import APIRouter, Path

from controller.api.command_calls import IdempotencyKey
from controller.api.commands import checked_key
from controller.api.dependencies import AsPrincipal, InRooms, Rooms
from controller.api.guard import GuardedRoute
from controller.api.instants import render_instant
from controller.api.openapi import API_PREFIX, COMMAND_PROBLEMS
from controller.api.principal import Principal
from controller.api.problems import ProblemError
from controller.api.webhook_models import (
    CreateWebhookRequest,
    Webhook,
    WebhookList,
    WebhookWithSecret,
)
from controller.webhooks.destination import ForbiddenDestinationError, check_url
from controller.webhooks.signing import secret_of
from controller.webhooks.subscriptions import put_subscription, subscriptions_of
from schemas.commands import EntityId
from schemas.webhooks import WebhookDocument, WebhookSecret

OLD_SECRET_KEPT_MS: Final = 24 * 3_600_000
WEBHOOKS_PER_CHAIN_MAX: Final = 32
BY_HAND: Final = "by-hand"

router = APIRouter(
    prefix=f"{API_PREFIX}/webhooks", route_class=GuardedRoute, responses=COMMAND_PROBLEMS
)

WebhookId = Annotated[EntityId, Path(alias="webhookId")]


@router.post("", operation_id="createWebhook", tags=["webhooks"], status_code=201)
async def create_webhook(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    asked: CreateWebhookRequest,
    idempotency_key: IdempotencyKey = None,
) -> WebhookWithSecret:
    """Subscribe to events of the chain. The answer holds the secret, once."""
    key = checked_key(idempotency_key)
    _whole_chain_only(principal)
    _checked_url(rooms, asked.url)
    known = await subscriptions_of(rooms.given.store, principal.chain_id)
    fingerprint = _digest(principal, key)
    # The id follows from the key, so that a retry finds what the first request made.
    webhook_id = f"wh-{fingerprint[:24]}"
    found = known.get(webhook_id)
    if found is not None:
        if (found.url, list(found.events)) != (asked.url, asked.events):
            raise ProblemError("idempotency-key-reused")
        return _with_secret(found)
    if len(known) >= WEBHOOKS_PER_CHAIN_MAX:
        raise ProblemError("too-many-webhooks")
    made = WebhookDocument(
        webhook_id=webhook_id,
        url=asked.url,
        events=tuple(asked.events),
        secrets=(WebhookSecret(text=secret_of(rooms.given.draw_secret())),),
        created_at_ms=rooms.given.real_clock.wall_ms(),
        asked_with=fingerprint,
    )
    await put_subscription(rooms.given.store, principal.chain_id, made)
    return _with_secret(made)


@router.get("", operation_id="listWebhooks", tags=["webhooks"])
async def list_webhooks(rooms: InRooms, principal: AsPrincipal) -> WebhookList:
    """The chain's subscriptions, oldest first; secrets are not shown."""
    _whole_chain_only(principal)
    known = await subscriptions_of(rooms.given.store, principal.chain_id)
    in_order = sorted(known.values(), key=lambda one: (one.created_at_ms, one.webhook_id))
    return WebhookList(webhooks=[_shown(one) for one in in_order])


@router.post("/{webhookId}/disable", operation_id="disableWebhook", tags=["webhooks"])
async def disable_webhook(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    webhook_id: WebhookId,
    idempotency_key: IdempotencyKey = None,
) -> Webhook:
    """Send nothing more. What is owed already waits until it is enabled again."""
    checked_key(idempotency_key)
    found = await _found(rooms, principal, webhook_id)
    if found.enabled:
        found = found.with_reason(BY_HAND)
        await put_subscription(rooms.given.store, principal.chain_id, found)
    return _shown(found)


@router.post("/{webhookId}/enable", operation_id="enableWebhook", tags=["webhooks"])
async def enable_webhook(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    webhook_id: WebhookId,
    idempotency_key: IdempotencyKey = None,
) -> Webhook:
    """Send again, from what happens now on."""
    checked_key(idempotency_key)
    found = await _found(rooms, principal, webhook_id)
    if not found.enabled:
        found = found.with_reason(None)
        await put_subscription(rooms.given.store, principal.chain_id, found)
    return _shown(found)


@router.post("/{webhookId}/rotate-secret", operation_id="rotateWebhookSecret", tags=["webhooks"])
async def rotate_webhook_secret(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    webhook_id: WebhookId,
    idempotency_key: IdempotencyKey = None,
) -> WebhookWithSecret:
    """Draw a new secret. For a day deliveries are signed with the old one too."""
    fingerprint = _digest(principal, checked_key(idempotency_key))
    found = await _found(rooms, principal, webhook_id)
    if found.rotated_with == fingerprint:
        return _with_secret(found)
    now_ms = rooms.given.real_clock.wall_ms()
    fresh = WebhookSecret(text=secret_of(rooms.given.draw_secret()))
    old = found.secrets[0].model_copy(update={"until_ms": now_ms + OLD_SECRET_KEPT_MS})
    rotated = found.model_copy(update={"secrets": (fresh, old), "rotated_with": fingerprint})
    await put_subscription(rooms.given.store, principal.chain_id, rotated)
    return _with_secret(rotated)


async def _found(rooms: Rooms, principal: Principal, webhook_id: str) -> WebhookDocument:
    _whole_chain_only(principal)
    known = await subscriptions_of(rooms.given.store, principal.chain_id)
    found = known.get(webhook_id)
    if found is None:
        raise ProblemError("webhook-not-found")
    return found


def _whole_chain_only(principal: Principal) -> None:
    """Events tell of every club, so whoever sees only some of them cannot subscribe."""
    if principal.club_ids is not None:
        raise ProblemError("forbidden", "Webhooks tell of every club of the chain.")


def _checked_url(rooms: Rooms, url: str) -> None:
    try:
        check_url(url, private=rooms.given.webhooks_private)
    except ForbiddenDestinationError as error:
        raise ProblemError("webhook-url-refused", f"url {error}", field="url") from error


def _digest(principal: Principal, key: str) -> str:
    return sha256(f"{principal.chain_id}\n{principal.name}\n{key}".encode()).hexdigest()


def _shown(one: WebhookDocument) -> Webhook:
    reason = cast("Literal['by-hand', 'gone', 'overflow'] | None", one.disabled_reason)
    return Webhook(
        webhook_id=one.webhook_id,
        url=one.url,
        events=list(one.events),
        enabled=one.enabled,
        disabled_reason=reason,
        created_at=render_instant(one.created_at_ms),
    )


def _with_secret(one: WebhookDocument) -> WebhookWithSecret:
    return WebhookWithSecret(**_shown(one).model_dump(), secret=one.secrets[0].text)
