"""Staff decides on an outage days later, when the archive has taken the session's bill: it comes
back with what was paid and given back, never as one that nobody has touched."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from clubs_under_test import CHAIN, wallet_of
from outages_under_test import opened, pass_time, play, session
from shard_under_test import ShardUnderTest

from actors.orders import KnownOrder, read_orders
from actors.store_memory import MemoryStore
from billing_core.ledger import receivable
from controller.archive import Archive, ArchiveConsumer, open_archive
from controller.archive.consumer import DROP_ORDERS_EVERY_STEPS
from controller.verify import verify
from schemas.commands import (
    Command,
    EndSession,
    OrderPayment,
    PaymentMode,
    PayOrder,
    RefundOrder,
    ReplyStatus,
    ResolveOutage,
)
from schemas.device import UsageEnd

TWO_DAYS_MS = 48 * 3_600_000


@dataclass
class Club:
    """A club with an archive behind it."""

    shard: ShardUnderTest
    archive: Archive

    def __post_init__(self) -> None:
        self.consumer = ArchiveConsumer(self.shard.store, self.archive, self.shard.clock)

    async def told(self, command: Command) -> None:
        reply = await self.shard.command(command)
        assert reply.status is ReplyStatus.OK, reply

    async def swept(self, *, after_ms: int) -> None:
        """The archive takes all there is and lets go of what is old enough."""
        await self.consumer.step()
        self.shard.clock.advance(after_ms)
        for _ in range(DROP_ORDERS_EVERY_STEPS):
            await self.consumer.step()

    async def bill(self) -> KnownOrder | None:
        return (await read_orders(self.shard.store, CHAIN, ["s1"])).get("s1")

    async def proposed(self, **fields: object) -> int:
        """A session of half an hour with five minutes that staff is to decide on; its price."""
        pc = await play(self.shard, **fields)
        await pass_time(self.shard, 1_800, pc)
        pc.stop(UsageEnd.FROZEN)
        await pass_time(self.shard, 300, None)
        pc.serve()
        await pass_time(self.shard, 120, pc)
        await self.told(EndSession(session_id="s1"))
        return (await session(self.shard.store)).amount_minor


@pytest.fixture
async def club(tmp_path: Path) -> AsyncIterator[Club]:
    archive = open_archive(f"sqlite:///{tmp_path / 'archive.db'}")
    yield Club(await opened(MemoryStore(), "PROPOSE"), archive)
    archive.close()


async def test_a_refund_is_not_given_again_after_the_bill_has_left_the_store(club: Club) -> None:
    cost_minor = await club.proposed()
    before_minor = sum(await wallet_of(club.shard.store, "ann"))
    await club.told(RefundOrder(order_id="s1", amount_minor=50_00))
    await club.swept(after_ms=TWO_DAYS_MS)
    assert await club.bill() is None
    await club.told(ResolveOutage(session_id="s1", number=0, approve=True))
    left_minor = (await session(club.shard.store)).amount_minor
    assert left_minor < cost_minor
    known = await club.bill()
    assert known is not None
    assert (known.version, known.order.refunded_minor) == (1, 50_00)
    too_much = await club.shard.command(RefundOrder(order_id="s1", amount_minor=left_minor))
    assert too_much.code == "refund-too-large"
    await club.told(RefundOrder(order_id="s1", amount_minor=left_minor - 50_00))
    back_minor = sum(await wallet_of(club.shard.store, "ann")) - before_minor
    assert back_minor == cost_minor
    await club.swept(after_ms=0)
    assert (await verify(club.shard.store, club.archive)).ok


async def test_a_bill_that_was_paid_is_not_due_again(club: Club) -> None:
    cost_minor = await club.proposed(mode=PaymentMode.OPEN_ENDED)
    payment = OrderPayment(means="cash", amount_minor=cost_minor)
    await club.told(PayOrder(order_id="s1", payments=(payment,)))
    before_minor = sum(await wallet_of(club.shard.store, "ann"))
    await club.swept(after_ms=TWO_DAYS_MS)
    assert await club.bill() is None
    await club.told(ResolveOutage(session_id="s1", number=0, approve=True))
    known = await club.bill()
    assert known is not None
    assert known.order.due_minor == 0
    back_minor = sum(await wallet_of(club.shard.store, "ann")) - before_minor
    assert back_minor == known.order.refunded_minor > 0
    account = receivable("EUR", "s1")
    assert (await club.shard.store.balances(CHAIN, [account])).get(account, 0) == 0


async def test_a_bill_stays_as_long_as_the_final_document_it_could_be_made_from(club: Club) -> None:
    await club.proposed()
    await club.told(RefundOrder(order_id="s1", amount_minor=50_00))
    await club.swept(after_ms=TWO_DAYS_MS)
    await club.told(ResolveOutage(session_id="s1", number=0, approve=True))
    await club.swept(after_ms=3_600_000)
    known = await club.bill()
    assert known is not None
    assert known.order.refunded_minor == 50_00
    await club.swept(after_ms=TWO_DAYS_MS)
    assert await club.bill() is None
