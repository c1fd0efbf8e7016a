"""The sender: reads the outbox behind a durable cursor, and posts what subscriptions are owed.

Letters and the cursor are written in one SQL transaction, so a sender that is killed anywhere
owes exactly what it owed. A letter is forgotten after its receiver took it: one that was taken
while the sender died comes again, under the same id.

Letters of one source leave one after another; those of other sources do not wait for them.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from random import Random
from typing import Final, Protocol

import orjson
import structlog

from actors.clock import Clock
from actors.store import Catalogue, ChainStream, ReadModels, StoreUnavailableError, StreamEntry
from actors.unreadable import UNREADABLE_ERRORS
from controller.archive.deliveries import Letter, Retry
from controller.process_telemetry import WebhookTelemetry
from controller.webhooks.post import Outcome, Post
from controller.webhooks.queue import DeliveryQueue
from controller.webhooks.schedule import next_attempt_at_ms
from controller.webhooks.signing import signed_headers
from controller.webhooks.subscriptions import put_subscription, subscriptions_of
from schemas.events import published
from schemas.webhooks import WebhookDocument

ENTRIES_PER_INTAKE: Final = 500
LETTERS_PER_ROUND: Final = 64
ATTEMPTS_AT_ONCE: Final = 8
WAITING_MAX: Final = 50_000
"""A subscription that is owed more is disabled; what it is owed becomes dead letters."""
DEAD_KEPT_MS: Final = 30 * 24 * 3_600_000
REASON_CHARACTERS_MAX: Final = 120
STEP_EVERY_S: Final = 0.5
TIDY_EVERY_MS: Final = 60_000

GONE: Final = "gone"
OVERFLOW: Final = "overflow"

Subscriptions = Mapping[str, WebhookDocument]

log = structlog.get_logger(__name__)


class EventStore(Catalogue, ReadModels, Protocol):
    """The part of the store that events and subscriptions are read from."""


class WebhookSender:
    """``step`` sends what is due now in every chain. ``clock`` is the machine's own time."""

    def __init__(
        self,
        store: EventStore,
        queue: DeliveryQueue,
        *,
        post: Post,
        clock: Clock,
        random: Random,
        telemetry: WebhookTelemetry | None = None,
    ) -> None:
        self._store = store
        self._queue = queue
        self._post = post
        self._clock = clock
        self._random = random
        self._telemetry = telemetry or WebhookTelemetry()
        self._at_once = asyncio.Semaphore(ATTEMPTS_AT_ONCE)
        self._tidied_at_ms: dict[str, int] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Step until ``stop``; a store that does not answer is waited for."""
        while not stop.is_set():
            try:
                sent = await self.step()
            except StoreUnavailableError as error:
                log.warning("webhooks_wait_for_store", reason=str(error))
                sent = 0
            if sent:
                continue
            try:
                async with asyncio.timeout(STEP_EVERY_S):
                    await stop.wait()
            except TimeoutError:
                continue

    async def step(self) -> int:
        """Take in what is new and try what is due; how many attempts were made.

        Raises StoreUnavailableError and ArchiveError; nothing is lost then.
        """
        attempts = 0
        for chain_id in await self._store.chains():
            subscriptions: Subscriptions = await subscriptions_of(self._store, chain_id)
            await self._take_in(chain_id, subscriptions)
            subscriptions = await self._tidied(chain_id, subscriptions)
            for one in subscriptions.values():
                if one.enabled:
                    attempts += await self._deliver(chain_id, one)
        return attempts

    # ---- taking in -----------------------------------------------------------------------------

    async def _take_in(self, chain_id: str, subscriptions: Subscriptions) -> None:
        cursor = await self._queue.cursor(chain_id)
        while read := await self._store.stream(
            chain_id, ChainStream.OUTBOX, after=cursor, count=ENTRIES_PER_INTAKE
        ):
            letters = _letters(read, subscriptions)
            await self._queue.take_in(
                chain_id,
                letters,
                after=cursor,
                to=read[-1].entry_id,
                now_ms=self._clock.wall_ms(),
            )
            cursor = read[-1].entry_id

    async def _tidied(self, chain_id: str, subscriptions: Subscriptions) -> Subscriptions:
        """Once a minute: disable who is owed too much, and forget what is dead for long."""
        now_ms = self._clock.mono_ms()
        tidied_at_ms = self._tidied_at_ms.get(chain_id)
        if tidied_at_ms is not None and now_ms - tidied_at_ms < TIDY_EVERY_MS:
            return subscriptions
        self._tidied_at_ms[chain_id] = now_ms
        before_ms = self._clock.wall_ms() - DEAD_KEPT_MS
        await self._queue.forget_dead(chain_id, before_ms=before_ms)
        overflown = False
        for owed in await self._queue.owed(chain_id):
            one = subscriptions.get(owed.webhook_id)
            if one is not None and one.enabled and owed.waiting > WAITING_MAX:
                await self._disable(chain_id, one, OVERFLOW)
                overflown = True
        return await subscriptions_of(self._store, chain_id) if overflown else subscriptions

    # ---- sending -------------------------------------------------------------------------------

    async def _deliver(self, chain_id: str, one: WebhookDocument) -> int:
        letters = await self._queue.due(
            chain_id, one.webhook_id, now_ms=self._clock.wall_ms(), limit=LETTERS_PER_ROUND
        )
        outcomes = await asyncio.gather(*(self._attempt(one, letter) for letter in letters))
        tried = list(zip(letters, outcomes, strict=True))
        taken = [letter.number for letter, outcome in tried if outcome.taken]
        retries = [self._retry(letter, outcome) for letter, outcome in tried if not outcome.taken]
        await self._queue.settle(taken, retries)
        dead = sum(retry.due_at_ms is None for retry in retries)
        self._telemetry.tried(delivered=len(taken), failed=len(retries) - dead, dead=dead)
        if any(outcome.gone for outcome in outcomes):
            await self._disable(chain_id, one, GONE)
        return len(letters)

    async def _attempt(self, one: WebhookDocument, letter: Letter) -> Outcome:
        now_ms = self._clock.wall_ms()
        secrets = one.secrets_at(now_ms)
        headers = signed_headers(letter.event_id, now_ms // 1_000, letter.body, secrets=secrets)
        async with self._at_once:
            return await self._post(one.url, letter.body, headers)

    def _retry(self, letter: Letter, outcome: Outcome) -> Retry:
        attempts = letter.attempts + 1
        due_at_ms = next_attempt_at_ms(attempts, self._clock.wall_ms(), self._random)
        if due_at_ms is None:
            log.warning("webhook_given_up", webhook=letter.webhook_id, event_id=letter.event_id)
        reason = outcome.reason[:REASON_CHARACTERS_MAX]
        return Retry(letter.number, attempts, due_at_ms, reason)

    async def _disable(self, chain_id: str, one: WebhookDocument, reason: str) -> None:
        log.warning("webhook_disabled", webhook=one.webhook_id, reason=reason)
        # Read again: its secret may have been rotated while letters were on their way.
        newest = (await subscriptions_of(self._store, chain_id)).get(one.webhook_id, one)
        await put_subscription(self._store, chain_id, newest.with_reason(reason))
        await self._queue.bury(chain_id, one.webhook_id, reason=reason)


def _letters(read: Iterable[StreamEntry], subscriptions: Subscriptions) -> list[Letter]:
    """What is owed for these events. The archive keeps and tells of what cannot be read."""
    found: list[Letter] = []
    for entry in read:
        try:
            found += _letters_of(entry, subscriptions)
        except UNREADABLE_ERRORS as error:
            log.warning("event_left_out", entry=entry.entry_id, reason=repr(error))
    return found


def _letters_of(entry: StreamEntry, subscriptions: Subscriptions) -> list[Letter]:
    document = orjson.loads(entry.payload)
    wanted = [
        one
        for one in subscriptions.values()
        if one.enabled and one.wants(document["event"]["kind"])
    ]
    if not wanted:
        return []
    message = published(document)
    letter = Letter("", message["source"], message["id"], orjson.dumps(message))
    return [replace(letter, webhook_id=one.webhook_id) for one in wanted]
