"""Subscriptions to a chain's events: made, shown, changed, switched off and on, deleted."""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Annotated, Final, Literal, TypeVar, cast
from urllib.parse import urlsplit

from fastapi import APIRouter, Path, Response

from controller.api.commands import checked_key
from controller.api.dependencies import AsPrincipal, InRooms, Rooms
from controller.api.directory import ChainDirectory
from controller.api.edit_calls import Edit, EditedVersion, InEdit, with_etag
from controller.api.editing import Edited, check_etag, etag_of
from controller.api.guard import GuardedRoute
from controller.api.instants import render_instant
from controller.api.openapi import API_PREFIX, COMMAND_PROBLEMS, EDIT_PROBLEMS, QUERY_PROBLEMS
from controller.api.paging import InTurning
from controller.api.principal import Principal
from controller.api.problems import ProblemError
from controller.api.webhook_models import (
    CreateWebhookRequest,
    UpdateWebhookRequest,
    Webhook,
    WebhookList,
    WebhookWithSecret,
)
from controller.lists.held import Listing
from controller.webhooks.destination import ForbiddenDestinationError, check_url
from controller.webhooks.signing import secret_of
from controller.webhooks.subscriptions import parsed
from schemas.commands import EntityId
from schemas.webhooks import WebhookDocument, WebhookSecret, field_of

OLD_SECRET_KEPT_MS: Final = 24 * 3_600_000
WEBHOOKS_PER_CHAIN_MAX: Final = 32
BY_HAND: Final = "by-hand"

router = APIRouter(
    prefix=f"{API_PREFIX}/webhooks", route_class=GuardedRoute, responses=COMMAND_PROBLEMS
)

WebhookId = Annotated[EntityId, Path(alias="webhookId")]
W = TypeVar("W", bound=Webhook)


@router.post("", operation_id="createWebhook", tags=["webhooks"], status_code=201)
async def create_webhook(edit: InEdit, asked: CreateWebhookRequest) -> WebhookWithSecret:
    """Subscribe to events of the chain. The answer holds the secret; no other does."""
    fingerprint = _digest(edit.principal, checked_key(edit.idempotency_key))
    _whole_chain_only(edit.principal)
    _checked_url(edit.rooms, asked.url)
    # The id follows from the key, so that a retry after any time finds what the first one made.
    made = WebhookDocument(
        webhook_id=f"wh-{fingerprint[:24]}",
        url=asked.url,
        events=tuple(asked.events),
        secrets=(WebhookSecret(text=secret_of(edit.rooms.given.draw_secret())),),
        created_at_ms=edit.rooms.given.real_clock.wall_ms(),
        asked_with=fingerprint,
    )

    async def decide(directory: ChainDirectory) -> Edited:
        known = parsed(directory.raw)
        found = known.get(made.webhook_id)
        if found is None and field_of(made.webhook_id) in directory.raw:
            raise ProblemError("quarantined")
        if found is not None and not found.updated and _wants(found) != _wants(made):
            raise ProblemError("idempotency-key-reused", field="Idempotency-Key")
        if found is None and len(known) >= WEBHOOKS_PER_CHAIN_MAX:
            raise ProblemError("too-many-webhooks")
        return _kept(directory, found or made, _with_secret)

    told = {"host": urlsplit(asked.url).hostname, "events": asked.events}
    in_full = asked.model_dump(mode="json")
    return await edit.apply("createWebhook", WebhookWithSecret, in_full, decide=decide, told=told)


WEBHOOKS: Final[Listing[WebhookDocument]] = Listing(
    row_id=lambda one: one.webhook_id, sorts={"createdAt": lambda one: one.created_at_ms}
)


@router.get("", operation_id="listWebhooks", tags=["webhooks"])
async def list_webhooks(
    *,
    rooms: InRooms,
    principal: AsPrincipal,
    turning: InTurning,
    enabled: bool | None = None,
    sort: Literal["createdAt", "-createdAt"] = "createdAt",
) -> WebhookList:
    """The chain's subscriptions, oldest first unless told; secrets are not shown."""
    _whole_chain_only(principal)
    ask = turning.asked(sort, enabled=enabled)
    raw = await rooms.given.store.catalogue(principal.chain_id)
    wanted = (one for one in parsed(raw).values() if enabled in (None, one.enabled))
    page, more = WEBHOOKS.page(wanted, ask)
    shown = [_shown(one, raw[field_of(one.webhook_id)]) for one in page]
    return WebhookList(webhooks=shown, next_cursor=more)


@router.get("/{webhookId}", operation_id="getWebhook", tags=["webhooks"], responses=QUERY_PROBLEMS)
async def get_webhook(
    *, rooms: InRooms, principal: AsPrincipal, webhook_id: WebhookId, response: Response
) -> Webhook:
    """A subscription without its secret; the `ETag` is the version."""
    _whole_chain_only(principal)
    directory = await rooms.directory.chain(principal.chain_id, fresh=True)
    return with_etag(response, _shown(*_found(directory, webhook_id)))


@router.patch(
    "/{webhookId}", operation_id="updateWebhook", tags=["webhooks"], responses=EDIT_PROBLEMS
)
async def update_webhook(
    *,
    edit: InEdit,
    webhook_id: WebhookId,
    asked: UpdateWebhookRequest,
    if_match: EditedVersion = None,
) -> Webhook:
    """Send elsewhere, or other events. What is owed already goes to the new `url`; `events` counts
    for what happens from now on. The secret stays."""
    checked_key(edit.idempotency_key)
    _whole_chain_only(edit.principal)
    changes: dict[str, object] = {}
    if asked.url is not None:
        _checked_url(edit.rooms, asked.url)
        changes["url"] = asked.url
    if "events" in asked.model_fields_set:
        changes["events"] = tuple(asked.events or ())

    async def decide(directory: ChainDirectory) -> Edited:
        found, raw = _found(directory, webhook_id)
        check_etag(if_match, etag_of(raw))
        after = found.model_copy(update=changes)
        if _wants(after) == _wants(found):
            return Edited(_shown(found, raw))
        return _kept(directory, after.model_copy(update={"updated": True}), _shown)

    in_full = {"webhook_id": webhook_id, **asked.model_dump(mode="json", exclude_unset=True)}
    told = {name: value for name, value in in_full.items() if name != "url"}
    if asked.url is not None:
        told["host"] = urlsplit(asked.url).hostname
    return await edit.apply("updateWebhook", Webhook, in_full, decide=decide, told=told)


