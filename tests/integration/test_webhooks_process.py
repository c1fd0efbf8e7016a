"""The webhooks process as it is run: killed, replayed by hand, and asked what it owes."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from clubs_under_test import CHAIN
from day_under_test import played_day
from receivers_under_test import Receiver, put_subscription, receiving
from stores_under_test import running_server

from actors.clock import SystemClock
from actors.placement import shard_of_club
from actors.store import ChainStream, Unit
from actors.store_memory import MemoryStore
from actors.store_redis import RedisStore
from controller.archive import ArchiveConsumer, open_archive
from controller.webhooks.process import METRICS_SNAPSHOT
from controller.webhooks.signing import secret_of
from schemas.webhooks import WebhookDocument, WebhookSecret

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    with running_server(tmp_path / "state") as server:
        yield {
            **os.environ,
            "CLUBCTL_REDIS_URL": server.url,
            "CLUBCTL_MQTT_URL": "mqtt://127.0.0.1:1",
            "CLUBCTL_ARCHIVE_URL": f"sqlite:///{tmp_path / 'archive.db'}",
            "CLUBCTL_WEBHOOKS_PRIVATE": "true",
        }


@pytest.fixture
async def store(environment: dict[str, str]) -> AsyncIterator[RedisStore]:
    opened = RedisStore.open(environment["CLUBCTL_REDIS_URL"])
    yield opened
    await opened.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving(Receiver()) as running:
        yield running


def clubctl(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "controller.cli", "webhooks", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


async def start(environment: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "controller.cli",
        "webhooks",
        "run",
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def subscribe(store: RedisStore, receiver: Receiver) -> None:
    one = WebhookDocument(
        webhook_id="w1",
        url=receiver.url,
        secrets=(WebhookSecret(text=secret_of(b"k" * 32)),),
        created_at_ms=0,
    )
    await put_subscription(store, CHAIN, one)


async def live_through(store: RedisStore) -> list[str]:
    """A day's events in the real store; their ids."""
    twin = MemoryStore()
    await played_day(twin)
    entries = await twin.stream(CHAIN, ChainStream.OUTBOX)
    owned = await store.acquire(shard_of_club(CHAIN, "north"), host="h0", nonce="n")
    for number, entry in enumerate(entries, start=1):
        result = await store.commit(owned, number, [Unit(events=(entry.payload,))])
        assert not result.fenced
    return [json.loads(entry.payload)["id"] for entry in entries]


async def until_taken(receiver: Receiver, count: int) -> None:
    async with asyncio.timeout(30):
        while len({one["id"] for one in receiver.taken}) < count:  # noqa: ASYNC110 - a socket's end
            await asyncio.sleep(0.02)


async def test_killed_at_work_it_owes_what_it_owed(
    environment: dict[str, str], store: RedisStore, receiver: Receiver
) -> None:
    await subscribe(store, receiver)
    ids = await live_through(store)
    for count in (1, len(ids) // 2):
        process = await start(environment)
        await until_taken(receiver, count)
        process.send_signal(signal.SIGKILL)
        await process.wait()
    process = await start(environment)
    await until_taken(receiver, len(ids))
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    first_seen = list(dict.fromkeys(one["id"] for one in receiver.taken))
    assert set(first_seen) == set(ids)
    for source in {one.rpartition(":")[0] for one in ids}:
        told = [one for one in first_seen if one.rpartition(":")[0] == source]
        assert told == [one for one in ids if one.rpartition(":")[0] == source]


async def test_dead_letters_are_listed_and_replayed(
    environment: dict[str, str], store: RedisStore, receiver: Receiver
) -> None:
    await subscribe(store, receiver)
    ids = await live_through(store)
    receiver.answer = lambda _message: 410
    process = await start(environment)

    def listed() -> dict[str, object]:
        _, shown = clubctl(environment, "list", "--json")
        row: dict[str, object] = json.loads(shown)["webhooks"][0]
        return row

    async with asyncio.timeout(40):
        while (await asyncio.to_thread(listed))["state"] != "gone":  # noqa: ASYNC110 - a process
            await asyncio.sleep(0.1)
    assert (await asyncio.to_thread(listed))["dead"] == len(ids)
    code, said = await asyncio.to_thread(clubctl, environment, "replay", "w1")
    assert (code, said.strip()) == (0, f"{len(ids)} letters will be sent again")
    receiver.answer = lambda _message: 200
    # The receiver is back, and staff has said so.
    await subscribe(store, receiver)
    await until_taken(receiver, len(ids))
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    assert (await asyncio.to_thread(clubctl, environment, "replay", "w9"))[0] == 1


@pytest.mark.parametrize("archived", [False, True])
async def test_the_past_since_an_instant_is_told_once_more(
    environment: dict[str, str], store: RedisStore, receiver: Receiver, *, archived: bool
) -> None:
    await subscribe(store, receiver)
    ids = await live_through(store)
    process = await start(environment)
    await until_taken(receiver, len(ids))
    if archived:
        archive = open_archive(environment["CLUBCTL_ARCHIVE_URL"])
        await ArchiveConsumer(store, archive, SystemClock(), stream_kept_ms=0).step()
        archive.close()
    first = len(receiver.taken)
    late = [one for one in receiver.taken if one["timestamp"] >= "2027-01-15T08:17:00.000Z"]
    assert 0 < len(late) < len(ids)
    since = ("replay", "w1", "--since", "2027-01-15T09:17:00+01:00")
    code, said = await asyncio.to_thread(clubctl, environment, *since)
    assert (code, said.strip()) == (0, f"{len(late)} letters will be sent again")
    async with asyncio.timeout(30):
        while len(receiver.taken) < first + len(late):  # noqa: ASYNC110 - a socket's end
            await asyncio.sleep(0.02)
    again = receiver.taken[first:]
    assert {one["id"] for one in again} == {one["id"] for one in late}
    for source in {one["source"] for one in again}:
        numbers = [one["sequence"] for one in again if one["source"] == source]
        assert numbers == sorted(numbers)
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    bad = await asyncio.to_thread(clubctl, environment, "replay", "w1", "--since", "yesterday")
    assert bad[0] == 2


async def test_figures_are_left_for_prometheus(
    environment: dict[str, str], store: RedisStore, receiver: Receiver
) -> None:
    await subscribe(store, receiver)
    ids = await live_through(store)
    refused = [ids[0]]
    receiver.answer = lambda message: 500 if message["id"] in refused else 204
    process = await start(environment)

    async def told() -> dict[str, float]:
        text = (await store.snapshots(METRICS_SNAPSHOT)).get(METRICS_SNAPSHOT, b"").decode()
        lines = (line for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    failed = 'clubctl_webhook_attempts_total{result="failed"}'
    async with asyncio.timeout(40):
        while not (await told()).get(failed):  # noqa: ASYNC110 - a process
            await asyncio.sleep(0.1)
    figures = await told()
    assert figures['clubctl_webhook_attempts_total{result="delivered"}'] > 0
    assert figures["clubctl_webhook_waiting"] > 0
    assert figures["clubctl_webhook_dead_letters"] == 0
    assert 0 < figures["clubctl_webhook_lag_seconds"] < 60
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
