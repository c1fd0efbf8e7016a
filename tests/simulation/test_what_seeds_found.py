"""Defects that seeds have found, each in its smallest form."""

import pytest
from clubs_under_test import CHAIN, seed
from shard_under_test import MINUTE_MS, START_AT_MS, ShardUnderTest

from actors.pc import PcState, Wish, retargeted
from actors.placement import shard_of_club
from actors.store_memory import MemoryStore
from actors.store_memory_server import MemoryServer
from schemas.commands import CreateSession, SwitchSessionDevice, TopUpWallet


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
