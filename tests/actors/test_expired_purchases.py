"""Bought time that expires unplayed is earned, whether its holder is ever seen again or not."""

import orjson
import pytest
from clubs_under_test import CHAIN, seed
from loop_under_test import running
from shard_under_test import ShardUnderTest

from actors.expiry import LOOK_EVERY_MS, holders_with_expired
from actors.store import CatalogueEdit, EntityWrite, Scope
from actors.store_memory import MemoryStore
from actors.turn import PlayerInput
from billing_core.tariff import ExpirationRules, PriceRule, RefundPolicy, Tariff, TariffType
from schemas.commands import Command, CreateOrder, CreateSession, OrderPayment, RefundOrder

DAY_MS = 24 * 3_600_000
HOURS = Tariff(
    id="hours",
    version=1,
    name="Ten hours",
    currency="EUR",
    type=TariffType.HOURS,
    hours=10,
    price_minor=100_00,
    prices=(PriceRule("any"),),
    refund=RefundPolicy.CASH,
    expiration=ExpirationRules(days_after_purchase=30),
)
DEFERRED, REVENUE = "EUR:deferred:north", "EUR:revenue:north"


def ordered(order_id: str, player_id: str = "ann") -> CreateOrder:
    payment = OrderPayment(means="cash", amount_minor=100_00)
    return CreateOrder(
        order_id=order_id, player_id=player_id, tariff_ids=("hours",), payments=(payment,)
    )


@pytest.fixture
async def store() -> MemoryStore:
    store = MemoryStore()
    await seed(store)
    await store.put(CHAIN, {"tariff:hours:1": orjson.dumps(HOURS)})
    return store


@pytest.fixture
async def shard(store: MemoryStore) -> ShardUnderTest:
    """Ann and Bob have ten hours each."""
    shard = await ShardUnderTest(store).take()
    await ok(shard, ordered("o1"))
    await ok(shard, ordered("o2", "bob"))
    return shard


async def ok(shard: ShardUnderTest, command: Command) -> None:
    reply = await shard.command(command)
    assert reply.code is None, reply


async def earned(store: MemoryStore) -> tuple[int, int]:
    """Deferred and earned."""
    balances = await store.all_balances(CHAIN)
    assert sum(balances.values()) == 0
    return balances.get(DEFERRED, 0), balances.get(REVENUE, 0)


async def waiting(shard: ShardUnderTest) -> list[str]:
    documents = await shard.store.documents_by_prefix(CHAIN, "bought:")
    clubs = shard.runtime.clubs
    return holders_with_expired(documents, clubs, now_ms=shard.clock.wall_ms())


async def test_what_has_expired_is_neither_played_nor_refunded(shard: ShardUnderTest) -> None:
    shard.clock.advance(30 * DAY_MS - 1)
    await ok(shard, RefundOrder(order_id="o2", amount_minor=40_00))
    shard.clock.advance(1)
    for refused in (
        RefundOrder(order_id="o1", payout="cash"),
        RefundOrder(order_id="o1", amount_minor=1),
        CreateSession(
            session_id="s1",
            pc_id="north-main-0",
            player_id="ann",
            player_tariff_id="o1-0",
            start=True,
        ),
    ):
        assert (await shard.command(refused)).code == "player-tariff-expired"


async def test_it_is_earned_when_its_holder_is_seen_again(shard: ShardUnderTest) -> None:
    shard.clock.advance(31 * DAY_MS)
    await ok(shard, ordered("o3"))
    assert await earned(shard.store) == (200_00, 100_00)
    await ok(shard, ordered("o4"))
    assert await earned(shard.store) == (300_00, 100_00)


async def test_of_those_who_never_come_it_is_found(shard: ShardUnderTest) -> None:
    assert await waiting(shard) == []
    shard.clock.advance(30 * DAY_MS)
    assert sorted(await waiting(shard)) == ["ann", "bob"]
    await shard.turn(PlayerInput("ann"), PlayerInput("bob"))
    assert await earned(shard.store) == (0, 200_00)
    assert await waiting(shard) == []


async def test_a_shard_looks_once_a_day(shard: ShardUnderTest) -> None:
    async with running(shard.store) as rig:
        await rig.rest()
        rig.clock.advance(30 * DAY_MS + LOOK_EVERY_MS)
        await rig.rest()
        await rig.rest()
    assert await earned(shard.store) == (0, 200_00)


async def test_a_document_nobody_can_read_hides_no_other(shard: ShardUnderTest) -> None:
    write = EntityWrite("bought:eve", 0, b'{"v":99,"clubs":["north"]}', Scope.CHAIN)
    await shard.store.edit(CHAIN, CatalogueEdit(documents=(write,)))
    shard.clock.advance(30 * DAY_MS)
    assert sorted(await waiting(shard)) == ["ann", "bob"]