@router.post("/{webhookId}/disable", operation_id="disableWebhook", tags=["webhooks"])
async def disable_webhook(edit: InEdit, webhook_id: WebhookId) -> Webhook:
    """Send nothing more. What is owed already waits until it is enabled again; what happens
    meanwhile is not owed."""

    def disabled(found: WebhookDocument) -> WebhookDocument:
        return found.with_reason(BY_HAND) if found.enabled else found

    return await _changed(edit, webhook_id, operation="disableWebhook", change=disabled)


@router.post("/{webhookId}/enable", operation_id="enableWebhook", tags=["webhooks"])
async def enable_webhook(edit: InEdit, webhook_id: WebhookId) -> Webhook:
    """Send again: what was owed when it was disabled, and what happens from now on."""

    def enabled(found: WebhookDocument) -> WebhookDocument:
        return found.with_reason(None)

    return await _changed(edit, webhook_id, operation="enableWebhook", change=enabled)


@router.delete(
    "/{webhookId}", operation_id="deleteWebhook", tags=["webhooks"], responses=EDIT_PROBLEMS
)
async def delete_webhook(
    *, edit: InEdit, webhook_id: WebhookId, if_match: EditedVersion = None
) -> Webhook:
    """Send nothing more and make room for another. What is owed to it is dropped, dead letters too;
    deliveries under way end within moments. The answer is what it was.
    """
    checked_key(edit.idempotency_key)
    _whole_chain_only(edit.principal)

    async def decide(directory: ChainDirectory) -> Edited:
        found, raw = _found(directory, webhook_id)
        check_etag(if_match, etag_of(raw))
        return Edited(_shown(found, raw), {field_of(webhook_id): None})

    return await edit.apply("deleteWebhook", Webhook, {"webhook_id": webhook_id}, decide=decide)


@router.post("/{webhookId}/rotate-secret", operation_id="rotateWebhookSecret", tags=["webhooks"])
async def rotate_webhook_secret(edit: InEdit, webhook_id: WebhookId) -> WebhookWithSecret:
    """Draw a new secret. For a day deliveries are signed with the old one too."""
    fingerprint = _digest(edit.principal, checked_key(edit.idempotency_key))
    _whole_chain_only(edit.principal)
    now_ms = edit.rooms.given.real_clock.wall_ms()
    fresh = WebhookSecret(text=secret_of(edit.rooms.given.draw_secret()))

    async def decide(directory: ChainDirectory) -> Edited:
        found, _ = _found(directory, webhook_id)
        if found.rotated_with == fingerprint:
            return _kept(directory, found, _with_secret)
        old = found.secrets[0].model_copy(update={"until_ms": now_ms + OLD_SECRET_KEPT_MS})
        changes = {"secrets": (fresh, old), "rotated_with": fingerprint}
        return _kept(directory, found.model_copy(update=changes), _with_secret)

    asked = {"webhook_id": webhook_id}
    return await edit.apply("rotateWebhookSecret", WebhookWithSecret, asked, decide=decide)


async def _changed(
    edit: Edit,
    webhook_id: str,
    *,
    operation: str,
    change: Callable[[WebhookDocument], WebhookDocument],
) -> Webhook:
    checked_key(edit.idempotency_key)
    _whole_chain_only(edit.principal)

    async def decide(directory: ChainDirectory) -> Edited:
        found, _ = _found(directory, webhook_id)
        return _kept(directory, change(found), _shown)

    return await edit.apply(operation, Webhook, {"webhook_id": webhook_id}, decide=decide)


def _wants(one: WebhookDocument) -> tuple[str, tuple[str, ...]]:
    return one.url, one.events


def _found(directory: ChainDirectory, webhook_id: str) -> tuple[WebhookDocument, bytes]:
    """The subscription, and as it is stored. Raises ProblemError ``webhook-not-found``."""
    found = parsed(directory.raw).get(webhook_id)
    if found is None:
        raise ProblemError("webhook-not-found")
    return found, directory.raw[field_of(webhook_id)]


def _kept(
    directory: ChainDirectory, after: WebhookDocument, shown: Callable[[WebhookDocument, bytes], W]
) -> Edited:
    """The subscription as it is to be, written only where that differs from what it is."""
    name, raw = field_of(after.webhook_id), after.model_dump_json().encode()
    fields: Mapping[str, bytes] = {} if directory.raw.get(name) == raw else {name: raw}
    return Edited(shown(after, raw), fields)


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


def _shown(one: WebhookDocument, stored: bytes) -> Webhook:
    reason = cast("Literal['by-hand', 'gone', 'overflow'] | None", one.disabled_reason)
    return Webhook(
        etag=etag_of(stored),
        webhook_id=one.webhook_id,
        url=one.url,
        events=list(one.events),
        enabled=one.enabled,
        disabled_reason=reason,
        created_at=render_instant(one.created_at_ms),
    )


def _with_secret(one: WebhookDocument, stored: bytes) -> WebhookWithSecret:
    return WebhookWithSecret(**_shown(one, stored).model_dump(), secret=one.secrets[0].text)
