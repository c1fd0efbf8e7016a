"""A refusal is as durable as what it was decided on: nothing the store has yet to take."""

from clubs_under_test import CHAIN, seed
from shard_under_test import MINUTE_MS, ShardUnderTest

from actors.learning import learn_for
from actors.store_memory import MemoryStore
from actors.turn import Answer, CommandInput
from schemas.commands import (
    Command,
    CommandEnvelope,
    CreateSession,
    EndSession,
    ReplyStatus,
    TopUpWallet,
)

PARALLEL = {"allows_parallel_sessions": True}


def asked(shard: ShardUnderTest, ticket: int, command: Command) -> CommandInput:
    envelope = CommandEnvelope(
        chain_id=CHAIN,
        club_id=shard.club_id,
        idempotency_key=f"k-{ticket}",
        fingerprint="f",
        principal="test",
        command=command,
    )
    return CommandInput(ticket, envelope, shard.now.mono_ms)


async def two_shards_of_one_wallet() -> tuple[ShardUnderTest, ShardUnderTest]:
    """Ann plays in the north for 4.00, which last two minutes; the south can fill her wallet."""
    store = MemoryStore()
    await seed(store, club_terms=PARALLEL)
    north = await ShardUnderTest(store).take()
    south = await ShardUnderTest(store, "south", clock=north.clock).take()
    await north.command(TopUpWallet(player_id="ann", amount_minor=4_00))
    assert (await north.command(playing("s1"))).status is ReplyStatus.OK
    return north, south


def playing(session_id: str) -> CreateSession:
    return CreateSession(
        session_id=session_id,
        pc_id="north-main-0",
        player_id="ann",
        tariff_id="standard",
        start=True,
    )


async def test_who_hears_that_a_session_is_over_finds_its_pc_free() -> None:
    """The wallet has moved elsewhere, so that what time has done has to be decided twice."""
    north, south = await two_shards_of_one_wallet()
    await south.command(TopUpWallet(player_id="ann", amount_minor=50_00))
    north.clock.advance(3 * MINUTE_MS)

    await learn_for(north.runtime, north.store, ())
    richer = asked(north, 901, TopUpWallet(player_id="ann", amount_minor=1_00))
    end = asked(north, 902, EndSession(session_id="s1"))
    turn = north.runtime.turn([richer, end], north.now)
    result = await north.store.commit(north.runtime.ownership, north.seq + 1, turn.units)
    north.seq += 1
    settled = north.runtime.settle(turn.drafts, result.outcomes, north.now)
    answers = [effect for effect in settled.effects if isinstance(effect, Answer)]

    assert answers == [], "the end was not durable yet"
    await north.turn(*settled.retries)
    assert north.replies[902].code == "session-finished"
    assert (await north.command(playing("s2"))).status is ReplyStatus.OK


async def test_a_refusal_falls_with_what_it_was_decided_on() -> None:
    """A start that the store takes back did not make the PC busy for anybody."""
    north, south = await two_shards_of_one_wallet()
    booked = playing("s0").model_copy(
        update={"start": False, "planned_start_at_ms": north.now.wall_ms + 60 * MINUTE_MS}
    )
    await north.command(EndSession(session_id="s1"))
    assert (await north.command(booked)).status is ReplyStatus.OK
    await south.command(playing_in_the_south())
    south.clock.advance(90_000)
    await south.turn()
    await north.turn(
        asked(north, 901, playing("s2")),
        asked(north, 902, guest_on("north-main-0")),
    )
    assert north.replies[901].code == "insufficient-funds"
    assert north.replies[902].status is ReplyStatus.OK


def playing_in_the_south() -> CreateSession:
    return playing("s9").model_copy(update={"pc_id": "south-main-0"})


def guest_on(pc_id: str) -> CreateSession:
    return CreateSession(
        session_id="s3",
        pc_id=pc_id,
        guest_label="Max",
        tariff_id="standard",
        paid_minor=10_00,
        start=True,
    )


async def test_refusals_of_one_turn_are_all_answered() -> None:
    store = MemoryStore()
    await seed(store)
    shard = await ShardUnderTest(store).take()
    ends = [asked(shard, 900 + n, EndSession(session_id=f"s{n}")) for n in range(5)]
    await shard.turn(
        asked(shard, 899, TopUpWallet(player_id="ann", amount_minor=1_00)),
        *ends,
    )
    codes = {shard.replies[one.ticket].code for one in ends}
    assert codes == {"session-finished"}
