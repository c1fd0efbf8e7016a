"""Subscriptions in a chain's catalogue."""

from collections.abc import Mapping
from typing import Final

import structlog

from actors.auditing import BY_ITSELF, Asker
from actors.store import Catalogue, CatalogueEdit, CatalogueEditing, UnitStatus
from schemas.webhooks import FIELD_PREFIX, WebhookDocument, field_of

ATTEMPTS_MAX: Final = 8
SENDER: Final = "webhook-sender"
"""Who disables a subscription, as the audit names it."""

log = structlog.get_logger(__name__)


async def subscriptions_of(store: Catalogue, chain_id: str) -> dict[str, WebhookDocument]:
    """A chain's subscriptions by id. One that does not read is passed over, and said so."""
    return parsed(await store.catalogue(chain_id))


def parsed(catalogue: Mapping[str, bytes]) -> dict[str, WebhookDocument]:
    """The subscriptions among a catalogue's documents."""
    found = {}
    for name, document in catalogue.items():
        if not name.startswith(FIELD_PREFIX):
            continue
        try:
            one = WebhookDocument.model_validate_json(document)
        except ValueError:
            log.warning("webhook_unreadable", field=name)
            continue
        found[one.webhook_id] = one
    return found


async def disable_subscription(
    store: CatalogueEditing, chain_id: str, one: WebhookDocument, *, reason: str, now_ms: int
) -> bool:
    """Disable it, unless it was deleted, disabled or sent elsewhere meanwhile; whether it was done.
    The audit has it with what it did.

    What else changed in it stays. Not done either where others edit the catalogue all the time.
    """
    asked = {"webhook_id": one.webhook_id, "reason": reason}
    told = Asker(SENDER, BY_ITSELF).entry("disableWebhook", asked, at_ms=now_ms)
    for _ in range(ATTEMPTS_MAX):
        image = await store.catalogue_image(chain_id)
        newest = parsed(image.fields).get(one.webhook_id)
        if newest is None or not newest.enabled or newest.url != one.url:
            return False
        disabled = newest.with_reason(reason).model_dump_json().encode()
        fields = {field_of(one.webhook_id): disabled}
        edit = CatalogueEdit(revision=image.revision, fields=fields, audit=(told,))
        if (await store.edit(chain_id, edit)).status is UnitStatus.APPLIED:
            return True
    return False
