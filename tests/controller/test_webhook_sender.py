"""Webhooks to a real receiver, on a clock that is moved by hand: days pass in moments."""

import hmac
from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from clubs_under_test import CHAIN, seed
from day_under_test import created, played_day, told
from receivers_under_test import Receiver, put_subscription, receiving
from shard_under_test import ShardUnderTest

from actors.clock import ManualClock
from actors.store import CatalogueEdit
from actors.store_memory import MemoryStore
from controller.archive import Archive, ArchiveError, open_archive
from controller.archive.deliveries import Owed
from controller.webhooks import sender as sending
from controller.webhooks.post import HttpPost
from controller.webhooks.queue import DeliveryQueue
from controller.webhooks.schedule import DELAYS_MS, JITTER, next_attempt_at_ms
from controller.webhooks.sender import WebhookSender
from controller.webhooks.signing import secret_of, signed_headers
from controller.webhooks.subscriptions import disable_subscription, subscriptions_of
from schemas.commands import EndSession, TopUpWallet
from schemas.events import EventMessage
from schemas.webhooks import WebhookDocument, WebhookSecret, field_of

HOUR_MS = 3_600_000
SECRET, OLD_SECRET = secret_of(b"n" * 32), secret_of(b"o" * 32)


@dataclass
class Post:
    """A sender at work for one subscription."""

    store: MemoryStore
    archive: Archive
    receiver: Receiver
    clock: ManualClock
    sender: WebhookSender
    queue: DeliveryQueue

    async def subscribe(self, webhook_id: str = "w1", **changes: object) -> None:
        fields: dict[str, object] = {
            "webhook_id": webhook_id,
            "url": self.receiver.url,
            "secrets": (WebhookSecret(text=SECRET),),
            "created_at_ms": 0,
        }
        one = WebhookDocument.model_validate(fields | changes)
        await put_subscription(self.store, CHAIN, one)

    async def drain(self) -> None:
        """Take in what there is and send until nothing is due."""
        await self.sender.step()
        await self.sender.sent()

    async def owed(self) -> tuple[int, int]:
        """(waiting, dead) of the subscription."""
        found = {one.webhook_id: one for one in await self.queue.owed(CHAIN)}
        one = found.get("w1", Owed("w1", 0, 0))
        return one.waiting, one.dead

    async def subscription(self) -> WebhookDocument:
        return (await subscriptions_of(self.store, CHAIN))["w1"]

    async def audited(self) -> list[dict[str, Any]]:
        """What the chain's audit has of webhooks."""
        told = [orjson.loads(entry.payload) for entry in await self.store.audit(CHAIN)]
        return [one for one in told if one["operation"].endswith("Webhook")]


@asynccontextmanager
async def posting(folder: Path, receiver: Receiver) -> AsyncIterator[Post]:
    store, clock = MemoryStore(), ManualClock(1_900_000_000_000)
    archive = open_archive(f"sqlite:///{folder / 'archive.db'}")
    http = HttpPost(private=True)
    queue = DeliveryQueue(archive)
    sender = WebhookSender(store, queue, post=http, clock=clock, random=Random(1))
    try:
        async with receiving(receiver):
            yield Post(store, archive, receiver, clock, sender, queue)
    finally:
        await sender.end()
        await http.aclose()
        archive.close()


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    async with posting(tmp_path, Receiver()) as running:
        yield running


