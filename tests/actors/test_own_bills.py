"""What a session costs beside its purchase is a bill of its own, and goes back through it."""

import orjson
import pytest
from clubs_under_test import CHAIN, seed, wallet_of
from shard_under_test import ShardUnderTest

from actors.orders import read_orders
from actors.store_memory import MemoryStore
from billing_core.tariff import PriceRule, RefundPolicy, Tariff, TariffType
from schemas.commands import (
    CommandReply,
    CreateOrder,
    CreateSession,
    EndSession,
    ExtendSession,
    OrderPayment,
    RefundOrder,
    TopUpWallet,
)

HOUR = Tariff(
    id="hour",
    version=1,
    name="One hour",
    currency="EUR",
    type=TariffType.HOURS,
    hours=1,
    price_minor=100_00,
    prices=(PriceRule("any"),),
    refund=RefundPolicy.CASH,
)


@pytest.fixture
async def shard() -> ShardUnderTest:
    """Ann has 1000.00 and sits on an hour of her order o1."""
    store = MemoryStore()
    await seed(store)
    await store.put(CHAIN, {"tariff:hour:1": orjson.dumps(HOUR)})
    shard = await ShardUnderTest(store).take()
    await accepted(shard.command(TopUpWallet(player_id="ann", amount_minor=1_000_00)))
    await accepted(shard.command(ordered("o1")))
    started = await accepted(
        shard.command(
            CreateSession(
                session_id="s1",
                pc_id="north-main-0",
                player_id="ann",
                player_tariff_id="o1-0",
                start=True,
            )
        )
    )
    assert started.result["session"]["order_id"] == "o1"
    return shard


async def accepted(asked) -> CommandReply:
    reply: CommandReply = await asked
    assert reply.code is None, reply
    return reply


def ordered(order_id: str) -> CreateOrder:
    payment = OrderPayment(means="balance", amount_minor=100_00)
    return CreateOrder(
        order_id=order_id, player_id="ann", tariff_ids=("hour",), payments=(payment,)
    )


async def refund(shard: ShardUnderTest, order_id: str, amount_minor: int | None) -> str | None:
    return (await shard.command(RefundOrder(order_id=order_id, amount_minor=amount_minor))).code


async def test_what_the_wallet_paid_after_a_pack_goes_back_through_the_sessions_own_bill(
    shard: ShardUnderTest,
) -> None:
    await accepted(shard.command(ExtendSession(session_id="s1", tariff_id="standard")))
    await shard.wait(minutes=90)
    assert await refund(shard, "s1", 10_00) == "order-not-due"
    ended = await accepted(shard.command(EndSession(session_id="s1")))
    session, receipt = ended.result["session"], ended.result["receipt"]
    assert session["order_id"] == "o1", "one order, for good"
    parts = [(one["order_id"], one["amount_minor"]) for one in session["segments"]]
    assert parts == [("o1", 100_00), ("s1", 60_00)]
    assert receipt["total_minor"] == 160_00
    known = await read_orders(shard.store, CHAIN, ["s1", "o1"])
    assert {name: one.order.amount_minor for name, one in known.items()} == {
        "s1": 60_00,
        "o1": 100_00,
    }
    assert known["s1"].order.lines[0].tariff.id == "standard"
    assert await refund(shard, "o1", 10_00) == "nothing-to-refund"
    assert await refund(shard, "s1", 10_00) is None
    assert await refund(shard, "s1", 50_01) == "refund-too-large"
    assert await refund(shard, "s1", 50_00) is None
    assert await wallet_of(shard.store, "ann") == (900_00, 0)
    assert sum((await shard.store.all_balances(CHAIN)).values()) == 0


async def test_a_pack_of_another_order_extends_it_and_goes_back_through_that_order(
    shard: ShardUnderTest,
) -> None:
    await accepted(shard.command(ordered("o2")))
    await accepted(shard.command(ExtendSession(session_id="s1", player_tariff_id="o2-0")))
    await shard.wait(minutes=30)
    ended = await accepted(shard.command(EndSession(session_id="s1")))
    assert ended.result["session"]["order_id"] == "o1"
    assert await wallet_of(shard.store, "ann") == (1_000_00 - 150_00, 0)
    await accepted(shard.command(RefundOrder(order_id="o2")))
    assert await wallet_of(shard.store, "ann") == (1_000_00 - 50_00, 0)
    assert await refund(shard, "s1", 1) == "order-not-found"
    assert "s1" not in await read_orders(shard.store, CHAIN, ["s1"])


async def test_segments_of_two_orders_are_told_apart(shard: ShardUnderTest) -> None:
    await accepted(shard.command(ordered("o2")))
    await accepted(shard.command(ExtendSession(session_id="s1", player_tariff_id="o2-0")))
    await shard.wait(minutes=90)
    ended = await accepted(shard.command(EndSession(session_id="s1")))
    parts = [(one["order_id"], one["amount_minor"]) for one in ended.result["session"]["segments"]]
    assert parts == [("o1", 100_00), ("o2", 50_00)]
    assert await refund(shard, "s1", 1) == "order-not-found"
