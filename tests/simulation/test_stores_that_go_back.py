"""What seeds have found in an archive whose store goes back in time, in its smallest form."""

import copy
from collections.abc import AsyncIterator
from dataclasses import fields
from pathlib import Path

import pytest
from stores_under_test import CHAIN, owned

from actors.clock import ManualClock
from actors.store import ChainStream, Ownership, StreamEntry, Unit
from actors.store_memory import MemoryStore
from actors.store_memory_chain import MemoryChain
from actors.store_memory_server import MemoryServer
from controller.archive import Archive, ArchiveConsumer, consumer, open_archive


class ForgetfulStore(MemoryStore):
    """Goes back to ``image`` once it has been read to the end of a page, and lives on otherwise."""

    def __init__(self, server: MemoryServer) -> None:
        super().__init__(server)
        self.image: MemoryChain | None = None
        self.shard: Ownership | None = None

    async def stream(
        self, chain_id: str, name: ChainStream, *, after: str = "0-0", count: int = 1_000
    ) -> tuple[StreamEntry, ...]:
        read = await super().stream(chain_id, name, after=after, count=count)
        if self.image is not None and name is ChainStream.OUTBOX:
            image, self.image = self.image, None
            chain = self._server.chain(CHAIN)
            last = chain.streams[name].last
            for field in fields(MemoryChain):
                setattr(chain, field.name, getattr(image, field.name))
            chain.streams[name].last = last
            assert self.shard is not None
            await happens(self, self.shard, 4, 6, at_ms=2)
        return read


async def happens(
    store: MemoryStore, shard: Ownership, first: int, end: int, *, at_ms: int
) -> None:
    for number in range(first, end):
        event = (
            b'{"id":"session:s1:%d","event":{"kind":"session_due","session_id":"s1","seq":%d,'
            b'"club_id":"c1","at_ms":%d}}' % (number, number, at_ms)
        )
        result = await store.commit(shard, number, [Unit(events=(event,))])
        assert not result.fenced


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    opened = open_archive(f"sqlite:///{tmp_path / 'archive.db'}")
    yield opened
    opened.close()


async def test_a_store_that_goes_back_between_two_pages_of_one_step_is_found_out(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "ENTRIES_PER_TRANSACTION", 2)
    store = ForgetfulStore(MemoryServer(now_ms=lambda: 0))
    await store.put(CHAIN, {"chain": b"{}"})
    store.shard = shard = await owned(store)
    await happens(store, shard, 1, 4, at_ms=1)
    worker = ArchiveConsumer(store, archive, ManualClock())
    await worker.step()
    image = copy.deepcopy(store._server.chain(CHAIN))
    await happens(store, shard, 4, 8, at_ms=1)
    store.image = image
    await worker.step()
    held = [entry.payload for entry in await archive.events(CHAIN)]
    assert held == [entry.payload for entry in await store.stream(CHAIN, ChainStream.OUTBOX)]
