"""What a one-time guest gets back, and what prepaid time forfeits, is told and not only booked."""

from typing import Any

import orjson
import pytest
from clubs_under_test import CHAIN, seed
from guests_under_test import guest
from outages_under_test import opened, pass_time, play
from shard_under_test import ShardUnderTest

from actors.store import ChainStream
from actors.store_memory import MemoryStore
from billing_core.sale import session_order
from billing_core.session import SessionState
from billing_core.stored import session_from_dict
from billing_core.tariff import RefundPolicy, Tariff, TariffType
from schemas.commands import (
    CancelSession,
    Command,
    ConvertGuest,
    EndSession,
    ExtendSession,
    PaymentMeans,
    RefundOrder,
    ResolveOutage,
    TopUpWallet,
)
from schemas.device import UsageEnd

BURNT = Tariff(
    id="burnt",
    version=1,
    name="An hour",
    currency="EUR",
    type=TariffType.FIXED,
    price_minor=3_60,
    block_minutes=60,
    refund=RefundPolicy.FORFEIT,
)
"""Six minor units a minute; who leaves early has lost the rest."""


@pytest.fixture
async def shard() -> ShardUnderTest:
    store = MemoryStore()
    await seed(store)
    await store.put(CHAIN, {"tariff:burnt:1": orjson.dumps(BURNT)})
    return await ShardUnderTest(store).take()


async def result(shard: ShardUnderTest, command: Command) -> dict[str, Any]:
    reply = await shard.command(command)
    assert reply.code is None, reply
    return dict(reply.result)


async def told(shard: ShardUnderTest, kind: str) -> list[dict[str, Any]]:
    outbox = await shard.store.stream(CHAIN, ChainStream.OUTBOX)
    events = [orjson.loads(one.payload)["event"] for one in outbox]
    return [one["payload"] for one in events if one["kind"] == kind]


async def order(shard: ShardUnderTest, refund_minor: int) -> dict[str, Any]:
    """The session's order once some of it was given back."""
    asked = RefundOrder(order_id="s1", amount_minor=refund_minor)
    return dict((await result(shard, asked))["order"])


async def test_a_guest_who_leaves_early_is_told_what_the_desk_owes(shard: ShardUnderTest) -> None:
    await result(shard, guest(PaymentMeans.CARD, 50_00))
    await shard.wait(minutes=9, seconds=30)
    ended = await result(shard, EndSession(session_id="s1"))
    back = {"card_minor": 30_00, "cash_minor": 0}
    assert ended["session"]["amount_minor"] == 20_00
    assert ended["session"]["handed_back"] == ended["receipt"]["handed_back"] == back
    assert await told(shard, "guest_paid_back") == [back | {"currency": "EUR"}]
    stored = await shard.store.session(CHAIN, "s1")
    assert stored is not None
    state = orjson.loads(stored.blob)["state"]
    assert (state["handed_back"], state["guest_card_minor"]) == (back, 20_00)


async def test_whoever_has_played_it_all_is_owed_nothing(shard: ShardUnderTest) -> None:
    await result(shard, guest(PaymentMeans.CASH, 4_00))
    await shard.wait(minutes=3)
    stored = await shard.store.session(CHAIN, "s1")
    assert stored is not None
    document = orjson.loads(stored.blob)
    assert document["state"]["status"] == "ENDED"
    assert document["receipt"]["handed_back"] is None
    assert await told(shard, "guest_paid_back") == []


async def test_a_booking_that_is_cancelled_says_what_goes_back(shard: ShardUnderTest) -> None:
    await result(shard, guest(PaymentMeans.CASH, 50_00, start=False))
    cancelled = await result(shard, CancelSession(session_id="s1"))
    assert cancelled["session"]["handed_back"] == {"card_minor": 0, "cash_minor": 50_00}


async def test_the_guests_order_says_what_it_was_paid_with(shard: ShardUnderTest) -> None:
    await result(shard, guest(PaymentMeans.CARD, 50_00))
    await shard.wait(minutes=9, seconds=30)
    await result(shard, EndSession(session_id="s1"))
    bill = await order(shard, 1_00)
    assert [(one["means"], one["amount_minor"]) for one in bill["payments"]] == [("card", 20_00)]


async def test_what_a_guest_forfeits_is_on_receipt_and_order(shard: ShardUnderTest) -> None:
    """0.36 were played of 3.60; the rest stays with the club, unless staff gives it back."""
    await result(shard, guest(PaymentMeans.CASH, 3_60, tariff_id="burnt"))
    await shard.wait(minutes=5, seconds=30)
    ended = await result(shard, EndSession(session_id="s1"))
    assert ended["session"]["amount_minor"] == ended["receipt"]["total_minor"] == 36
    assert ended["session"]["forfeited_minor"] == 3_24
    assert ended["session"]["handed_back"] is None
    (lost,) = ended["receipt"]["forfeits"]
    assert (lost["amount_minor"], lost["tariff_name"], lost["order_id"]) == (3_24, "An hour", None)
    assert lost["explanation"] == "An hour: 3.24 EUR not used and not given back"
    (over,) = await told(shard, "session_ended")
    assert (over["amount_minor"], over["forfeited_minor"]) == (36, 3_24)
    bill = await order(shard, 3_60)
    assert (bill["amount_minor"], bill["status"]) == (3_60, "REFUNDED")
    assert [(one["means"], one["amount_minor"]) for one in bill["payments"]] == [("cash", 3_60)]
    balances = await shard.store.all_balances(CHAIN)
    assert [minor for minor in balances.values() if minor] == []


