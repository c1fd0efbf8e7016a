"""A day on which time is bought before and paid for after: packs, a bill, both given back."""

import orjson
from clubs_under_test import CHAIN, seed
from day_under_test import told
from shard_under_test import ShardUnderTest

from actors.store import Store
from billing_core.tariff import PriceRule, RefundPolicy, Tariff, TariffType
from schemas.commands import (
    CreateOrder,
    CreateSession,
    EndSession,
    PayOrder,
    RefundOrder,
    TopUpWallet,
)

TEN_HOURS = Tariff(
    id="hours",
    version=1,
    name="Ten hours",
    currency="EUR",
    type=TariffType.HOURS,
    prices=(PriceRule("any"),),
    price_minor=100_00,
    hours=10,
    refund=RefundPolicy.CASH,
)


async def played_prepaid_day(store: Store) -> ShardUnderTest:
    """Ann has a pack and a bill she has paid a part of, Bob was given back some of what he played
    and plays again, Cleo plays what she bought."""
    await seed(store, players=("ann", "bob", "cleo"))
    await store.put(CHAIN, {"tariff:hours:1": orjson.dumps(TEN_HOURS)})
    shard = await ShardUnderTest(store).take()  # type: ignore[arg-type]
    await shard.beat()
    for player_id in ("ann", "bob", "cleo"):
        await told(shard, TopUpWallet(player_id=player_id, amount_minor=500_00))
    for order_id, player_id in (("o1", "ann"), ("o2", "cleo")):
        await told(shard, ordered(order_id, player_id))
    await told(shard, _begun("p1", "north-main-0", "ann", mode="OPEN_ENDED"))
    await told(shard, _begun("p0", "north-main-1", "bob"))
    await shard.wait(minutes=5)
    for session_id in ("p0", "p1"):
        await told(shard, EndSession(session_id=session_id))
    await told(shard, _begun("s2", "north-main-0", "bob"))
    pack_id = {"tariff_id": "hours", "player_tariff_id": "o2-0"}
    await told(shard, _begun("s3", "north-main-1", "cleo", **pack_id))
    await shard.wait(minutes=5)
    paid = [{"means": "cash", "amount_minor": 4_00}]
    await told(shard, PayOrder.model_validate({"order_id": "p1", "payments": paid}))
    for order_id, amount_minor in (("p0", 2_00), ("p1", 1_00), ("o1", 20_00)):
        wish = {"order_id": order_id, "amount_minor": amount_minor}
        await told(shard, RefundOrder.model_validate(wish))
    return shard


def ordered(order_id: str, player_id: str) -> CreateOrder:
    """Ten hours, paid at the desk."""
    return CreateOrder.model_validate(
        {
            "order_id": order_id,
            "player_id": player_id,
            "tariff_ids": ["hours"],
            "payments": [{"means": "cash", "amount_minor": 100_00}],
        }
    )


def _begun(session_id: str, pc_id: str, player_id: str, **terms: str) -> CreateSession:
    return CreateSession.model_validate(
        {
            "session_id": session_id,
            "pc_id": pc_id,
            "player_id": player_id,
            "tariff_id": "standard",
            "start": True,
            "planned_start_at_ms": None,
            **terms,
        }
    )
