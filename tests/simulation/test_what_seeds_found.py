"""Defects that seeds have found, each in its smallest form."""

import asyncio

import pytest
from clubs_under_test import CHAIN, seed
from reference_day import seated
from shard_under_test import MINUTE_MS, START_AT_MS, ShardUnderTest

from actors.host import LEASES_EVERY_S
from actors.pc import PcState, Wish, retargeted
from actors.placement import shard_of_club
from actors.store_memory import MemoryStore
from actors.store_memory_server import MemoryServer
from controller.simulation.simulation import in_virtual_time
from controller.simulation.town import CLUBS
from controller.simulation.world import World
from controller.verify.report import verify_chain
from schemas.commands import (
    CreateOrder,
    CreateSession,
    EndSession,
    ExtendSession,
    OrderMeans,
    OrderPayment,
    SwitchSessionDevice,
    TopUpWallet,
)


def playing(allowed_minutes: int, ends_at_ms: int) -> Wish:
    return Wish(
        session_id="s1",
        ends_at_ms=ends_at_ms,
        allowed_ms=allowed_minutes * MINUTE_MS,
        refreshes=True,
    )


async def test_a_session_whose_due_instant_moved_later_goes_on_being_billed() -> None:
    store = MemoryStore()
    await seed(store)
    shard = await ShardUnderTest(store).take()
    await shard.command(TopUpWallet(player_id="ann", amount_minor=100_00))
    await shard.command(
        CreateSession(
            session_id="s1",
            pc_id="north-main-0",
            tariff_id="standard",
            player_id="ann",
            start=True,
        )
    )
    await shard.wait(minutes=7)
    await shard.command(SwitchSessionDevice(session_id="s1", pc_id="north-vip-0"))
    billed_before = len(shard.ticks)
    await shard.wait(minutes=3)
    steps = sum(tick.steps for tick in shard.ticks[billed_before:])
    assert steps in (2, 3), "a step a minute, the first with the change of seat"


async def test_epochs_never_fall_below_the_clock_of_a_store_that_went_back_in_time() -> None:
    now_ms = 5_000
    server = MemoryServer(now_ms=lambda: now_ms)
    shard = shard_of_club(CHAIN, "north")
    first = await MemoryStore(server).acquire(shard, host="h0", nonce="a")
    second = await MemoryStore(server).acquire(shard, host="h1", nonce="b")
    now_ms = 9_000
    restored = MemoryServer(now_ms=lambda: now_ms)
    after = await MemoryStore(restored).acquire(shard, host="h0", nonce="c")
    assert first.epoch < second.epoch < after.epoch


@pytest.mark.parametrize("allowed_minutes", [60, 30, 10])
def test_a_lease_is_renewed_at_the_instant_it_asks_to_be_looked_at(allowed_minutes: int) -> None:
    start_ms = START_AT_MS
    ends_at_ms = start_ms + 600 * MINUTE_MS
    first = retargeted(PcState("pc1", "north"), playing(60, ends_at_ms), start_ms)
    look_at_ms = first.refresh_at_ms
    assert look_at_ms is not None
    renewed = retargeted(first, playing(allowed_minutes, ends_at_ms), look_at_ms)
    assert renewed.refresh_at_ms is not None
    assert renewed.refresh_at_ms > look_at_ms


async def play_and_top_up_in_one_turn(shard: ShardUnderTest) -> None:
    """The top-up is settled before the session that the same batch opens."""
    creation = seated("s1", "north-main-0", player_id="bob", mode="OPEN_ENDED")
    top_up = TopUpWallet(player_id="bob", amount_minor=1_00)
    await shard.turn(*[shard.asked(command) for command in (top_up, creation)])


async def test_a_player_forgotten_in_the_turn_that_seats_him_is_read_again() -> None:
    store = MemoryStore()
    await seed(store)
    shard = await ShardUnderTest(store).take()
    await play_and_top_up_in_one_turn(shard)
    # What touches his PC is refused as stale until his document is read: once, not for ever.
    await shard.command(SwitchSessionDevice(session_id="s1", pc_id="north-vip-0"))
    await shard.wait(minutes=2)
    assert shard.runtime.memory.holders["bob"].document is not None


async def test_what_a_booked_session_begins_with_cannot_be_appended_to_it_too() -> None:
    store = MemoryStore()
    await seed(store)
    shard = await ShardUnderTest(store).take()
    paid = OrderPayment(means=OrderMeans.CASH, amount_minor=200_00)
    bought = await shard.command(
        CreateOrder(order_id="o1", player_id="ann", tariff_ids=("block",), payments=(paid,))
    )
    assert bought.code is None, bought.message
    pack = {"tariff_id": "block", "player_tariff_id": "o1-0"}
    later_ms = START_AT_MS + 30 * MINUTE_MS
    booking = seated("s1", "north-main-0", start=False, planned_start_at_ms=later_ms, **pack)
    assert (await shard.command(booking)).code is None
    twice = await shard.command(ExtendSession(session_id="s1", **pack))
    assert twice.code == "player-tariff-in-use"


async def test_a_session_that_was_ended_at_the_instant_it_began_is_in_order() -> None:
    store = MemoryStore()
    await seed(store)
    shard = await ShardUnderTest(store).take()
    await shard.command(TopUpWallet(player_id="ann", amount_minor=100_00))
    await shard.command(seated("s1", "north-main-0"))
    await shard.command(EndSession(session_id="s1"))
    assert (await verify_chain(store, CHAIN, None)).rows == ()


def test_a_host_notices_that_the_store_no_longer_knows_it_as_the_owner() -> None:
    in_virtual_time(forgets_its_owners)


async def forgets_its_owners() -> None:
    world = World(seed=1, chain_id="quiet", hosts=1, speed=1.0)
    await asyncio.sleep(5)
    before = {club_id: world.owner_of(club_id) for club_id in CLUBS}
    for lease in world.server.chain("quiet").leases.values():
        lease.nonce = lease.host = None
    assert {world.owner_of(club_id) for club_id in CLUBS} == {None}
    await asyncio.sleep(LEASES_EVERY_S + 5)
    assert {club_id: world.owner_of(club_id) for club_id in CLUBS} == before
    await world.close()
