"""The archive reads a closed session's document once, not whenever it looks."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson
import pytest
from clubs_under_test import CHAIN, seed
from shard_under_test import ShardUnderTest

from actors.store import ChainStream, StoredEntity, StreamEntry
from actors.store_memory import MemoryStore
from controller.archive import Archive, ArchiveConsumer, ArchiveError, open_archive, session_rows
from controller.archive import consumer as consumer_module
from controller.archive.consumer import SWEEP_EVERY_STEPS
from schemas.commands import CreateSession, EndSession, TopUpWallet

KEPT_MS = 60_000


class ReadCounted(MemoryStore):
    """Remembers whose documents were handed out; ``blind`` forgets what events tell."""

    blind = False

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []

    async def closed_sessions(self, chain_id: str) -> tuple[StoredEntity, ...]:
        raise AssertionError(f"every closed session of {chain_id} read again")

    async def closed_among(
        self, chain_id: str, session_ids: Sequence[str]
    ) -> tuple[StoredEntity, ...]:
        found = await super().closed_among(chain_id, session_ids)
        self.read += [entity.key for entity in found]
        return found

    async def stream(
        self, chain_id: str, name: ChainStream, *, after: str = "0-0", count: int = 1_000
    ) -> tuple[StreamEntry, ...]:
        if self.blind and name is ChainStream.OUTBOX:
            return ()
        return await super().stream(chain_id, name, after=after, count=count)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    opened = open_archive(f"sqlite:///{tmp_path / 'archive.db'}")
    yield opened
    opened.close()


async def opened_shard(store: MemoryStore) -> ShardUnderTest:
    await seed(store)
    shard = await ShardUnderTest(store).take()
    await shard.command(TopUpWallet(player_id="ann", amount_minor=1_000_00))
    return shard


async def play(shard: ShardUnderTest, session_id: str) -> None:
    seat = {"pc_id": "north-main-0", "tariff_id": "standard", "player_id": "ann"}
    await shard.command(CreateSession(session_id=session_id, start=True, **seat))
    await shard.wait(minutes=1)
    await shard.command(EndSession(session_id=session_id))


def consumer_of(store: MemoryStore, archive: Archive, shard: ShardUnderTest) -> ArchiveConsumer:
    return ArchiveConsumer(store, archive, shard.clock, closed_kept_ms=KEPT_MS)


async def test_a_step_reads_only_what_closed_since(archive: Archive) -> None:
    store = ReadCounted()
    shard = await opened_shard(store)
    consumer = consumer_of(store, archive, shard)
    await play(shard, "s1")
    await consumer.step()
    await play(shard, "s2")
    await consumer.step()
    await consumer.step()
    assert store.read == ["s1", "s2"]
    assert [entity.key for entity in await archive.sessions(CHAIN)] == ["s1", "s2"]


async def test_old_sessions_are_read_once_more_as_they_leave_the_store(archive: Archive) -> None:
    store = ReadCounted()
    shard = await opened_shard(store)
    consumer = consumer_of(store, archive, shard)
    await play(shard, "s1")
    await consumer.step()
    shard.clock.advance(KEPT_MS + 1)
    for _ in range(SWEEP_EVERY_STEPS):
        await consumer.step()
    assert await store.closed_ids(CHAIN) == ()
    # A document that was corrected without an event is taken then, or never.
    assert store.read == ["s1", "s1"]


async def test_a_session_no_event_told_of_is_archived_before_it_is_let_go(
    archive: Archive,
) -> None:
    store = ReadCounted()
    shard = await opened_shard(store)
    await play(shard, "s1")
    shard.clock.advance(KEPT_MS + 1)
    store.blind = True
    consumer = consumer_of(store, archive, shard)
    for _ in range(SWEEP_EVERY_STEPS):
        await consumer.step()
        assert await archive.session(CHAIN, "s1") is None, "its events may come yet"
    await consumer.step()
    assert await archive.session(CHAIN, "s1") is not None
    assert await store.closed_ids(CHAIN) == ()


async def test_a_session_is_archived_with_the_event_of_its_end_or_not_at_all(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that goes back in time between two transactions leaves no final document of the
    past it has lost."""
    # The entry the cursor stands on, and the next one.
    monkeypatch.setattr(consumer_module, "ENTRIES_PER_TRANSACTION", 2)
    store = ReadCounted()
    shard = await opened_shard(store)
    consumer = consumer_of(store, archive, shard)
    await consumer.step()
    await play(shard, "s1")

    def dies(_connection: object, _chain: str, closed: Sequence[object], **_: object) -> list[str]:
        if closed:
            raise ArchiveError("the disk is full")
        return []

    with monkeypatch.context() as patched:
        patched.setattr(session_rows, "write_sessions", dies)
        with pytest.raises(ArchiveError):
            await consumer.step()
    told = [orjson.loads(one.payload)["event"] for one in await archive.events(CHAIN)]
    kinds = {one["kind"] for one in told}
    assert "session_started" in kinds
    assert "session_ended" not in kinds
    assert await archive.session(CHAIN, "s1") is None
    await consumer.step()
    assert await archive.session(CHAIN, "s1") is not None
