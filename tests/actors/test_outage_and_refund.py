"""What was given back by hand and an outage together never exceed the session's own bill."""

import orjson
import pytest
from clubs_under_test import CHAIN, wallet_of
from outages_under_test import Pc, books_agree, opened, pass_time, play, session
from shard_under_test import ShardUnderTest
from test_own_bills import HOUR, ordered

from actors.store_memory import MemoryStore
from billing_core.outage import OutageStatus
from schemas.commands import (
    Command,
    ConvertGuest,
    EndSession,
    ExtendSession,
    RefundOrder,
    ReplyStatus,
    ResolveOutage,
    TopUpWallet,
)
from schemas.device import UsageEnd

APPROVE = ResolveOutage(session_id="s1", number=0, approve=True)


async def code(shard: ShardUnderTest, command: Command) -> str | None:
    return (await shard.command(command)).code


async def frozen(shard: ShardUnderTest, pc: Pc) -> None:
    """Twelve minutes that the PC did not serve."""
    pc.stop(UsageEnd.FROZEN)
    await pass_time(shard, 12 * 60, None)
    pc.serve()
    await pass_time(shard, 60, pc)


@pytest.mark.parametrize("in_the_pack", [True, False])
async def test_the_own_bill_is_the_limit_and_not_what_a_pack_paid_for(*, in_the_pack: bool) -> None:
    """An hour of a pack (100.00), then the wallet's minutes, which all went back by hand."""
    store = MemoryStore()
    shard = await opened(store, "PROPOSE")
    await store.put(CHAIN, {"tariff:hour:1": orjson.dumps(HOUR)})
    await shard.take("h2")
    await shard.beat()
    await shard.command(TopUpWallet(player_id="ann", amount_minor=500_00))
    assert await code(shard, ordered("o1")) is None
    pc = await play(shard, tariff_id=None, player_tariff_id="o1-0")
    assert await code(shard, ExtendSession(session_id="s1", tariff_id="standard")) is None
    if in_the_pack:
        await frozen(shard, pc)
    await pass_time(shard, 62 * 60, pc)
    if not in_the_pack:
        await frozen(shard, pc)
    await pass_time(shard, 20 * 60, pc)
    assert await code(shard, EndSession(session_id="s1")) is None
    state = await session(store)
    own_minor = sum(segment.amount_minor for segment in state.own_segments)
    assert 24_00 < own_minor < state.amount_minor == own_minor + 100_00
    assert state.outages[0].status is OutageStatus.PROPOSED
    assert await code(shard, RefundOrder(order_id="s1", amount_minor=own_minor)) is None
    before = await wallet_of(store, "ann")
    if in_the_pack:
        assert await code(shard, APPROVE) is None
        assert (await session(store)).outages[0].amount_minor == 20_00
    else:
        assert await code(shard, APPROVE) == "refund-too-large"
        assert await wallet_of(store, "ann") == before
    await books_agree(store)


@pytest.mark.parametrize(("left_minor", "expected"), [(24_00, None), (23_99, "refund-too-large")])
async def test_a_guest_who_became_a_player_has_one_bill(
    left_minor: int, expected: str | None
) -> None:
    store = MemoryStore()
    shard = await opened(store, "PROPOSE")
    pc = await play(shard, player_id=None, guest_label="Guest", paid_minor=200_00)
    await frozen(shard, pc)
    assert await code(shard, ConvertGuest(session_id="s1", player_id="ann")) is None
    await pass_time(shard, 10 * 60, pc)
    reply = await shard.command(EndSession(session_id="s1"))
    assert reply.status is ReplyStatus.OK, reply
    cost_minor = (await session(store)).amount_minor
    by_hand = RefundOrder(order_id="s1", amount_minor=cost_minor - left_minor)
    assert await code(shard, by_hand) is None
    assert await code(shard, APPROVE) == expected
    await books_agree(store)
