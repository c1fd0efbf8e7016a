"""PCs taken out of use, and guests who become players."""

import pytest
from clubs_under_test import CHAIN, wallet_of
from shard_under_test import MINUTE_MS, START_AT_MS, ShardUnderTest, opened_club

from schemas.commands import (
    Command,
    CommandReply,
    ConvertGuest,
    CreateSession,
    EndSession,
    HoldPc,
    ReleasePc,
    StartSession,
    SwitchSessionDevice,
)
from schemas.device import LockReason, PcMode
from schemas.views import HallTile

PC = "north-main-0"
HOLD = HoldPc(pc_id=PC, reason="new graphics card")


@pytest.fixture
async def shard() -> ShardUnderTest:
    return await opened_club(ann_minor=100_00)


def session(session_id: str = "s1", **changes: object) -> CreateSession:
    fields: dict[str, object] = {
        "session_id": session_id,
        "pc_id": PC,
        "tariff_id": "standard",
        "player_id": "ann",
        "start": True,
    }
    return CreateSession.model_validate(fields | changes)


def guest(session_id: str = "s1", **changes: object) -> CreateSession:
    fields: dict[str, object] = {"player_id": None, "guest_label": "Max", "paid_minor": 10_00}
    return session(session_id, **(fields | changes))


def code(reply: CommandReply) -> str:
    return reply.code or reply.status.value


async def ok(shard: ShardUnderTest, *commands: Command) -> CommandReply:
    for command in commands:
        reply = await shard.command(command)
        assert code(reply) == "ok", reply
    return reply


async def tile(shard: ShardUnderTest, pc_id: str = PC) -> HallTile:
    _, tiles = await shard.store.hall(CHAIN, shard.club_id)
    return HallTile.model_validate_json(tiles[pc_id])


async def test_a_held_pc_says_so_and_why(shard: ShardUnderTest) -> None:
    reply = await ok(shard, HOLD)
    shown = await tile(shard)
    assert (shown.use, shown.hold_reason, shown.hold_until_ms) == (
        "HOLD",
        "new graphics card",
        None,
    )
    assert reply.result["tile"] == shown.model_dump(mode="json")
    assert shard.documents[PC].reason is LockReason.HELD


async def test_a_hold_ends_by_itself_on_time(shard: ShardUnderTest) -> None:
    await ok(shard, HOLD.model_copy(update={"until_ms": START_AT_MS + 5 * MINUTE_MS}))
    await shard.wait(minutes=4, seconds=50)
    assert (await tile(shard)).use == "HOLD"
    shard.clock.advance(10_000)
    await shard.turn()
    shown = await tile(shard)
    assert (shown.use, shown.hold_reason) == ("FREE", None)
    await ok(shard, session())


async def test_a_hold_survives_a_change_of_owner_and_is_released_by_hand(
    shard: ShardUnderTest,
) -> None:
    await ok(shard, HOLD)
    successor = await ShardUnderTest(shard.store, clock=shard.clock).take("h1")
    assert code(await successor.command(session(), key="too early")) == "pc-on-hold"
    assert code(await successor.command(ReleasePc(pc_id=PC), key="release")) == "ok"
    assert code(await successor.command(session(), key="now")) == "ok"


REFUSED: list[tuple[list[Command], Command, str]] = [
    ([HOLD], session(), "pc-on-hold"),
    ([session(start=False, pc_id="north-main-1"), HOLD], ReleasePc(pc_id="x"), "pc-not-found"),
    (
        [session(pc_id="north-main-1"), HOLD],
        SwitchSessionDevice(session_id="s1", pc_id=PC),
        "pc-on-hold",
    ),
    (
        [session(start=False, planned_start_at_ms=START_AT_MS + 60 * MINUTE_MS), HOLD],
        StartSession(session_id="s1"),
        "pc-on-hold",
    ),
    ([session()], HOLD, "pc-busy"),
    ([session(start=False)], HOLD, "pc-reserved"),
    ([], HOLD.model_copy(update={"until_ms": START_AT_MS}), "hold-time-invalid"),
    ([], HOLD.model_copy(update={"pc_id": "x"}), "pc-not-found"),
    ([], ReleasePc(pc_id=PC), "pc-not-on-hold"),
    ([session()], ConvertGuest(session_id="s1", player_id="ann"), "already-a-player"),
    ([guest()], ConvertGuest(session_id="s1", player_id="nobody"), "player-not-found"),
    (
        [session(), guest("s2", pc_id="north-main-1")],
        ConvertGuest(session_id="s2", player_id="ann"),
        "player-already-playing",
    ),
    (
        [guest(), EndSession(session_id="s1")],
        ConvertGuest(session_id="s1", player_id="ann"),
        "session-finished",
    ),
]


@pytest.mark.parametrize(("before", "refused", "expected"), REFUSED)
async def test_what_is_refused_changes_nothing(
    shard: ShardUnderTest, before: list[Command], refused: Command, expected: str
) -> None:
    if before:
        await ok(shard, *before)
    seen, money = await tile(shard), await shard.store.all_balances(CHAIN)
    assert code(await shard.command(refused)) == expected
    assert await tile(shard) == seen
    assert await shard.store.all_balances(CHAIN) == money


async def test_a_guest_who_registers_goes_on_from_the_players_wallet(
    shard: ShardUnderTest,
) -> None:
    await ok(shard, guest())
    await shard.wait(minutes=2, seconds=30)
    reply = await ok(shard, ConvertGuest(session_id="s1", player_id="ann"))
    converted = reply.result["session"]
    assert isinstance(converted, dict)
    assert (converted["player_id"], converted["guest_label"]) == ("ann", None)
    assert await wallet_of(shard.store, "guest-s1") == (0, 0)
    assert await wallet_of(shard.store, "ann") == (100_00 + 10_00 - 3 * 2_00, 0)
    assert (await tile(shard)).player_label == "Ann"
    assert (await tile(shard)).coverage_until_ms == START_AT_MS + 55 * MINUTE_MS
    await shard.wait(minutes=1)
    assert await wallet_of(shard.store, "ann") == (100_00 + 10_00 - 4 * 2_00, 0)
    assert code(await shard.command(session("s2", pc_id="north-main-1"))) == (
        "player-already-playing"
    )
    assert sum((await shard.store.all_balances(CHAIN)).values()) == 0


async def test_a_guests_block_becomes_the_players(shard: ShardUnderTest) -> None:
    await ok(shard, guest(tariff_id="block", paid_minor=250_00))
    await shard.wait(minutes=30)
    await ok(shard, ConvertGuest(session_id="s1", player_id="ann"))
    assert await wallet_of(shard.store, "ann") == (150_00, 0)
    await shard.wait(minutes=30)
    assert shard.documents[PC].mode is PcMode.UNLOCKED
    await ok(shard, EndSession(session_id="s1"))
    assert await wallet_of(shard.store, "ann") == (250_00, 0)
    assert await wallet_of(shard.store, "guest-s1") == (0, 0)
    await ok(shard, session("s2"))


async def test_a_booked_guest_can_register_before_playing(shard: ShardUnderTest) -> None:
    await ok(shard, guest(start=False), ConvertGuest(session_id="s1", player_id="ann"))
    assert await wallet_of(shard.store, "ann") == (110_00, 0)
    await ok(shard, StartSession(session_id="s1"))
    assert await wallet_of(shard.store, "ann") == (108_00, 0)
