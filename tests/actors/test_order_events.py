"""What is told of an order's money and of a held PC, and refunds that leave over the desk."""

from typing import Any

import orjson
import pytest
from clubs_under_test import CHAIN, seed, wallet_of
from shard_under_test import MINUTE_MS, ShardUnderTest

from actors.store import ChainStream
from actors.store_memory import MemoryStore
from controller.verify import verify
from schemas.commands import (
    Command,
    CommandReply,
    CreateOrder,
    CreateSession,
    EndSession,
    HoldPc,
    OrderMeans,
    OrderPayment,
    PaymentMeans,
    PaymentMode,
    PayOrder,
    RefundOrder,
    ReleasePc,
    TopUpWallet,
)
from schemas.events import EventMessage, published

BLOCK_MINOR = 200_00
PC = "north-main-0"


@pytest.fixture
async def shard() -> ShardUnderTest:
    store = MemoryStore()
    await seed(store)
    return await ShardUnderTest(store).take()


async def ok(shard: ShardUnderTest, command: Command) -> Any:
    reply = await shard.command(command)
    assert reply.status == "ok", reply
    return reply.result


async def refused(shard: ShardUnderTest, command: Command) -> CommandReply:
    reply = await shard.command(command)
    assert reply.status == "rejected", reply
    return reply


async def told(shard: ShardUnderTest, source: str) -> list[dict[str, Any]]:
    """Messages of a source as outsiders get them; each fits its schema."""
    entries = await shard.store.stream(CHAIN, ChainStream.OUTBOX, count=10_000)
    messages = [published(orjson.loads(entry.payload)) for entry in entries]
    own = [one for one in messages if one["source"] == source]
    for message in own:
        EventMessage.model_validate(message)
    assert [one["sequence"] for one in own] == list(range(1, len(own) + 1))
    return own


def order(*payments: OrderPayment) -> CreateOrder:
    return CreateOrder(order_id="ord-1", player_id="ann", tariff_ids=("block",), payments=payments)


def by(means: OrderMeans, amount_minor: int) -> OrderPayment:
    return OrderPayment(means=means, amount_minor=amount_minor)


async def test_an_order_tells_of_each_step_of_its_money(shard: ShardUnderTest) -> None:
    await ok(shard, TopUpWallet(player_id="ann", amount_minor=50_00, bonus_minor=30_00))
    await ok(shard, order())
    mixed = (
        by(OrderMeans.CASH, 120_00),
        by(OrderMeans.BALANCE, 50_00),
        by(OrderMeans.BONUS, 30_00),
    )
    await ok(shard, PayOrder(order_id="ord-1", payments=mixed))
    await ok(shard, RefundOrder(order_id="ord-1"))
    created, paid, back = await told(shard, "order:ord-1")
    assert (created["type"], created["data"]["amountMinor"]) == ("order_created", BLOCK_MINOR)
    assert created["data"]["playerId"] == "ann"
    assert paid["type"] == "order_paid"
    parts = ("cashMinor", "cardMinor", "balanceMinor", "bonusMinor", "dueMinor")
    assert [paid["data"][name] for name in parts] == [120_00, 0, 50_00, 30_00, 0]
    assert back["type"] == "order_refunded"
    assert back["data"]["cashMinor"] + back["data"]["bonusMinor"] == BLOCK_MINOR
    report = await verify(shard.store, None)
    assert report.ok, report.rows


async def test_a_refund_can_leave_over_the_desk(shard: ShardUnderTest) -> None:
    await ok(shard, TopUpWallet(player_id="ann", amount_minor=10_00))
    await ok(shard, order(by(OrderMeans.CASH, BLOCK_MINOR)))
    result = await ok(shard, RefundOrder(order_id="ord-1", payout=PaymentMeans.CASH))
    (back,) = result["order"]["refunds"]
    assert (back["cash_minor"], back["paid_out_minor"]) == (BLOCK_MINOR, BLOCK_MINOR)
    assert back["paid_out_by"] == "cash"
    assert await wallet_of(shard.store, "ann") == (10_00, 0)
    balances = await shard.store.all_balances(CHAIN)
    assert balances["EUR:desk:north:cash"] == -10_00
    *_, refunded, out = await told(shard, "order:ord-1")
    assert refunded["type"] == "order_refunded"
    assert out["type"] == "refund_paid_out"
    assert (out["data"]["amountMinor"], out["data"]["means"]) == (BLOCK_MINOR, "cash")
    ledger = await shard.store.stream(CHAIN, ChainStream.LEDGER, count=1_000)
    kinds = [orjson.loads(entry.payload)["kind"] for entry in ledger]
    assert kinds[-2:] == ["refund", "withdrawal"]
    report = await verify(shard.store, None)
    assert report.ok, report.rows


async def test_the_price_of_a_finished_session_can_leave_over_the_desk(
    shard: ShardUnderTest,
) -> None:
    await ok(shard, TopUpWallet(player_id="ann", amount_minor=10_00))
    await ok(shard, playing("s1", PaymentMode.PREPAID))
    await shard.wait(minutes=2.5)
    await ok(shard, EndSession(session_id="s1"))
    refund = RefundOrder(order_id="s1", amount_minor=4_00, payout=PaymentMeans.CARD)
    await ok(shard, refund)
    assert await wallet_of(shard.store, "ann") == (4_00, 0)
    assert [one["type"] for one in await told(shard, "order:s1")] == [
        "order_refunded",
        "refund_paid_out",
    ]
    report = await verify(shard.store, None)
    assert report.ok, report.rows


async def test_what_never_was_cash_does_not_leave_over_the_desk(shard: ShardUnderTest) -> None:
    await ok(shard, TopUpWallet(player_id="ann", amount_minor=1_00, bonus_minor=BLOCK_MINOR))
    await ok(shard, order(by(OrderMeans.BONUS, BLOCK_MINOR)))
    reply = await refused(shard, RefundOrder(order_id="ord-1", payout=PaymentMeans.CASH))
    assert (reply.code, reply.field) == ("nothing-to-refund", "payout")
    await ok(shard, playing("s1", PaymentMode.OPEN_ENDED))
    await shard.wait(minutes=5)
    await ok(shard, EndSession(session_id="s1"))
    lowered = RefundOrder(order_id="s1", amount_minor=2_00, payout=PaymentMeans.CASH)
    assert (await refused(shard, lowered)).code == "nothing-to-refund"


def playing(session_id: str, mode: PaymentMode) -> CreateSession:
    return CreateSession(
        session_id=session_id,
        pc_id=PC,
        player_id="ann",
        tariff_id="standard",
        mode=mode,
        start=True,
    )


async def test_a_hold_and_its_release_are_told_of_the_pc(shard: ShardUnderTest) -> None:
    until_ms = shard.now.wall_ms + 30 * MINUTE_MS
    await ok(shard, HoldPc(pc_id=PC, reason="mouse", until_ms=until_ms))
    await ok(shard, ReleasePc(pc_id=PC))
    await ok(shard, HoldPc(pc_id=PC, reason="dust"))
    held, released, again = await told(shard, f"pc:{PC}")
    assert (held["type"], held["data"]["reason"]) == ("pc_held", "mouse")
    assert held["data"]["until"].endswith("Z")
    assert released["type"] == "pc_released"
    assert again["data"]["until"] is None
