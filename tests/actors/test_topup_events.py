"""Money put into a wallet is told of once, by the club whose desk took it."""

from typing import Any

import orjson
import pytest
from clubs_under_test import CHAIN, seed
from shard_under_test import ShardUnderTest

from actors.store import ChainStream
from actors.store_memory import MemoryStore
from controller.verify import verify
from schemas.commands import PaymentMeans, TopUpWallet
from schemas.events import EventMessage, published


@pytest.fixture
async def shard() -> ShardUnderTest:
    store = MemoryStore()
    await seed(store)
    return await ShardUnderTest(store).take()


async def told(shard: ShardUnderTest, club_id: str = "north") -> list[dict[str, Any]]:
    """What the club has told, as outsiders get it; each fits its schema."""
    entries = await shard.store.stream(CHAIN, ChainStream.OUTBOX, count=10_000)
    messages = [published(orjson.loads(entry.payload)) for entry in entries]
    for message in messages:
        EventMessage.model_validate(message)
    return [one for one in messages if one["source"] == f"club:{club_id}"]


def put_in(amount_minor: int, player_id: str = "ann", **fields: Any) -> TopUpWallet:
    return TopUpWallet(player_id=player_id, amount_minor=amount_minor, **fields)


async def test_it_says_what_was_put_in_and_what_the_wallet_holds(shard: ShardUnderTest) -> None:
    await shard.command(put_in(100_00))
    await shard.command(put_in(50_00, means=PaymentMeans.CARD, bonus_minor=5_00))
    first, second = await told(shard)
    assert (first["sequence"], second["sequence"]) == (1, 2)
    assert (first["type"], first["clubId"]) == ("wallet_topped_up", "north")
    assert second["data"] == {
        "playerId": "ann",
        "currency": "EUR",
        "means": "card",
        "amountMinor": 50_00,
        "bonusMinor": 5_00,
        "balanceMinor": 150_00,
        "balanceBonusMinor": 5_00,
    }
    assert (await verify(shard.store, None)).ok


async def test_a_request_that_comes_again_and_one_that_is_refused_tell_nothing(
    shard: ShardUnderTest,
) -> None:
    for _ in range(3):
        await shard.command(put_in(100_00), key="once")
    await shard.command(put_in(100_00, "nobody"))
    assert [one["data"]["balanceMinor"] for one in await told(shard)] == [100_00]


async def test_many_at_once_are_numbered_without_a_gap_whatever_of_them_is_decided_again(
    shard: ShardUnderTest,
) -> None:
    """Another club has moved one of the wallets meanwhile, so the store refuses what was decided
    on the old balance, and with it the numbers that came after."""
    south = await ShardUnderTest(shard.store, "south").take("h1")
    await shard.command(put_in(1_00))
    await south.command(put_in(7_00))
    asked = [
        shard.asked(put_in(amount, player), key=f"{player}-{amount}")
        for amount in (1_00, 2_00, 3_00)
        for player in ("ann", "bob")
    ]
    await shard.turn(*asked)
    while len(await told(shard)) < 1 + len(asked):
        await shard.turn()
    messages = await told(shard)
    assert [one["sequence"] for one in messages] == list(range(1, 8))
    last = {one["data"]["playerId"]: one["data"]["balanceMinor"] for one in messages}
    assert last == {"ann": 14_00, "bob": 6_00}
    assert [one["sequence"] for one in await told(shard, "south")] == [1]
    assert (await verify(shard.store, None)).ok
