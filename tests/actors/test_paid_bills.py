"""A post-pay bill that was paid can go back; an order of nothing gives what it is for."""

import orjson
import pytest
from clubs_under_test import CHAIN, seed, wallet_of
from shard_under_test import ShardUnderTest

from actors.store_memory import MemoryStore
from billing_core.tariff import PriceRule, Tariff, TariffType
from schemas.commands import (
    Command,
    CreateOrder,
    CreateSession,
    EndSession,
    OrderPayment,
    PaymentMode,
    PayOrder,
    RefundOrder,
)

GIFT = Tariff(
    id="gift",
    version=1,
    name="An hour on the house",
    currency="EUR",
    type=TariffType.HOURS,
    hours=1,
    price_minor=0,
    prices=(PriceRule("any"),),
)


@pytest.fixture
async def shard() -> ShardUnderTest:
    store = MemoryStore()
    await seed(store)
    await store.put(CHAIN, {"tariff:gift:1": orjson.dumps(GIFT)})
    return await ShardUnderTest(store).take()


async def result(shard: ShardUnderTest, command: Command) -> dict:
    reply = await shard.command(command)
    assert reply.code is None, reply
    return dict(reply.result)


async def billed(shard: ShardUnderTest, *, paid_minor: int) -> None:
    """Ann has played ten minutes on the tab, and paid a part of 20.00 by card."""
    seat = CreateSession(
        session_id="s1",
        pc_id="north-main-0",
        player_id="ann",
        tariff_id="standard",
        mode=PaymentMode.OPEN_ENDED,
        start=True,
    )
    await result(shard, seat)
    await shard.wait(minutes=10)
    await result(shard, EndSession(session_id="s1"))
    payment = OrderPayment(means="card", amount_minor=paid_minor)
    await result(shard, PayOrder(order_id="s1", payments=(payment,)))


def refund(amount_minor: int, payout: str | None = None) -> RefundOrder:
    return RefundOrder.model_validate(
        {"order_id": "s1", "amount_minor": amount_minor, "payout": payout}
    )


async def accounts(shard: ShardUnderTest) -> dict[str, int]:
    balances = await shard.store.all_balances(CHAIN)
    assert sum(balances.values()) == 0
    return {account: minor for account, minor in balances.items() if minor}


async def test_a_paid_bill_goes_back_to_the_wallet_and_never_more_than_it(
    shard: ShardUnderTest,
) -> None:
    await billed(shard, paid_minor=20_00)
    order = (await result(shard, refund(5_00)))["order"]
    assert (order["status"], order["due_minor"], order["refunded_minor"]) == (
        "PARTLY_REFUNDED",
        0,
        5_00,
    )
    assert await wallet_of(shard.store, "ann") == (5_00, 0)
    assert (await shard.command(refund(15_01))).code == "refund-too-large"
    assert (await result(shard, refund(15_00)))["order"]["status"] == "REFUNDED"
    assert await accounts(shard) == {"EUR:desk:north:card": -20_00, "EUR:wallet:ann:cash": 20_00}


async def test_of_a_bill_paid_in_part_only_what_was_paid_leaves_over_the_desk(
    shard: ShardUnderTest,
) -> None:
    await billed(shard, paid_minor=15_00)
    order = (await result(shard, refund(8_00, payout="card")))["order"]
    assert order["due_minor"] == 0
    (back,) = order["refunds"]
    assert (back["cash_minor"], back["paid_out_minor"]) == (8_00, 3_00)
    assert await accounts(shard) == {"EUR:desk:north:card": -12_00, "EUR:revenue:north": 12_00}


async def test_an_order_of_nothing_is_paid_as_it_is_made(shard: ShardUnderTest) -> None:
    asked = CreateOrder(order_id="o1", player_id="ann", tariff_ids=("gift",))
    order = (await result(shard, asked))["order"]
    assert (order["status"], order["amount_minor"]) == ("PAID", 0)
    seat = CreateSession(
        session_id="s1",
        pc_id="north-main-0",
        player_id="ann",
        player_tariff_id="o1-0",
        start=True,
    )
    await result(shard, seat)
    await shard.wait(minutes=59)
    assert (await shard.store.session(CHAIN, "s1")) is not None
    assert await accounts(shard) == {}
