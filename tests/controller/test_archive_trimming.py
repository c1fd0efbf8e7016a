"""What the archive takes away from the store, and what it leaves for webhooks to read."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from receivers_under_test import put_subscription
from stores_under_test import CHAIN, owned
from structlog.testing import capture_logs

from actors.clock import ManualClock
from actors.store import ChainStream, StreamEntry, Unit
from actors.store_memory import MemoryStore
from controller.archive import Archive, ArchiveConsumer, ArchiveError, open_archive, unsent
from controller.verify import comparing
from controller.webhooks.queue import DeliveryQueue
from schemas.webhooks import WebhookDocument, WebhookSecret

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
    monkeypatch.setattr(unsent, "WEBHOOKS_WAITED_FOR_MS", 4)
    await DeliveryQueue(archive).take_in(CHAIN, [], after="0-0", to="1-0", now_ms=0)
    await ArchiveConsumer(store, archive, ManualClock(), stream_kept_ms=0).step()
    assert (await left(store))[0] == "5-0"


def subscription(name: str, *, at_ms: int, disabled_reason: str | None = None) -> WebhookDocument:
    return WebhookDocument(
        webhook_id=name,
        url="https://crm.example/events",
        secrets=(WebhookSecret(text="whsec_" + "a" * 32),),
        created_at_ms=at_ms,
        disabled_reason=disabled_reason,
    )


async def test_what_followed_the_first_subscription_waits_for_a_sender_that_never_ran(
    store: MemoryStore, archive: Archive
) -> None:
    await put_subscription(store, CHAIN, subscription("later", at_ms=6))
    await put_subscription(store, CHAIN, subscription("first", at_ms=4))
    await put_subscription(store, CHAIN, subscription("off", at_ms=1, disabled_reason="gone"))
    await ArchiveConsumer(store, archive, ManualClock(), stream_kept_ms=0).step()
    assert await left(store) == [f"{number}-0" for number in range(4, EVENTS + 1)]
    assert await unsent.Unsent(store, archive).behind_ms(CHAIN) == EVENTS - 4


async def test_who_sends_to_nobody_is_not_waited_for(store: MemoryStore, archive: Archive) -> None:
    await put_subscription(store, CHAIN, subscription("off", at_ms=1, disabled_reason="gone"))
    await ArchiveConsumer(store, archive, ManualClock(), stream_kept_ms=0).step()
    assert await left(store) == ["9-0"]
    assert await unsent.Unsent(store, archive).behind_ms(CHAIN) == 0


async def test_leaving_a_sender_behind_is_said_once(
    store: MemoryStore, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unsent, "WEBHOOKS_WAITED_FOR_MS", 4)
    await put_subscription(store, CHAIN, subscription("first", at_ms=1))
    waiting = unsent.Unsent(store, archive)
    with capture_logs() as logs:
        assert [await waiting.kept_from_ms(CHAIN, at_ms) for at_ms in (4, 9, 10)] == [1, 5, 6]
    assert [line["event"] for line in logs] == ["webhooks_left_behind"]


async def test_audit_entries_that_went_before_they_were_archived_are_told_of(
    store: MemoryStore, archive: Archive
) -> None:
    shard, taking = await owned(store), ArchiveConsumer(store, archive, ManualClock())
    for number in range(4):
        entry = b'{"at_ms":0,"club_id":"c1","principal":"p","operation":"o","result":"ok"}'
        await store.commit(shard, EVENTS + 1 + number, [Unit(audit=(entry,))])
        if number == 0:
            await taking.step()
    with capture_logs() as logs:
        await store.trim_audit(CHAIN, before="3-0")
        await taking.step()
        await taking.step()
    told = [line for line in logs if line["event"] == "audit_lost"]
    assert [(line["after"], line["before"]) for line in told] == [("1-0", "3-0")]


async def test_a_chain_that_cannot_be_archived_keeps_no_other_waiting(
    store: MemoryStore, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.put("aaa", {"chain": b"{}"})
    take = ArchiveConsumer._take

    async def refused(consumer: ArchiveConsumer, chain_id: str) -> int:
        if chain_id == "aaa":
            raise ArchiveError("no room")
        return await take(consumer, chain_id)

    monkeypatch.setattr(ArchiveConsumer, "_take", refused)
    assert (await store.chains())[0] == "aaa"
    with pytest.raises(ArchiveError, match="no room"):
        await ArchiveConsumer(store, archive, ManualClock()).step()
    assert len(await archive.events(CHAIN)) == EVENTS


class TrimmedMeanwhile(MemoryStore):
    """A store whose archive trims it after the first page that somebody reads."""

    async def stream(
        self, chain_id: str, name: ChainStream, *, after: str = "0-0", count: int = 1_000
    ) -> tuple[StreamEntry, ...]:
        read = await super().stream(chain_id, name, after=after, count=count)
        if name is ChainStream.OUTBOX and after == "0-0":
            (last,) = await super().stream(chain_id, name, after=f"{EVENTS - 1}-0", count=1)
            await self.trim(chain_id, name, behind=last, before="7-0")
        return read


async def test_what_is_trimmed_while_somebody_compares_is_no_difference(
    store: MemoryStore, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "ENTRIES_PER_PART", 2)
    await ArchiveConsumer(store, archive, ManualClock()).step()
    assert await left(store) == [f"{number}-0" for number in range(1, EVENTS + 1)]
    meanwhile = TrimmedMeanwhile(store._server)
    assert await comparing.differences(meanwhile, archive, CHAIN) == []
    assert await left(store) == ["7-0", "8-0", "9-0"]
