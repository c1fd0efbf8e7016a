"""Orders of a past the store has lost are set aside; those that had merely left it stay."""

from copy import deepcopy
from dataclasses import dataclass, field

import orjson
import pytest
from clubs_under_test import CHAIN, seed
from shard_under_test import ShardUnderTest

from actors.orders import order_key
from actors.store import CatalogueEdit, ChainStream, EntityWrite, Scope
from actors.store_memory import MemoryStore
from actors.store_memory_chain import MemoryChain
from actors.store_memory_server import MemoryServer
from controller.archive import Archive, ArchiveConsumer, order_rows
from controller.archive.leaving import Leaving
from controller.verify import verify
from schemas.commands import CreateOrder, OrderMeans, OrderPayment, RefundOrder, ReplyStatus

OUTBOX = ChainStream.OUTBOX
DAY_MINUTES = 24 * 60
PAID = (OrderPayment(means=OrderMeans.CASH, amount_minor=200_00),)


@dataclass
class Desk:
    """A store that can be put back, and who sells over its counter."""

    archive: Archive
    server: MemoryServer = field(default_factory=MemoryServer)
    shard: ShardUnderTest = field(init=False)

    def __post_init__(self) -> None:
        self.shard = ShardUnderTest(MemoryStore(self.server))

    @property
    def store(self) -> MemoryStore:
        return self.shard.store

    async def sells(self, order_id: str) -> None:
        asked = CreateOrder(
            order_id=order_id, player_id="ann", tariff_ids=("block",), payments=PAID
        )
        assert (await self.shard.command(asked, key=order_id)).status is ReplyStatus.OK

    async def gives_back(self, order_id: str, amount_minor: int) -> None:
        asked = RefundOrder(order_id=order_id, amount_minor=amount_minor)
        reply = await self.shard.command(asked, key=f"{order_id}/{amount_minor}")
        assert reply.status is ReplyStatus.OK, reply

    async def archived(self) -> None:
        await ArchiveConsumer(self.store, self.archive, self.shard.clock).step()

    def image(self) -> MemoryChain:
        return deepcopy(self.server.chain(CHAIN))

    async def goes_back(self, image: MemoryChain) -> None:
        self.server._chains[CHAIN] = deepcopy(image)
        before = self.shard.clock
        self.shard = ShardUnderTest(MemoryStore(self.server))
        self.shard.clock.advance(before.wall_ms() - self.shard.clock.wall_ms() + 60_000)
        await self.shard.take("after")

    async def brings_back(self, order_id: str) -> None:
        document = await self.held(order_id)
        write = EntityWrite(order_key(order_id), 0, document, Scope.CHAIN)
        assert (await self.store.edit(CHAIN, CatalogueEdit(documents=(write,)))) is not None

    async def held(self, order_id: str) -> bytes | None:
        return await self.archive.look(order_rows.order, CHAIN, order_id)

    async def stored(self, order_id: str) -> bytes | None:
        found = await self.store.documents(CHAIN, [order_key(order_id)])
        return found[order_key(order_id)].blob if found else None

    def set_aside(self) -> list[tuple[str, str, int]]:
        """(cause, order, how much had been told of it) of the orders beside the archive's."""
        return sorted(
            (row["cause"], row["row_id"], orjson.loads(row["document"])["event_seq"])
            for table, part in self.archive.chain_rows(CHAIN)
            if table == "set_aside"
            for row in part
            if row["source"] == "orders"
        )

    async def is_sound(self) -> None:
        report = await verify(self.store, self.archive)
        assert report.ok, report.rows


@pytest.fixture
async def desk(archive: Archive) -> Desk:
    desk = Desk(archive)
    await seed(desk.store)
    await desk.shard.take()
    await desk.sells("kept")
    await desk.archived()
    return desk


async def test_an_order_made_in_the_lost_past_is_set_aside(desk: Desk) -> None:
    image = desk.image()
    await desk.sells("lost")
    await desk.archived()
    assert await desk.held("lost") is not None
    await desk.goes_back(image)
    await desk.archived()
    assert await desk.held("lost") is None
    assert await desk.held("kept") == await desk.stored("kept")
    assert desk.set_aside() == [("rewind", "lost", 2)]
    await desk.is_sound()


async def test_an_order_that_changed_in_the_lost_past_is_as_the_store_has_it(desk: Desk) -> None:
    image = desk.image()
    await desk.gives_back("kept", 30_00)
    await desk.archived()
    lost = await desk.held("kept")
    await desk.goes_back(image)
    await desk.archived()
    assert await desk.held("kept") == await desk.stored("kept") != lost
    assert desk.set_aside() == [("rewind", "kept", 3)]
    await desk.is_sound()
    await desk.gives_back("kept", 10_00)
    await desk.archived()
    assert await desk.held("kept") == await desk.stored("kept")
    await desk.is_sound()


async def test_an_order_that_had_left_the_store_stays(desk: Desk) -> None:
    await desk.shard.wait(minutes=DAY_MINUTES + 5)
    await desk.archived()
    assert await desk.stored("kept") is None
    image = desk.image()
    await desk.sells("lost")
    await desk.archived()
    await desk.goes_back(image)
    await desk.archived()
    assert await desk.held("kept") is not None
    assert desk.set_aside() == [("rewind", "lost", 2)]
    await desk.is_sound()


async def test_an_order_that_came_back_into_the_lost_past_is_as_it_left(desk: Desk) -> None:
    """The store never had it then, so only the archive can say what it was."""
    await desk.shard.wait(minutes=DAY_MINUTES + 5)
    await desk.archived()
    before, image = await desk.held("kept"), desk.image()
    await desk.brings_back("kept")
    await desk.gives_back("kept", 30_00)
    await desk.archived()
    assert desk.set_aside() == [("replaced", "kept", 2)]
    await desk.goes_back(image)
    await desk.archived()
    assert await desk.held("kept") == before
    assert desk.set_aside() == [("rewind", "kept", 3)]
    await desk.is_sound()


async def test_an_order_is_never_archived_ahead_of_its_events(desk: Desk) -> None:
    """A store that then went back would leave it there, and no event would say so."""
    cursor = await desk.archive.cursor(CHAIN, OUTBOX)
    await desk.gives_back("kept", 10_00)
    await desk.gives_back("kept", 5_00)
    told = [orjson.loads(e.payload) for e in await desk.store.stream(CHAIN, OUTBOX, after=cursor)]
    assert [entry["event"]["seq"] for entry in told] == [3, 4]
    leaving = Leaving(desk.store, desk.archive, desk.shard.clock)
    assert await leaving.orders_told(CHAIN, told[:1]) == []
    (taken,) = await leaving.orders_told(CHAIN, told)
    assert taken.blob == await desk.stored("kept")
