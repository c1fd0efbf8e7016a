"""What players book without the desk takes nothing from those who play, and has a bound."""

import orjson
import pytest
from clubs_under_test import CHAIN
from shard_under_test import MINUTE_MS, ShardUnderTest, opened_club

from actors.seating import SELF_BOOKING_NOTICE_MS, SELF_BOOKINGS_MAX
from actors.store import ChainStream
from billing_core.session import SessionState, SessionStatus
from schemas.commands import (
    CancelSession,
    Channel,
    CommandReply,
    CreateSession,
    PaymentMode,
    TopUpWallet,
)

PC, OTHER_PC = "north-main-0", "north-main-1"
NOTICE_MINUTES = SELF_BOOKING_NOTICE_MS // MINUTE_MS
BLOCK_MINUTES = 120
DESK, APP, KIOSK = Channel.CRM, Channel.APP, Channel.KIOSK


@pytest.fixture
async def shard() -> ShardUnderTest:
    return await opened_club(ann_minor=1_000_00)


async def plays(shard: ShardUnderTest, tariff_id: str, *, later_pays: bool = False) -> None:
    mode = PaymentMode.OPEN_ENDED if later_pays else PaymentMode.PREPAID
    asked = CreateSession(
        session_id="s", pc_id=PC, player_id="ann", tariff_id=tariff_id, mode=mode, start=True
    )
    assert code(await shard.command(asked)) == "ok"


async def books(
    shard: ShardUnderTest, channel: Channel, minutes: int, *, name: str = "b", pc_id: str = PC
) -> CommandReply:
    asked = CreateSession(
        session_id=name,
        pc_id=pc_id,
        player_id="bob",
        tariff_id="standard",
        planned_start_at_ms=shard.now.wall_ms + minutes * MINUTE_MS,
    )
    return await shard.command(asked, channel=channel)


def code(reply: CommandReply) -> str:
    return reply.code or reply.status.value


@pytest.mark.parametrize(
    ("tariff_id", "later_pays"),
    [
        pytest.param("standard", False, id="by the minute"),
        pytest.param("standard", True, id="post-pay"),
    ],
)
async def test_whoever_plays_by_the_minute_has_fair_notice(
    shard: ShardUnderTest, tariff_id: str, later_pays: bool
) -> None:
    await plays(shard, tariff_id, later_pays=later_pays)
    assert code(await books(shard, APP, NOTICE_MINUTES - 1)) == "pc-busy"
    assert code(await books(shard, APP, NOTICE_MINUTES)) == "ok"


@pytest.mark.parametrize(
    ("channel", "minutes", "answer"),
    [
        pytest.param(APP, 2, "pc-busy", id="within what is bought, by the app"),
        pytest.param(KIOSK, 119, "pc-busy", id="its last minute, at the kiosk"),
        pytest.param(APP, BLOCK_MINUTES, "ok", id="after what is bought"),
        pytest.param(DESK, 2, "ok", id="the desk may"),
    ],
)
async def test_a_seat_is_not_booked_from_under_who_has_bought_it(
    shard: ShardUnderTest, channel: Channel, minutes: int, answer: str
) -> None:
    await plays(shard, "block")
    assert code(await books(shard, channel, minutes)) == answer


async def test_time_that_is_bought_is_played_to_its_end_whatever_players_try(
    shard: ShardUnderTest,
) -> None:
    await plays(shard, "block")
    for minutes in (2, 30, 90):
        await books(shard, APP, minutes, name=f"b{minutes}")
    await shard.wait(minutes=BLOCK_MINUTES - 1)
    state = shard.runtime.memory.entities["session:s"].state
    assert isinstance(state, SessionState)
    assert state.status is SessionStatus.STARTED


async def test_a_player_holds_so_many_bookings_and_no_more(shard: ShardUnderTest) -> None:
    answers = [
        code(await books(shard, APP, 60 * (n + 1), name=f"b{n}", pc_id=OTHER_PC))
        for n in range(SELF_BOOKINGS_MAX + 1)
    ]
    assert answers == ["ok"] * SELF_BOOKINGS_MAX + ["too-many-bookings"]

    assert code(await books(shard, DESK, 600, name="desk", pc_id=OTHER_PC)) == "ok"
    for gone in ("b0", "desk"):
        await shard.command(CancelSession(session_id=gone))
    assert code(await books(shard, KIOSK, 700, name="again", pc_id=OTHER_PC)) == "ok"


async def test_bookings_that_come_together_are_counted_together(shard: ShardUnderTest) -> None:
    asked = [
        shard.asked(
            CreateSession(
                session_id=f"b{n}",
                pc_id=OTHER_PC,
                player_id="bob",
                tariff_id="standard",
                planned_start_at_ms=shard.now.wall_ms + 60 * (n + 1) * MINUTE_MS,
            ),
            channel=APP,
        )
        for n in range(SELF_BOOKINGS_MAX + 2)
    ]
    await shard.turn(*asked)
    answers = [code(shard.replies[one.ticket]) for one in asked]
    assert sorted(answers) == ["ok"] * SELF_BOOKINGS_MAX + ["too-many-bookings"] * 2


async def test_a_key_of_long_ago_names_something_new(shard: ShardUnderTest) -> None:
    """Keys are remembered for two days; what the same key causes later has an id of its own."""
    command = TopUpWallet(player_id="bob", amount_minor=10_00)
    await shard.command(command, key="k")
    shard.store._server.chain(CHAIN).answers.clear()
    await shard.wait(minutes=48 * 60)
    await shard.command(command, key="k")
    entries = await shard.store.stream(CHAIN, ChainStream.LEDGER)
    transactions = [orjson.loads(entry.payload) for entry in entries]
    ids = {one["id"] for one in transactions if one["kind"] == "top_up"}
    assert len(ids) == len([one for one in transactions if one["kind"] == "top_up"]) == 3


async def test_what_follows_a_key_is_not_taken_for_another_key(shard: ShardUnderTest) -> None:
    cause = shard.asked(TopUpWallet(player_id="bob", amount_minor=1), key="x")
    other = shard.asked(TopUpWallet(player_id="bob", amount_minor=1), key="x/0")
    at_ms = shard.now.wall_ms
    assert other.named(at_ms) != f"{cause.named(at_ms)}/0"
    assert "/" not in other.named(at_ms)
