"""How far below nothing a wallet goes: as far as its limit is when the charge is written."""

import pytest
from clubs_under_test import CHAIN, seed, wallet_of
from outages_under_test import books_agree
from shard_under_test import ShardUnderTest

from actors.news import PlayerInput
from actors.store import CatalogueEdit, EntityWrite, Scope
from actors.store_memory import MemoryStore
from controller.verify import verify
from schemas.catalogue import CreditLimit, PlayerDocument
from schemas.commands import (
    Command,
    CommandReply,
    CreateOrder,
    CreateSession,
    OrderMeans,
    OrderPayment,
    TopUpWallet,
)

KEY = "player:ann"


def plays(session_id: str = "s1", pc_id: str = "north-main-0") -> CreateSession:
    return CreateSession(
        session_id=session_id, pc_id=pc_id, player_id="ann", tariff_id="standard", start=True
    )


class Desk:
    """One club, Ann's wallet, and whoever says how far below nothing it may go."""

    def __init__(self, shard: ShardUnderTest) -> None:
        self.shard = shard

    async def limit(self, limit_minor: int, *, floor_minor: int | None = None) -> None:
        """Written as an edge writes it; the host has not heard of it yet."""
        store = self.shard.store
        found = (await store.documents(CHAIN, [KEY]))[KEY]
        before = PlayerDocument.model_validate_json(found.blob)
        floor = max(limit_minor, before.credit("EUR").floor_minor)
        limit = CreditLimit(
            currency="EUR",
            limit_minor=limit_minor,
            floor_minor=floor if floor_minor is None else floor_minor,
        )
        after = before.model_copy(update={"credit_limits": (limit,)})
        write = EntityWrite(KEY, found.version, after.stored(), Scope.CHAIN)
        await store.edit(CHAIN, CatalogueEdit(documents=(write,)))

    async def heard(self) -> None:
        await self.shard.turn(PlayerInput("ann"))

    async def ask(self, command: Command) -> CommandReply:
        return await self.shard.command(command)

    async def cash(self) -> int:
        return (await wallet_of(self.shard.store, "ann"))[0]


@pytest.fixture
async def desk() -> Desk:
    store = MemoryStore()
    await seed(store, club_terms={"allows_parallel_sessions": True})
    shard = await ShardUnderTest(store).take()
    await shard.beat()
    return Desk(shard)


async def test_an_empty_wallet_plays_down_to_its_limit_and_no_further(desk: Desk) -> None:
    assert (await desk.ask(plays())).code == "insufficient-funds"
    await desk.limit(20_00)
    await desk.heard()
    assert (await desk.ask(plays("s2"))).status.value == "ok"
    await desk.shard.wait(minutes=60)
    assert await desk.cash() == -20_00
    assert desk.shard.runtime.memory.sessions_of_holder("ann") == ()
    assert (await desk.ask(plays("s3"))).code == "insufficient-funds"
    await books_agree(desk.shard.store)


@pytest.mark.parametrize(("limit_minor", "charged_minor"), [(0, 10_00), (12_00, 12_00)])
async def test_a_lowered_limit_ends_what_it_no_longer_pays_for(
    desk: Desk, limit_minor: int, charged_minor: int
) -> None:
    """Minutes that have begun are paid: five of them when the limit is lowered."""
    await desk.limit(50_00)
    await desk.ask(plays())
    await desk.shard.wait(minutes=5)
    assert await desk.cash() == -10_00
    await desk.limit(limit_minor)
    await desk.heard()
    await desk.shard.wait(minutes=60)
    assert await desk.cash() == -charged_minor
    assert desk.shard.runtime.memory.sessions_of_holder("ann") == ()
    await books_agree(desk.shard.store)


async def test_a_raised_limit_lengthens_a_running_session(desk: Desk) -> None:
    await desk.limit(10_00)
    await desk.ask(plays())
    state = desk.shard.runtime.memory.entities["session:s1"].state
    await desk.limit(30_00)
    await desk.heard()
    after = desk.shard.runtime.memory.entities["session:s1"].state
    assert after.coverage.until_ms - state.coverage.until_ms == 10 * 60_000
    await books_agree(desk.shard.store)


async def test_a_host_that_has_not_heard_of_a_lowered_limit_charges_nothing_beyond_it(
    desk: Desk,
) -> None:
    """A charge is decided on the player's document, so an older one is refused with it."""
    await desk.limit(50_00)
    await desk.ask(plays())
    await desk.limit(4_00)
    await desk.shard.wait(minutes=30)
    assert await desk.cash() == -4_00
    await books_agree(desk.shard.store)


async def test_orders_are_paid_from_credit(desk: Desk) -> None:
    paid = (OrderPayment(means=OrderMeans.BALANCE, amount_minor=200_00),)
    order = {"player_id": "ann", "tariff_ids": ("block",), "payments": paid}
    await desk.limit(199_99)
    refused = await desk.ask(CreateOrder(order_id="o1", **order))
    assert refused.code == "insufficient-funds"
    await desk.limit(200_00)
    assert (await desk.ask(CreateOrder(order_id="o2", **order))).status.value == "ok"
    assert await desk.cash() == -200_00
    await books_agree(desk.shard.store)


async def test_a_wallet_that_is_topped_up_says_its_limit(desk: Desk) -> None:
    paid = TopUpWallet(player_id="ann", amount_minor=5_00)
    assert "credit_limit_minor" not in (await desk.ask(paid)).result["wallet"]
    await desk.limit(7_00)
    await desk.heard()
    assert (await desk.ask(paid)).result["wallet"]["credit_limit_minor"] == 7_00


@pytest.mark.parametrize(("floor_minor", "is_right"), [(10_00, True), (9_99, False), (0, False)])
async def test_the_check_of_the_books_knows_how_low_a_wallet_may_stand(
    desk: Desk, floor_minor: int, is_right: bool
) -> None:
    await desk.limit(10_00)
    await desk.ask(plays())
    await desk.shard.wait(minutes=30)
    await desk.limit(0, floor_minor=floor_minor)
    report = await verify(desk.shard.store, None)
    assert report.ok is is_right
    assert [row.check for row in report.rows] == ([] if is_right else ["wallet limit"])
