"""What the archive takes away from the store, and what it leaves for webhooks to read."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from stores_under_test import CHAIN, owned

from actors.clock import ManualClock
from actors.store import ChainStream, Unit
from actors.store_memory import MemoryStore
from controller.archive import Archive, ArchiveConsumer, consumer, open_archive
from controller.webhooks.queue import DeliveryQueue

EVENTS = 9


@pytest.fixture
async def store() -> MemoryStore:
    lived = MemoryStore()
    await lived.put(CHAIN, {"chain": b"{}"})
    shard = await owned(lived)
    for number in range(1, EVENTS + 1):
        await lived.commit(shard, number, [Unit(events=(_event(number),))])
    return lived


def _event(number: int) -> bytes:
    return (
        b'{"id":"session:s1:%d","event":{"kind":"session_due","session_id":"s1","seq":%d,'
        b'"club_id":"c1","at_ms":0}}' % (number, number)
    )


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    opened = open_archive(f"sqlite:///{tmp_path / 'archive.db'}")
    yield opened
    opened.close()


async def left(store: MemoryStore) -> list[str]:
    entries = await store.stream(CHAIN, ChainStream.OUTBOX)
    return [entry.entry_id for entry in entries]


async def test_without_a_sender_only_the_margin_stays(store: MemoryStore, archive: Archive) -> None:
    await ArchiveConsumer(store, archive, ManualClock(), stream_kept_ms=2).step()
    assert await left(store) == ["7-0", "8-0", "9-0"]


async def test_what_a_sender_has_not_read_stays(store: MemoryStore, archive: Archive) -> None:
    await DeliveryQueue(archive).take_in(CHAIN, [], after="0-0", to="3-0", now_ms=0)
    await ArchiveConsumer(store, archive, ManualClock(), stream_kept_ms=0).step()
    assert await left(store) == [f"{number}-0" for number in range(3, EVENTS + 1)]


async def test_a_sender_that_never_comes_back_is_not_waited_for_for_ever(
    store: MemoryStore, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "WEBHOOKS_WAITED_FOR_MS", 4)
    await DeliveryQueue(archive).take_in(CHAIN, [], after="0-0", to="1-0", now_ms=0)
    await ArchiveConsumer(store, archive, ManualClock(), stream_kept_ms=0).step()
    assert (await left(store))[0] == "5-0"
