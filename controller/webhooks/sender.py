"""The sender: reads the outbox behind a durable cursor, and posts what subscriptions are owed.

Letters and the cursor are written in one SQL transaction, so a sender that is killed anywhere
owes exactly what it owed. A letter is forgotten after its receiver took it: one that was taken
while the sender died comes again, under the same id.

Letters of one source leave one after another; those of other sources do not wait for them.
Webhooks do not wait for each other, and taking in waits for none of them.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from random import Random
from typing import Final, Protocol

import orjson
import structlog

from actors.clock import Clock
from actors.store import (
    Catalogue,
    CatalogueEditing,
    ChainStream,
    ReadModels,
    StoreUnavailableError,
    StreamEntry,
)
from actors.unreadable import UNREADABLE_ERRORS
from controller.archive.database import ArchiveError
from controller.archive.deliveries import Letter, Owed, Retry
from controller.process_telemetry import WebhookTelemetry
from controller.webhooks.post import ATTEMPTS_AT_ONCE, Outcome, Post
from controller.webhooks.queue import DeliveryQueue
from controller.webhooks.rounds import Rounds
from controller.webhooks.schedule import next_attempt_at_ms
from controller.webhooks.signing import signed_headers
from controller.webhooks.subscriptions import disable_subscription, subscriptions_of
from schemas.events import published
from schemas.webhooks import WebhookDocument, field_of

ENTRIES_PER_INTAKE: Final = 500
LETTERS_PER_ROUND: Final = 64
ATTEMPTS_AT_ONE_WEBHOOK: Final = 8
WAITING_MAX: Final = 50_000
"""A subscription that is owed more is disabled; what it is owed becomes dead letters."""
DEAD_KEPT_MS: Final = 30 * 24 * 3_600_000
REASON_CHARACTERS_MAX: Final = 120
STEP_EVERY_S: Final = 0.5
TIDY_EVERY_MS: Final = 60_000

GONE: Final = "gone"
OVERFLOW: Final = "overflow"

Subscriptions = Mapping[str, WebhookDocument]
Tried = list[tuple[Letter, Outcome]]

log = structlog.get_logger(__name__)


class EventStore(Catalogue, CatalogueEditing, ReadModels, Protocol):
    """The part of the store that events and subscriptions are read from."""


class WebhookSender:
    """``step`` begins to send what is due now. ``clock`` is the machine's own time."""

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
        self._rounds = Rounds()
        self._wanting: dict[str, dict[str, WebhookDocument]] = {}
        self._tidied_at_ms: dict[str, int] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Step until ``stop``, then end what is under way; waits for a store that is away."""
        try:
            while not stop.is_set():
                try:
                    await self.step()
                except StoreUnavailableError as error:
                    log.warning("webhooks_wait_for_store", reason=str(error))
                try:
                    async with asyncio.timeout(STEP_EVERY_S):
                        await stop.wait()
                except TimeoutError:
                    continue
        finally:
            await self.end()

    async def step(self) -> None:
        """Take in what is new in every chain and begin to send what is due; waits for no receiver.

        A chain that fails is logged, and its turn comes again with the next step. Raises
        StoreUnavailableError; nothing is lost then.
        """
        for chain_id in await self._store.chains():
            try:
                await self._step_of(chain_id)
            except StoreUnavailableError:
                raise
            except ArchiveError as error:
                # The database is away or another sender was faster; the cursor decides.
                log.warning("webhooks_retry", chain=chain_id, reason=str(error))
            except Exception:
                log.exception("webhooks_of_chain_failed", chain=chain_id)

    async def sent(self) -> None:
        """Return when nothing is being sent."""
        await self._rounds.over()

    async def end(self) -> None:
        """End attempts under way; what was answered is noted, the rest is owed as before."""
        await self._rounds.end(self._rounds.under_way())

    async def _step_of(self, chain_id: str) -> None:
        subscriptions: Subscriptions = await subscriptions_of(self._store, chain_id)
        under_way = (of for of in self._rounds.under_way() if of[0] == chain_id)
        await self._rounds.end(of for of in under_way if of[1] not in subscriptions)
        await self._take_in(chain_id, subscriptions)
        subscriptions = await self._tidied(chain_id, subscriptions)
        wanting = {name: one for name, one in subscriptions.items() if one.enabled}
        await self._hasten_where_moved(chain_id, wanting)
        self._wanting[chain_id] = wanting
        for webhook_id in wanting:
            self._rounds.start((chain_id, webhook_id), partial(self._send, chain_id, webhook_id))

    async def _hasten_where_moved(
        self, chain_id: str, wanting: Mapping[str, WebhookDocument]
    ) -> None:
        """What waits because one receiver failed need not wait for another."""
        before = self._wanting.get(chain_id, {})
        for name, one in wanting.items():
            if name in before and before[name].url != one.url:
                await self._queue.hasten(chain_id, name, now_ms=self._clock.wall_ms())

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
        """Once a minute: disable who is owed too much, and forget what nobody is owed any more."""
        now_ms = self._clock.mono_ms()
        tidied_at_ms = self._tidied_at_ms.get(chain_id)
        if tidied_at_ms is not None and now_ms - tidied_at_ms < TIDY_EVERY_MS:
            return subscriptions
        self._tidied_at_ms[chain_id] = now_ms
        before_ms = self._clock.wall_ms() - DEAD_KEPT_MS
        await self._queue.forget_dead(chain_id, before_ms=before_ms)
        overflown = False
        all_owed = await self._queue.owed(chain_id)
        await self._drop(chain_id, [one for one in all_owed if one.webhook_id not in subscriptions])
        for owed in all_owed:
            one = subscriptions.get(owed.webhook_id)
            if one is not None and one.enabled and owed.waiting > WAITING_MAX:
                await self._disable(chain_id, one, OVERFLOW)
                overflown = True
        return await subscriptions_of(self._store, chain_id) if overflown else subscriptions

    async def _drop(self, chain_id: str, strangers: Sequence[Owed]) -> None:
        """Forget what deleted webhooks are owed; one that only does not read is there still."""
        if not strangers:
            return
        catalogue = await self._store.catalogue(chain_id)
        for webhook_id in (one.webhook_id for one in strangers):
            if field_of(webhook_id) not in catalogue:
                letters = await self._queue.drop(chain_id, webhook_id)
                log.warning("webhook_letters_dropped", webhook=webhook_id, letters=letters)

    # ---- sending -------------------------------------------------------------------------------

    async def _send(self, chain_id: str, webhook_id: str) -> None:
        """Round after round until nothing is due or nothing is wanted any more."""
        while letters := await self._queue.due(
            chain_id, webhook_id, now_ms=self._clock.wall_ms(), limit=LETTERS_PER_ROUND
        ):
            one = self._wanting[chain_id].get(webhook_id)
            if one is None:
                return
            tried: Tried = []
            here = asyncio.Semaphore(ATTEMPTS_AT_ONE_WEBHOOK)
            try:
                async with asyncio.TaskGroup() as group:
                    for letter in letters:
                        group.create_task(self._attempt(chain_id, letter, tried, here=here))
            finally:
                await self._settle(tried)
            if any(outcome.gone for _, outcome in tried):
                await self._disable(chain_id, one, GONE)
                # Where it was not disabled after all, the next step knows where to go on.
                return

    async def _attempt(
        self, chain_id: str, letter: Letter, tried: Tried, *, here: asyncio.Semaphore
    ) -> None:
        async with here, self._at_once:
            one = self._wanting[chain_id].get(letter.webhook_id)
            if one is None:
                return
            now_ms = self._clock.wall_ms()
            secrets = one.secrets_at(now_ms)
            headers = signed_headers(letter.event_id, now_ms // 1_000, letter.body, secrets=secrets)
            tried.append((letter, await self._post(one.url, letter.body, headers)))

    async def _settle(self, tried: Tried) -> None:
        taken = [letter.number for letter, outcome in tried if outcome.taken]
        retries = [self._retry(letter, outcome) for letter, outcome in tried if not outcome.taken]
        await self._queue.settle(taken, retries)
        dead = sum(retry.due_at_ms is None for retry in retries)
        self._telemetry.tried(delivered=len(taken), failed=len(retries) - dead, dead=dead)

    def _retry(self, letter: Letter, outcome: Outcome) -> Retry:
        attempts = letter.attempts + 1
        due_at_ms = next_attempt_at_ms(attempts, self._clock.wall_ms(), self._random)
        if due_at_ms is None:
            log.warning("webhook_given_up", webhook=letter.webhook_id, event_id=letter.event_id)
        reason = outcome.reason[:REASON_CHARACTERS_MAX]
        return Retry(letter.number, attempts, due_at_ms, reason)

    async def _disable(self, chain_id: str, one: WebhookDocument, reason: str) -> None:
        now_ms = self._clock.wall_ms()
        if not await disable_subscription(self._store, chain_id, one, reason=reason, now_ms=now_ms):
            return
        log.warning("webhook_disabled", webhook=one.webhook_id, reason=reason)
        self._wanting.get(chain_id, {}).pop(one.webhook_id, None)
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
