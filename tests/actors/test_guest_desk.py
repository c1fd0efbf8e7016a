"""A guest is handed what is left by the means it came: no desk turns a card into cash."""

import pytest
from clubs_under_test import CHAIN, seed
from guests_under_test import guest
from outages_under_test import opened, pass_time, play
from shard_under_test import ShardUnderTest

from actors.store_memory import MemoryStore
from billing_core.ledger import Means, desk
from schemas.commands import (
    CancelSession,
    Command,
    ConvertGuest,
    EndSession,
    ExtendSession,
    OrderPayment,
    PaymentMeans,
    PayOrder,
    RefundOrder,
    ReplyStatus,
    ResolveOutage,
)
from schemas.device import UsageEnd

MINUTE_MINOR = 2_00


@pytest.fixture
async def shard() -> ShardUnderTest:
    store = MemoryStore()
    await seed(store)
    return await ShardUnderTest(store).take()


async def ok(shard: ShardUnderTest, *commands: Command) -> None:
    for command in commands:
        reply = await shard.command(command)
        assert reply.status is ReplyStatus.OK, reply


async def taken_in(shard: ShardUnderTest) -> tuple[int, int]:
    """What is in the drawer and what came by card, after what was handed back."""
    balances = await shard.store.all_balances(CHAIN)
    assert sum(balances.values()) == 0
    accounts = [desk("EUR", "north", means) for means in (Means.CASH, Means.CARD)]
    cash_minor, card_minor = (-balances.get(account, 0) for account in accounts)
    return cash_minor, card_minor


async def test_a_card_gets_back_what_a_session_of_no_length_did_not_cost(
    shard: ShardUnderTest,
) -> None:
    await ok(shard, guest(PaymentMeans.CARD, 500_00), EndSession(session_id="s1"))
    assert await taken_in(shard) == (0, 0)


async def test_a_booking_taken_back_returns_to_the_card(shard: ShardUnderTest) -> None:
    await ok(shard, guest(PaymentMeans.CARD, 50_00, start=False), CancelSession(session_id="s1"))
    assert await taken_in(shard) == (0, 0)


async def test_cash_comes_back_as_cash(shard: ShardUnderTest) -> None:
    await ok(shard, guest(PaymentMeans.CASH, 50_00))
    await shard.wait(minutes=2, seconds=30)
    await ok(shard, EndSession(session_id="s1"))
    assert await taken_in(shard) == (3 * MINUTE_MINOR, 0)


@pytest.mark.parametrize("first", list(PaymentMeans))
async def test_of_both_the_card_comes_first(shard: ShardUnderTest, first: PaymentMeans) -> None:
    (second,) = set(PaymentMeans) - {first}
    more = ExtendSession(session_id="s1", tariff_id="block", paid_minor=210_00, means=second.value)
    await ok(shard, guest(first, 20_00), more)
    await shard.wait(minutes=4, seconds=30)
    await ok(shard, EndSession(session_id="s1"))
    assert await taken_in(shard) == (5 * MINUTE_MINOR, 0)


async def test_an_outage_approved_after_the_end_goes_to_the_card_too() -> None:
    shard = await opened(MemoryStore(), "PROPOSE")
    pc = await play(
        shard, player_id=None, guest_label="Guest", paid_minor=100_00, means=PaymentMeans.CARD
    )
    await pass_time(shard, 600, pc)
    pc.stop(UsageEnd.FROZEN)
    await pass_time(shard, 300, None)
    pc.serve()
    await pass_time(shard, 120, pc)
    await ok(shard, EndSession(session_id="s1"))
    cash_minor, before_minor = await taken_in(shard)
    await ok(shard, ResolveOutage(session_id="s1", number=0, approve=True))
    assert cash_minor == 0
    assert await taken_in(shard) == (0, before_minor - 5 * MINUTE_MINOR)


async def given_back(shard: ShardUnderTest, minor: int, payout: str | None = None) -> list:
    """Refund a part of the session's bill; by what it was handed over, all in all."""
    asked = RefundOrder.model_validate({"order_id": "s1", "amount_minor": minor, "payout": payout})
    reply = await shard.command(asked)
    assert reply.status is ReplyStatus.OK, reply
    backs = reply.result["order"]["refunds"]
    assert sum(one["cash_minor"] for one in backs) == reply.result["order"]["refunded_minor"]
    return [(one["paid_out_by"], one["paid_out_minor"]) for one in backs]