def by_source(messages: list[dict[str, Any]]) -> dict[str, list[int]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for message in messages:
        found[message["source"]].append(message["sequence"])
    return dict(found)


async def test_a_receiver_is_told_of_a_day_once_in_order_and_signed(post: Post) -> None:
    await post.subscribe(secrets=(WebhookSecret(text=SECRET), WebhookSecret(text=OLD_SECRET)))
    await played_day(post.store)
    await post.drain()
    sequences = by_source(post.receiver.taken)
    assert {"session:s1", "session:s2", "session:s3", "session:s4"} <= sequences.keys()
    for found in sequences.values():
        assert found == list(range(1, len(found) + 1))
    for attempt in post.receiver.attempts:
        message = EventMessage.model_validate(attempt.message)
        assert attempt.headers["webhook-id"] == message.id
        assert attempt.headers["host"] == f"127.0.0.1:{post.receiver.port}"
        assert attempt.headers["webhook-signature"].split() == [
            signature(attempt.headers, attempt.body, secret) for secret in (SECRET, OLD_SECRET)
        ]
    assert await post.owed() == (0, 0)


def signature(headers: dict[str, str], body: bytes, secret: str) -> str:
    """As a receiver checks it."""
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = b64decode(secret.removeprefix("whsec_"))
    return "v1," + b64encode(hmac.new(key, content, "sha256").digest()).decode()


def test_the_signature_of_the_specification() -> None:
    headers = signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
        secrets=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_a_receiver_that_fails_for_an_hour_gets_everything_afterwards_in_order(
    post: Post,
) -> None:
    await post.subscribe()
    post.receiver.answer = lambda _message: 503
    began_ms = post.clock.wall_ms()
    day = await played_day(post.store)
    while post.clock.wall_ms() < began_ms + HOUR_MS:
        await post.drain()
        post.clock.advance(60_000)
    await told(day, EndSession(session_id="s4"))
    assert post.receiver.taken == []
    post.receiver.answer = lambda _message: 200
    for _ in range(2 * 60):
        await post.drain()
        post.clock.advance(60_000)
    sequences = by_source(post.receiver.taken)
    assert len(sequences) >= 4
    for found in sequences.values():
        assert found == list(range(1, len(found) + 1))
    assert post.receiver.taken[-1]["type"] in ("session_ended", "refund", "pc_usage")
    assert await post.owed() == (0, 0)


async def test_one_session_that_is_refused_holds_up_no_other(post: Post) -> None:
    await post.subscribe()
    post.receiver.answer = lambda message: 400 if message["source"] == "session:s1" else 204
    await played_day(post.store)
    await post.drain()
    assert "session:s1" not in by_source(post.receiver.taken)
    assert len(by_source(post.receiver.taken)) >= 3
    refused = [one for one in post.receiver.attempts if one.status == 400]
    assert [one.message["sequence"] for one in refused] == [1]


async def test_after_three_days_it_is_a_dead_letter_that_can_be_revived(post: Post) -> None:
    await post.subscribe(events=["session_ended"])
    post.receiver.answer = lambda _message: 500
    began_ms = post.clock.wall_ms()
    await played_day(post.store)
    await post.drain()
    waiting, _ = await post.owed()
    assert waiting == 2
    while (await post.owed())[0]:
        post.clock.advance(HOUR_MS)
        await post.drain()
    days = (post.clock.wall_ms() - began_ms) / (24 * HOUR_MS)
    assert 2.5 < days < 4.5
    assert await post.owed() == (0, 2)
    post.receiver.answer = lambda _message: 200
    assert await post.queue.revive(CHAIN, "w1", now_ms=post.clock.wall_ms()) == 2
    await post.drain()
    assert [message["type"] for message in post.receiver.taken] == ["session_ended"] * 2
    assert await post.owed() == (0, 0)


async def test_dead_letters_are_not_kept_for_ever(post: Post) -> None:
    await post.subscribe(events=["session_ended"])
    post.receiver.answer = lambda _message: 500
    await played_day(post.store)
    for _ in range(40 * 4):
        await post.drain()
        post.clock.advance(6 * HOUR_MS)
    assert await post.owed() == (0, 0)
    assert post.receiver.taken == []


async def test_gone_ends_the_subscription(post: Post) -> None:
    await post.subscribe()
    post.receiver.answer = lambda _message: 410
    day = await played_day(post.store)
    await post.drain()
    assert (await post.subscription()).disabled_reason == "gone"
    (told_of,) = await post.audited()
    assert told_of == {
        "v": 1,
        "at_ms": post.clock.wall_ms(),
        "club_id": "",
        "principal": "webhook-sender",
        "channel": "system",
        "origin": "",
        "operation": "disableWebhook",
        "idempotency_key": "",
        "asked": '{"webhook_id":"w1","reason":"gone"}',
        "result": "ok",
        "code": None,
    }
    waiting, dead = await post.owed()
    assert (waiting, dead > 0) == (0, True)
    attempts = len(post.receiver.attempts)
    await told(day, EndSession(session_id="s4"))
    post.clock.advance(24 * HOUR_MS)
    await post.drain()
    assert len(post.receiver.attempts) == attempts


async def test_what_waits_is_sent_at_once_when_the_receiver_moves(post: Post) -> None:
    await post.subscribe()
    post.receiver.answer = lambda _message: 500
    await played_day(post.store)
    for _ in range(6):
        await post.drain()
        post.clock.advance(HOUR_MS)
    await post.drain()
    attempts, (waiting, _) = len(post.receiver.attempts), await post.owed()
    await post.drain()
    assert (len(post.receiver.attempts), waiting > 0) == (attempts, True), "hours are to pass"
    post.receiver.answer = lambda _message: 204
    await post.subscribe(url=post.receiver.url + "2")
    for _ in range(3):
        await post.drain()
    assert await post.owed() == (0, 0)
    assert {one.path for one in post.receiver.attempts[attempts:]} == {"/hook2"}


@pytest.mark.parametrize("becomes", ["deleted", "elsewhere", "rotated"])
async def test_what_became_of_a_subscription_meanwhile_outlives_its_end(
    post: Post, becomes: str
) -> None:
    """A receiver says 410 while somebody edits the subscription: the edit is not undone."""
    await post.subscribe()
    one = await post.subscription()
    if becomes == "deleted":
        await post.store.edit(CHAIN, CatalogueEdit(fields={field_of("w1"): None}))
    else:
        changes: dict[str, object] = {
            "elsewhere": {"url": f"{post.receiver.url}2"},
            "rotated": {"secrets": (WebhookSecret(text=OLD_SECRET),)},
        }[becomes]
        await post.subscribe(**changes)
    done = await disable_subscription(post.store, CHAIN, one, reason="gone", now_ms=1)
    assert done == (becomes == "rotated")
    assert len(await post.audited()) == done
    found = (await subscriptions_of(post.store, CHAIN)).get("w1")
    if becomes == "deleted":
        assert found is None
    elif becomes == "elsewhere":
        assert found is not None
        assert found.enabled
    else:
        assert found is not None
        assert (found.disabled_reason, found.secrets[0].text) == ("gone", OLD_SECRET)


async def test_a_subscription_owed_too_much_is_disabled(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "WAITING_MAX", 5)
    await post.subscribe()
    await played_day(post.store)
    await post.drain()
    assert (await post.subscription()).disabled_reason == "overflow"
    (told_of,) = await post.audited()
    assert orjson.loads(told_of["asked"]) == {"webhook_id": "w1", "reason": "overflow"}
    assert post.receiver.attempts == []


async def test_redirects_are_not_followed(post: Post) -> None:
    await post.subscribe()
    post.receiver.answer = lambda _message: 307
    await played_day(post.store)
    await post.drain()
    assert {one.path for one in post.receiver.attempts} == {"/hook"}
    assert post.receiver.taken == []


async def test_only_kinds_asked_for_are_told_and_subscriptions_do_not_mix(post: Post) -> None:
    await post.subscribe(events=["session_started"])
    await post.subscribe("w2", url=post.receiver.url + "2", events=["session_cancelled"])
    await post.subscribe("w3", disabled_reason="by-hand")
    await played_day(post.store)
    await post.drain()
    found = {(one.path, one.message["type"]) for one in post.receiver.attempts}
    assert found == {("/hook", "session_started"), ("/hook2", "session_cancelled")}


async def test_a_sender_killed_between_taking_and_noting_says_it_again_by_the_same_id(
    post: Post, tmp_path: Path
) -> None:
    await post.subscribe(events=["session_cancelled"])
    await played_day(post.store)

    class DyingQueue(DeliveryQueue):
        async def settle(self, *_args: object) -> None:
            raise ArchiveError("the process died here")

    http = HttpPost(private=True)
    dying = WebhookSender(
        post.store, DyingQueue(post.archive), post=http, clock=post.clock, random=Random(2)
    )
    await dying.step()
    await dying.sent()
    await http.aclose()
    await post.drain()
    first, second = post.receiver.taken
    assert first == second


async def test_two_senders_take_each_entry_in_once(post: Post) -> None:
    await post.subscribe()
    await seed(post.store)
    shard = await ShardUnderTest(post.store).take()
    await post.sender.step()
    await told(shard, TopUpWallet(player_id="ann", amount_minor=500_00))
    await told(shard, created("s1", "north-main-0", "standard", "ann"))
    cursor = await post.queue.cursor(CHAIN)
    await post.sender.step()
    with pytest.raises(ArchiveError, match="another sender"):
        await post.queue.take_in(CHAIN, [], after=cursor, to="999-0", now_ms=0)


def test_delays_grow_for_three_days_and_never_by_the_same_amount() -> None:
    random = Random(5)
    delays = [next_attempt_at_ms(n, 0, random) for n in range(1, len(DELAYS_MS) + 1)]
    for delay, planned in zip(delays, DELAYS_MS, strict=True):
        assert delay is not None
        assert planned * (1 - JITTER) <= delay <= planned * (1 + JITTER)
    assert sum(DELAYS_MS) * (1 - JITTER) > 2.5 * 24 * HOUR_MS
    assert next_attempt_at_ms(len(DELAYS_MS) + 1, 0, random) is None
    assert len({next_attempt_at_ms(3, 0, random) for _ in range(20)}) > 15
