"""Subscriptions in a chain's catalogue."""

from collections.abc import Mapping

import structlog

from actors.store import Catalogue
from schemas.webhooks import FIELD_PREFIX, WebhookDocument, field_of

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


async def put_subscription(store: Catalogue, chain_id: str, one: WebhookDocument) -> None:
    """Store a subscription as it is to be from now on."""
    await store.put(chain_id, {field_of(one.webhook_id): one.model_dump_json().encode()})