async def test_what_a_player_forfeits_is_in_the_order(shard: ShardUnderTest) -> None:
    await result(shard, TopUpWallet(player_id="ann", amount_minor=2_00, bonus_minor=1_60))
    seat = guest(PaymentMeans.CASH, 0, tariff_id="burnt", player_id="ann", guest_label=None)
    await result(shard, seat)
    await shard.wait(minutes=5, seconds=30)
    ended = await result(shard, EndSession(session_id="s1"))
    assert ended["session"]["forfeited_minor"] == 3_24
    assert ended["receipt"]["forfeits"][0]["bonus_minor"] == 1_44
    bill = await order(shard, 1_00)
    assert bill["amount_minor"] == 3_60
    paid = {one["means"]: one["amount_minor"] for one in bill["payments"]}
    assert paid == {"balance": 2_00, "bonus": 1_60}


async def test_a_guest_who_became_a_player_keeps_the_change(shard: ShardUnderTest) -> None:
    await result(shard, guest(PaymentMeans.CARD, 50_00))
    await result(shard, ConvertGuest(session_id="s1", player_id="ann"))
    await shard.wait(minutes=4, seconds=30)
    ended = await result(shard, EndSession(session_id="s1"))
    assert ended["session"]["handed_back"] is None
    bill = await order(shard, 1_00)
    assert [one["means"] for one in bill["payments"]] == ["balance"]


async def test_an_outage_given_back_after_the_end_is_told_and_added() -> None:
    shard = await opened(MemoryStore(), "PROPOSE")
    pc = await play(
        shard, player_id=None, guest_label="Guest", paid_minor=100_00, means=PaymentMeans.CARD
    )
    await pass_time(shard, 600, pc)
    pc.stop(UsageEnd.FROZEN)
    await pass_time(shard, 300, None)
    pc.serve()
    await pass_time(shard, 120, pc)
    ended = await result(shard, EndSession(session_id="s1"))
    first_minor = ended["session"]["handed_back"]["card_minor"]
    decided = await result(shard, ResolveOutage(session_id="s1", number=0, approve=True))
    assert decided["outage"]["handed_back"] == {"card_minor": 10_00, "cash_minor": 0}
    backs = [one["card_minor"] for one in await told(shard, "guest_paid_back")]
    assert backs == [first_minor, 10_00]
    stored = await shard.store.session(CHAIN, "s1")
    assert stored is not None
    receipt = orjson.loads(stored.blob)["receipt"]
    assert receipt["handed_back"] == {"card_minor": sum(backs), "cash_minor": 0}


async def test_a_booking_with_a_block_behind_it_is_cancelled_without_a_loss(
    shard: ShardUnderTest,
) -> None:
    """The guest has no account on which to keep it, and nothing of it was begun."""
    ahead = {"start": False, "tariff_id": "block"}
    await result(shard, guest(PaymentMeans.CARD, 200_00, **ahead))
    more = ExtendSession(session_id="s1", tariff_id="burnt", paid_minor=3_60)
    await result(shard, more)
    cancelled = await result(shard, CancelSession(session_id="s1"))
    assert cancelled["session"]["forfeited_minor"] == 0
    assert cancelled["session"]["handed_back"] == {"card_minor": 200_00, "cash_minor": 3_60}


async def test_what_an_older_release_left_in_a_guests_wallet_is_no_part_of_a_refund(
    shard: ShardUnderTest,
) -> None:
    """5.00 that lie there; 1.00 is given back, and the order says 1.00."""
    await result(shard, guest(PaymentMeans.CASH, 20_00))
    await shard.wait(minutes=10)
    account = "EUR:wallet:guest-s1:cash"
    chain = shard.store._server.chain(CHAIN)
    assert chain.balances.get(account, 0) == 0
    chain.balances[account] = 5_00
    await shard.take()
    (back,) = (await order(shard, 1_00))["refunds"]
    assert (back["cash_minor"], back["paid_out_minor"], back["paid_out_by"]) == (1_00, 1_00, "cash")
    assert (await shard.store.all_balances(CHAIN))[account] == 5_00


async def stored_state(shard: ShardUnderTest) -> SessionState:
    stored = await shard.store.session(CHAIN, "s1")
    assert stored is not None
    document = orjson.loads(stored.blob)
    return session_from_dict(document.get("state", document))


@pytest.mark.parametrize("tariff_id", ["standard", "block"])
@pytest.mark.parametrize("first", list(PaymentMeans))
@pytest.mark.parametrize("first_minor", [210_00, 203_60])
async def test_the_bill_so_far_names_the_means_that_the_last_one_names(
    shard: ShardUnderTest, tariff_id: str, first: PaymentMeans, first_minor: int
) -> None:
    """Whatever is left goes to the card first, so cash was the first to be used."""
    (second,) = set(PaymentMeans) - {first}
    await result(shard, guest(first, first_minor, tariff_id=tariff_id))
    more = ExtendSession(session_id="s1", tariff_id="block", paid_minor=205_00, means=second)
    await result(shard, more)
    await shard.wait(minutes=9, seconds=30)
    so_far = session_order(await stored_state(shard))
    await result(shard, EndSession(session_id="s1"))
    last = session_order(await stored_state(shard))
    said = [{one.means: one.amount_minor for one in each.payments} for each in (so_far, last)]
    assert said[0] == said[1] != {}
