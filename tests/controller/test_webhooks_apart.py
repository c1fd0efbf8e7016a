"""A receiver that hangs, or a chain that fails, costs nobody else anything."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Final

import orjson
import pytest
from day_under_test import played_day
from receivers_under_test import Receiver, put_subscription, receiving

from actors.clock import ManualClock
from actors.placement import shard_of_club
from actors.store import CatalogueEdit, ChainStream, Unit, UnitStatus
from actors.store_memory import MemoryStore
from controller.archive import Archive, open_archive
from controller.archive.deliveries import Letter
from controller.webhooks import sender as sending
from controller.webhooks.post import HttpPost, Outcome
from controller.webhooks.post import Post as PostPort
from controller.webhooks.queue import DeliveryQueue
from controller.webhooks.sender import WebhookSender
from controller.webhooks.signing import secret_of
from schemas.webhooks import WebhookDocument, WebhookSecret, field_of

FIRST, SECOND = "a-chain", "b-chain"
SECRET = secret_of(b"n" * 32)
SOON_S: Final = 5.0
"""Less than a receiver that hangs is waited for."""


class Chains:
    """Two chains in one store. ``live`` lets a day of sessions happen in one of them."""

    def __init__(self, day: Sequence[bytes], archive: Archive) -> None:
        self.store = MemoryStore()
        self.archive = archive
        self.clock = ManualClock(1_900_000_000_000)
        self._day = day
        self._lived = 0

    async def subscribe(self, chain_id: str, receiver: Receiver, webhook_id: str = "w1") -> None:
        one = WebhookDocument(
            webhook_id=webhook_id,
            url=receiver.url,
            secrets=(WebhookSecret(text=SECRET),),
            created_at_ms=0,
        )
        await put_subscription(self.store, chain_id, one)

    async def live(self, chain_id: str) -> set[str]:
        """The ids of what happened."""
        self._lived += 1
        shard = shard_of_club(chain_id, f"club-{self._lived}")
        owned = await self.store.acquire(shard, host="h0", nonce="n")
        assert not (await self.store.commit(owned, 1, [Unit(events=tuple(self._day))])).fenced
        return {orjson.loads(event)["id"] for event in self._day}

    def sender(self, post: PostPort, queue: DeliveryQueue | None = None) -> WebhookSender:
        return WebhookSender(
            self.store,
            queue or DeliveryQueue(self.archive),
            post=post,
            clock=self.clock,
            random=Random(1),
        )

    async def waiting(self, chain_id: str) -> int:
        owed = await DeliveryQueue(self.archive).owed(chain_id)
        return sum(one.waiting for one in owed)


@pytest.fixture
async def chains(tmp_path: Path) -> AsyncIterator[Chains]:
    twin = MemoryStore()
    await played_day(twin)
    (chain_id,) = await twin.chains()
    day = [entry.payload for entry in await twin.stream(chain_id, ChainStream.OUTBOX)]
    archive = open_archive(f"sqlite:///{tmp_path / 'archive.db'}")
    yield Chains(day, archive)
    archive.close()


@pytest.fixture
async def post() -> AsyncIterator[HttpPost]:
    http = HttpPost(private=True)
    yield http
    await http.aclose()


@pytest.fixture
async def healthy() -> AsyncIterator[Receiver]:
    async with receiving(Receiver()) as running:
        yield running


@pytest.fixture
async def hanging() -> AsyncIterator[Receiver]:
    async with receiving(Receiver()) as running:
        running.answering.clear()
        yield running


@asynccontextmanager
async def at_work(sender: WebhookSender) -> AsyncIterator[None]:
    """Runs, and has to end within a second of being told to."""
    stop = asyncio.Event()
    running = asyncio.create_task(sender.run(stop))
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(1):
            await running


async def soon(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON_S):
        while not true():  # noqa: ASYNC110 - a socket's end
            await asyncio.sleep(0.01)


def told(receiver: Receiver) -> set[str]:
    return {message["id"] for message in receiver.taken}


async def test_another_chain_hears_of_what_happens_while_a_receiver_hangs(
    chains: Chains, post: HttpPost, hanging: Receiver, healthy: Receiver
) -> None:
    await chains.subscribe(FIRST, hanging)
    await chains.subscribe(SECOND, healthy)
    await chains.live(FIRST)
    async with at_work(chains.sender(post)):
        await soon(lambda: len(hanging.asked) > 0)
        ids = await chains.live(SECOND)
        await soon(lambda: told(healthy) == ids)
        assert hanging.attempts == []


async def test_another_webhook_of_the_chain_is_told_while_a_receiver_hangs(
    chains: Chains, post: HttpPost, hanging: Receiver, healthy: Receiver
) -> None:
    await chains.subscribe(FIRST, hanging, "w1")
    await chains.subscribe(FIRST, healthy, "w2")
    first = await chains.live(FIRST)
    async with at_work(chains.sender(post)):
        await soon(lambda: len(hanging.asked) > 0 and told(healthy) == first)
        before = len(healthy.taken)
        await chains.live(FIRST)
        await soon(lambda: len(healthy.taken) == 2 * before)
        assert hanging.attempts == []


async def test_a_webhook_that_hangs_is_asked_so_many_times_at_once_and_of_nothing_twice(
    chains: Chains, post: HttpPost, hanging: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "ATTEMPTS_AT_ONE_WEBHOOK", 2)
    await chains.subscribe(FIRST, hanging)
    await chains.live(FIRST)
    sender = chains.sender(post)
    await sender.step()
    await soon(lambda: len(hanging.asked) > 0)
    for _ in range(5):
        await sender.step()
        await asyncio.sleep(0.05)
    assert len(hanging.asked) == len(set(hanging.asked)) == 2
    await sender.end()


async def test_what_was_answered_before_the_end_is_noted_and_the_rest_is_owed(
    chains: Chains, post: HttpPost, hanging: Receiver
) -> None:
    await chains.subscribe(FIRST, hanging)
    ids = await chains.live(FIRST)
    hanging.answering.set()

    def then_hangs(_message: object) -> int:
        hanging.answering.clear()
        return 204

    hanging.answer = then_hangs
    async with at_work(chains.sender(post)):
        await soon(lambda: len(hanging.taken) > 0 and len(hanging.asked) > len(hanging.taken))
        # The answer is on its way: it is the sender that has to have read it.
        await asyncio.sleep(0.1)
    assert await chains.waiting(FIRST) == len(ids) - len(hanging.taken)


async def test_a_chain_that_cannot_be_taken_in_ends_no_other(
    chains: Chains, post: HttpPost, healthy: Receiver
) -> None:
    class FailingQueue(DeliveryQueue):
        async def take_in(
            self, chain_id: str, letters: Sequence[Letter], *, after: str, to: str, now_ms: int
        ) -> None:
            if chain_id == FIRST:
                raise ValueError("an event nobody understands")
            await super().take_in(chain_id, letters, after=after, to=to, now_ms=now_ms)

    for chain_id in (FIRST, SECOND):
        await chains.subscribe(chain_id, healthy)
    await chains.live(FIRST)
    ids = await chains.live(SECOND)
    async with at_work(chains.sender(post, FailingQueue(chains.archive))):
        await soon(lambda: told(healthy) == ids)


async def test_a_round_that_fails_ends_no_other(
    chains: Chains, post: HttpPost, healthy: Receiver
) -> None:
    async def failing(url: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
        if url.endswith("/broken"):
            raise RuntimeError("nobody has thought of this")
        return await post(url, body, headers)

    await chains.subscribe(FIRST, healthy, "w2")
    broken = WebhookDocument(
        webhook_id="w1",
        url=f"{healthy.url}/broken",
        secrets=(WebhookSecret(text=SECRET),),
        created_at_ms=0,
    )
    await put_subscription(chains.store, FIRST, broken)
    ids = await chains.live(FIRST)
    async with at_work(chains.sender(failing)):
        await soon(lambda: told(healthy) == ids)
    # Of the other the last letter may have been taken a moment before it was noted.
    owed = {one.webhook_id: one for one in await DeliveryQueue(chains.archive).owed(FIRST)}
    assert owed["w1"].waiting == len(ids)


async def test_of_a_deleted_webhook_attempts_end_and_what_it_was_owed_is_dropped(
    chains: Chains, post: HttpPost, hanging: Receiver, healthy: Receiver
) -> None:
    await chains.subscribe(FIRST, hanging, "w1")
    await chains.subscribe(FIRST, healthy, "w2")
    await chains.live(FIRST)
    sender = chains.sender(post)
    await sender.step()
    await soon(lambda: len(hanging.asked) > 0)
    await put_raw(chains, "w1", None)
    chains.clock.advance(sending.TIDY_EVERY_MS)
    async with asyncio.timeout(SOON_S):
        await sender.step()
        await sender.sent()
    owed = await DeliveryQueue(chains.archive).owed(FIRST)
    assert [one.webhook_id for one in owed] == []
    assert FIRST in await chains.store.chains()


async def test_what_a_webhook_that_does_not_read_is_owed_waits_for_it(
    chains: Chains, post: HttpPost, hanging: Receiver
) -> None:
    await chains.subscribe(FIRST, hanging, "w1")
    ids = await chains.live(FIRST)
    sender = chains.sender(post)
    await sender.step()
    await put_raw(chains, "w1", b"{}")
    chains.clock.advance(sending.TIDY_EVERY_MS)
    await sender.step()
    assert await chains.waiting(FIRST) == len(ids)


async def put_raw(chains: Chains, webhook_id: str, raw: bytes | None) -> None:
    """The subscription's document as it is to be; None deletes it, as the API does."""
    image = await chains.store.catalogue_image(FIRST)
    edit = CatalogueEdit(revision=image.revision, fields={field_of(webhook_id): raw})
    assert (await chains.store.edit(FIRST, edit)).status is UnitStatus.APPLIED
