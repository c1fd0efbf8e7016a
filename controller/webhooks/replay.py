"""Telling a subscription once more what has happened since an instant.

History is read from the archive, and from the outbox what the archive does not have yet. What the
sender has not come to is left to it.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, Protocol

import orjson

from actors.store import ChainStream, ReadModels
from controller.archive import Archive
from controller.archive.deliveries import Letter
from controller.archive.event_history import EventPlace, events_since
from controller.archive.writing import readable
from controller.webhooks.queue import DeliveryQueue
from schemas.events import published
from schemas.webhooks import WebhookDocument

EVENTS_PER_PART: Final = 500


class Outbox(ReadModels, Protocol):
    """Where the newest events are."""


class Replay:
    """Writes letters of the past; they are sent by whoever sends the others."""

    def __init__(self, store: Outbox, archive: Archive, *, now_ms: int) -> None:
        self._store = store
        self._archive = archive
        self._queue = DeliveryQueue(archive)
        self._now_ms = now_ms

    async def since(self, chain_id: str, one: WebhookDocument, at_ms: int) -> int:
        """Queue every event since ``at_ms`` that the subscription asks for; how many there were.

        What is dead is revived in its old place, and what waits is not queued twice. Raises
        StoreUnavailableError and ArchiveError.
        """
        count = await self._queue.revive(chain_id, one.webhook_id, now_ms=self._now_ms)
        async for events in self._history(chain_id, at_ms):
            letters = [_letter(one, event) for event in events if one.wants(event["event"]["kind"])]
            count += await self._queue.queue_again(chain_id, letters, now_ms=self._now_ms)
        return count

    async def _history(self, chain_id: str, at_ms: int) -> AsyncIterator[Sequence[dict[str, Any]]]:
        # Before the archive is read: what it takes meanwhile is in both, and queued once.
        archived = await self._archive.cursor(chain_id, ChainStream.OUTBOX)
        sent = _place(await self._queue.cursor(chain_id))
        place: EventPlace | None = None
        while found := await self._archive.transact(
            events_since, chain_id, at_ms, after=place, count=EVENTS_PER_PART
        ):
            place = found[-1].place
            known = [one for one in found if _place(one.entry_id) <= sent]
            yield [orjson.loads(one.payload) for one in known]
        after = archived
        while read := await self._store.stream(
            chain_id, ChainStream.OUTBOX, after=after, count=EVENTS_PER_PART
        ):
            after = read[-1].entry_id
            passed = [one for one in read if _place(one.entry_id) <= sent]
            good, _ = readable(chain_id, ChainStream.OUTBOX, passed)
            yield [event for _, event in good if event["event"]["at_ms"] >= at_ms]


def _letter(one: WebhookDocument, event: dict[str, Any]) -> Letter:
    message = published(event)
    return Letter(one.webhook_id, message["source"], message["id"], orjson.dumps(message))


def _place(entry_id: str) -> tuple[int, int]:
    at_ms, _, number = entry_id.partition("-")
    return int(at_ms), int(number)
