"""A shard that is asked for too much: commands are refused in words, minutes are billed anyway."""

import asyncio

from clubs_under_test import seed
from shard_under_test import ShardUnderTest

from actors.inbox import COMMANDS_MAX, INPUTS_PER_TURN, LINKS_MAX, Inbox
from actors.presence import Signal
from actors.store_memory import MemoryStore
from actors.turn import LinkEvent, LinkInput, PcInput
from controller.simulation.simulation import in_virtual_time
from controller.simulation.world import World
from schemas.commands import (
    CommandEnvelope,
    CreateSession,
    ReplyStatus,
    TopUpWallet,
)

CROWD = COMMANDS_MAX + 500


async def playing(store: MemoryStore) -> ShardUnderTest:
    await seed(store)
    shard = await ShardUnderTest(store).take()
    await shard.command(TopUpWallet(player_id="ann", amount_minor=100_00))
    creation = CreateSession(
        session_id="s1",
        pc_id="north-main-0",
        tariff_id="standard",
        player_id="ann",
        start=True,
    )
    assert (await shard.command(creation)).status is ReplyStatus.OK
    return shard


async def test_whatever_is_due_is_billed_in_the_first_turn_of_a_full_inbox() -> None:
    shard = await playing(MemoryStore())
    inbox, asked = Inbox(), TopUpWallet(player_id="bob", amount_minor=1)
    taken = [inbox.put_command(shard.asked(asked)) for _ in range(CROWD)]
    assert taken.count(True) == COMMANDS_MAX
    shard.clock.advance(60_001)
    billed_before = len(shard.ticks)
    await shard.turn(*inbox.drain())
    assert len(shard.ticks) > billed_before
    assert len(inbox) == COMMANDS_MAX - INPUTS_PER_TURN


async def test_what_a_pc_repeats_is_one_word_and_leaves_room_for_commands() -> None:
    shard = await playing(MemoryStore())
    inbox = Inbox()
    pcs = [f"north-main-{number}" for number in range(INPUTS_PER_TURN)]
    for beat in range(50):
        for pc_id in pcs:
            inbox.put_pc(PcInput("north", pc_id, Signal.HEARD, beat))
    assert len(inbox) == len(pcs)
    for number in range(10):
        assert inbox.put_command(shard.asked(TopUpWallet(player_id="ann", amount_minor=number + 1)))
    drained = inbox.drain()
    assert sum(1 for one in drained if not isinstance(one, PcInput)) == 10


def test_news_of_the_broker_is_bounded_and_the_newest_stays() -> None:
    inbox = Inbox()
    for number in range(LINKS_MAX * 4):
        inbox.put_link(LinkInput(LinkEvent.LOST if number % 2 else LinkEvent.REGAINED))
    assert len(inbox) == LINKS_MAX
    assert inbox.drain()[-1] == LinkInput(LinkEvent.LOST)


def test_a_host_says_at_once_that_it_takes_no_more() -> None:
    in_virtual_time(crowded)


async def crowded() -> None:
    world = World(seed=0, chain_id="crowd", hosts=1, speed=1.0)
    await asyncio.sleep(5)
    machine = world.hosts["h0"]
    process, host = machine.process, machine.host
    assert process is not None
    assert host is not None
    envelopes = [top_up("crowd", number) for number in range(CROWD)]
    asked = [process.spawn(host.execute(envelope)) for envelope in envelopes]
    replies = await asyncio.gather(*asked)
    statuses = [reply.status for reply in replies]
    assert statuses.count(ReplyStatus.OVERLOADED) == CROWD - COMMANDS_MAX
    assert statuses.count(ReplyStatus.OK) == COMMANDS_MAX
    paid = world.witness.balances["EUR:wallet:ann:cash"]
    assert paid == COMMANDS_MAX, "what was refused was not done"
    again = await process.spawn(host.execute(envelopes[-1]))
    assert again.status is ReplyStatus.OK
    await world.close()


def top_up(chain_id: str, number: int) -> CommandEnvelope:
    return CommandEnvelope(
        chain_id=chain_id,
        club_id="north",
        idempotency_key=f"k{number}",
        fingerprint="f",
        principal="test",
        command=TopUpWallet(player_id="ann", amount_minor=1),
    )
