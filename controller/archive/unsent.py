"""Events in the store that the sender of webhooks has not read yet, and how long they are kept."""

from typing import Final

import structlog

from actors.store import Catalogue, ChainStream, place_of
from controller.archive import deliveries, rows
from controller.archive.database import Archive
from controller.webhooks.subscriptions import subscriptions_of

WEBHOOKS_WAITED_FOR_MS: Final = 3 * 24 * 3_600_000
"""How far behind a sender of webhooks may be before events are trimmed without it."""
SUBSCRIPTIONS_READ_EVERY: Final = 60
"""So many trims; a subscription made between two readings is within what is kept anyway."""

log = structlog.get_logger(__name__)


class Unsent:
    """One per process. All methods raise StoreError and ArchiveError."""

    def __init__(self, store: Catalogue, archive: Archive) -> None:
        self._store = store
        self._archive = archive
        self._begun_ms: dict[str, int | None] = {}
        self._looks: dict[str, int] = {}
        self._left_behind: set[str] = set()

    async def kept_from_ms(self, chain_id: str, oldest_ms: int) -> int:
        """From when on events stay, if all before ``oldest_ms`` may go but for webhooks.

        What is not read yet stays, but not for ever if nobody reads it.
        """
        unread_ms = await self.unread_from_ms(chain_id)
        if unread_ms is None:
            return oldest_ms
        patience_ms = max(0, oldest_ms - WEBHOOKS_WAITED_FOR_MS)
        if unread_ms < patience_ms and chain_id not in self._left_behind:
            log.error("webhooks_left_behind", chain=chain_id, unread_from_ms=unread_ms)
            self._left_behind.add(chain_id)
        elif unread_ms >= patience_ms:
            self._left_behind.discard(chain_id)
        return max(patience_ms, min(oldest_ms, unread_ms))

    async def unread_from_ms(self, chain_id: str) -> int | None:
        """From when on the sender has not read; None while there is nobody to send to.

        A sender that has never run has read nothing since the first subscription was made.
        """
        follower = await self._archive.look(deliveries.cursor, chain_id)
        if follower != rows.BEGINNING:
            return place_of(follower)[0]
        looks = self._looks.get(chain_id, 0)
        if looks % SUBSCRIPTIONS_READ_EVERY == 0:
            found = await subscriptions_of(self._store, chain_id)
            enabled = (one.created_at_ms for one in found.values() if one.enabled)
            self._begun_ms[chain_id] = min(enabled, default=None)
        self._looks[chain_id] = looks + 1
        return self._begun_ms[chain_id]

    async def behind_ms(self, chain_id: str) -> int:
        """How much newer what is archived is than what the sender has read."""
        unread_ms = await self.unread_from_ms(chain_id)
        if unread_ms is None:
            return 0
        archived = await self._archive.cursor(chain_id, ChainStream.OUTBOX)
        return max(0, place_of(archived)[0] - unread_ms)