async def test_a_refund_leaves_over_the_desk_to_the_card_first(shard: ShardUnderTest) -> None:
    """Nobody could ever spend it from the wallet of somebody who is gone."""
    await ok(shard, guest(PaymentMeans.CARD, 20_00))
    await shard.wait(minutes=9, seconds=30)
    await ok(shard, EndSession(session_id="s1"))
    assert await taken_in(shard) == (0, 10 * MINUTE_MINOR)
    assert await given_back(shard, 4_00) == [("card", 4_00)]
    assert await given_back(shard, 9_00, "cash") == [("card", 4_00), ("card", 9_00)]
    assert await taken_in(shard) == (0, 7_00)
    assert await left_behind(shard) == []


async def test_what_the_card_did_not_pay_comes_back_as_cash(shard: ShardUnderTest) -> None:
    more = ExtendSession(session_id="s1", tariff_id="block", paid_minor=187_00)
    await ok(shard, guest(PaymentMeans.CARD, 15_00), more)
    await shard.wait(minutes=122)
    assert await taken_in(shard) == (187_00, 15_00)
    assert await given_back(shard, 202_00) == [("card", 15_00), ("cash", 187_00)]
    assert await taken_in(shard) == (0, 0)


async def test_a_bill_paid_by_card_goes_back_to_the_card(shard: ShardUnderTest) -> None:
    await ok(shard, guest(PaymentMeans.CASH, 0, mode="OPEN_ENDED"))
    await shard.wait(minutes=9, seconds=30)
    await ok(shard, EndSession(session_id="s1"))
    means = ((PaymentMeans.CASH, 5_00), (PaymentMeans.CARD, 15_00))
    payments = tuple(OrderPayment(means=one.value, amount_minor=minor) for one, minor in means)
    await ok(shard, PayOrder(order_id="s1", payments=payments))
    assert await given_back(shard, 16_00, "cash") == [("card", 15_00), ("cash", 1_00)]
    assert await taken_in(shard) == (4_00, 0)
    assert await left_behind(shard) == []


async def test_an_unpaid_bill_is_lowered_and_nothing_is_handed_over(shard: ShardUnderTest) -> None:
    await ok(shard, guest(PaymentMeans.CASH, 0, mode="OPEN_ENDED"))
    await shard.wait(minutes=9, seconds=30)
    await ok(shard, EndSession(session_id="s1"))
    assert await given_back(shard, 6_00) == [(None, 0)]
    assert await taken_in(shard) == (0, 0)


async def left_behind(shard: ShardUnderTest) -> list[str]:
    """Accounts and documents that bear a session's name."""
    accounts = await shard.store.all_balances(CHAIN)
    documents = [one.key for one in await shard.store.documents_by_prefix(CHAIN, "bought:")]
    return [name for name in (*accounts, *documents) if "s1" in name]


async def test_a_guest_who_is_gone_leaves_no_wallet_and_no_purchases(
    shard: ShardUnderTest,
) -> None:
    await ok(shard, guest(PaymentMeans.CASH, 250_00, tariff_id="block"))
    assert await left_behind(shard) == ["EUR:wallet:guest-s1:cash", "bought:guest-s1"]
    await shard.wait(minutes=1)
    await ok(shard, EndSession(session_id="s1"))
    assert await left_behind(shard) == []
    await taken_in(shard)


async def test_a_guest_who_became_a_player_leaves_nothing_under_the_old_name(
    shard: ShardUnderTest,
) -> None:
    await ok(shard, guest(PaymentMeans.CASH, 250_00, tariff_id="block"))
    await ok(shard, ConvertGuest(session_id="s1", player_id="ann"))
    left = await left_behind(shard)
    assert "bought:guest-s1" not in left
    assert "EUR:wallet:guest-s1:cash" not in left
    await ok(shard, EndSession(session_id="s1"))


async def test_a_bill_that_is_paid_leaves_no_account(shard: ShardUnderTest) -> None:
    await ok(shard, guest(PaymentMeans.CASH, 0, mode="OPEN_ENDED"))
    await shard.wait(minutes=10)
    await ok(shard, EndSession(session_id="s1"))
    assert await left_behind(shard) == ["EUR:receivable:s1"]
    payment = OrderPayment(means="cash", amount_minor=20_00)
    await ok(shard, PayOrder(order_id="s1", payments=(payment,)))
    assert await left_behind(shard) == []
