"""A booking holds its PC: it shortens others, is trimmed to, comes due, lapses, and is moved."""

import pytest
from clubs_under_test import CHAIN, seed, wallet_of
from shard_under_test import MINUTE_MS, START_AT_MS, ShardUnderTest

from actors.store_memory import MemoryStore
from schemas.commands import (
    CancelSession,
    CommandReply,
    CreateSession,
    EndSession,
    ExtendSession,
    HoldPc,
    StartSession,
    SwitchSessionDevice,
    TopUpWallet,
)
from schemas.device import PcMode
from schemas.views import HallTile

PC = "north-main-0"
HOUR_MS = 60 * MINUTE_MS


async def club(**terms: object) -> ShardUnderTest:
    store = MemoryStore()
    await seed(store, club_terms=terms)
    rig = await ShardUnderTest(store).take()
    await rig.beat()
    for player in ("ann", "bob"):
        await rig.command(TopUpWallet(player_id=player, amount_minor=1_000_00))
    return rig


@pytest.fixture
async def shard() -> ShardUnderTest:
    return await club()


def played(session_id: str = "now", **changes: object) -> CreateSession:
    fields: dict[str, object] = {
        "session_id": session_id,
        "pc_id": PC,
        "tariff_id": "standard",
        "player_id": "ann",
        "start": True,
    }
    return CreateSession.model_validate(fields | changes)


def booked(at_minutes: int = 60, session_id: str = "later", **changes: object) -> CreateSession:
    fields: dict[str, object] = {
        "player_id": "bob",
        "start": False,
        "planned_start_at_ms": START_AT_MS + at_minutes * MINUTE_MS,
    }
    return played(session_id, **(fields | changes))


def code(reply: CommandReply) -> str:
    return reply.code or reply.status.value


async def ok(shard: ShardUnderTest, *commands: object) -> None:
    for command in commands:
        reply = await shard.command(command)  # type: ignore[arg-type]
        assert code(reply) == "ok", reply


async def tile(shard: ShardUnderTest, pc_id: str = PC) -> HallTile:
    _, tiles = await shard.store.hall(CHAIN, shard.club_id)
    return HallTile.model_validate_json(tiles[pc_id])


async def coverage(shard: ShardUnderTest) -> tuple[int | None, str | None]:
    shown = await tile(shard)
    until_ms = shown.coverage_until_ms
    return None if until_ms is None else (until_ms - START_AT_MS) // MINUTE_MS, shown.coverage_cause


async def test_a_booking_shortens_the_session_that_runs_there_in_the_same_commit(
    shard: ShardUnderTest,
) -> None:
    await ok(shard, played())
    assert await coverage(shard) == (500, "BALANCE")
    commits = len(shard.units)
    await ok(shard, booked(60))
    assert await coverage(shard) == (60, "BOOKING")
    assert len(shard.units) == commits + 1
    assert shard.documents[PC].ends_at_ms == START_AT_MS + HOUR_MS
    lease = shard.documents[PC].lease
    assert lease is not None
    assert lease.hard_stop_at_ms <= START_AT_MS + HOUR_MS


async def test_a_cancelled_booking_gives_the_time_back_at_once(shard: ShardUnderTest) -> None:
    await ok(shard, played(), booked(60), CancelSession(session_id="later"))
    assert await coverage(shard) == (500, "BALANCE")


async def test_a_booking_moved_away_gives_the_time_back_and_takes_it_there(
    shard: ShardUnderTest,
) -> None:
    await ok(shard, played(), booked(60))
    await ok(shard, SwitchSessionDevice(session_id="later", pc_id="north-main-1"))
    assert await coverage(shard) == (500, "BALANCE")
    assert (await tile(shard, "north-main-1")).use == "WAIT"
    await ok(shard, SwitchSessionDevice(session_id="now", pc_id="north-main-1"))
    assert (await tile(shard, "north-main-1")).coverage_cause == "BOOKING"


async def test_the_running_session_makes_room_when_the_booking_comes_due(
    shard: ShardUnderTest,
) -> None:
    await ok(shard, played(), booked(60))
    await shard.wait(minutes=60)
    shown = await tile(shard)
    assert (shown.session_id, shown.session_status, shown.use) == ("later", "ACTIVE", "WAIT")
    assert shard.documents[PC].mode is PcMode.LOCKED
    assert await wallet_of(shard.store, "ann") == (1_000_00 - 60 * 2_00, 0)
    await ok(shard, StartSession(session_id="later"))
    assert shard.documents[PC].mode is PcMode.UNLOCKED


async def test_nobody_else_starts_where_a_booked_player_is_awaited(shard: ShardUnderTest) -> None:
    await ok(shard, booked(10))
    await shard.wait(minutes=11)
    assert code(await shard.command(played())) == "pc-reserved"


async def test_a_no_show_frees_the_pc_and_costs_nothing() -> None:
    shard = await club(no_show_minutes=15)
    await ok(shard, booked(10))
    await shard.wait(minutes=25)
    shown = await tile(shard)
    assert (shown.use, shown.session_id) == ("FREE", None)
    assert await wallet_of(shard.store, "bob") == (1_000_00, 0)
    await ok(shard, played())


async def test_an_extension_is_trimmed_to_the_booking(shard: ShardUnderTest) -> None:
    await ok(shard, played(tariff_id="block"), booked(180))
    assert await coverage(shard) == (120, "PACKAGE")
    await ok(shard, ExtendSession(session_id="now", tariff_id="block"))
    assert await coverage(shard) == (180, "BOOKING")
    assert await wallet_of(shard.store, "ann") == (1_000_00 - 200_00 - 100_00, 0)


async def test_an_extension_is_refused_within_the_last_minute(shard: ShardUnderTest) -> None:
    await ok(shard, played(), booked(60))
    reply = await shard.command(ExtendSession(session_id="now", tariff_id="block"))
    assert code(reply) == "booking-too-close"


async def test_a_session_is_not_worth_starting_within_the_last_minute(
    shard: ShardUnderTest,
) -> None:
    await ok(shard, booked(10))
    await shard.wait(minutes=9, seconds=10)
    assert code(await shard.command(played())) == "booking-too-close"


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (booked(60), booked(60, "other"), "pc-reserved"),
        (booked(60), booked(61, "other"), "ok"),
        (booked(61), booked(60, "other"), "ok"),
        (
            booked(60, planned_end_at_ms=START_AT_MS + 2 * HOUR_MS),
            booked(90, "other"),
            "pc-reserved",
        ),
        (
            booked(60, planned_end_at_ms=START_AT_MS + 2 * HOUR_MS),
            booked(120, "other"),
            "ok",
        ),
        (
            booked(90),
            booked(60, "other", planned_end_at_ms=START_AT_MS + 2 * HOUR_MS),
            "pc-reserved",
        ),
        (booked(60), booked(60, "other", pc_id="north-main-1"), "ok"),
        (booked(60), booked(91 * 24 * 60, "other"), "planned-time-invalid"),
        (booked(60), booked(-6, "other", pc_id="north-main-1"), "planned-time-invalid"),
        (booked(60), booked(-4, "other", pc_id="north-main-1"), "ok"),
        (HoldPc(pc_id=PC, reason="fan"), booked(60, "other"), "pc-on-hold"),
        (
            HoldPc(pc_id=PC, reason="fan", until_ms=START_AT_MS + 30 * MINUTE_MS),
            booked(60, "other"),
            "ok",
        ),
    ],
)
async def test_bookings_of_one_pc_do_not_overlap(
    shard: ShardUnderTest, first: CreateSession, second: CreateSession, expected: str
) -> None:
    await ok(shard, first)
    assert code(await shard.command(second)) == expected


async def test_no_session_takes_the_place_of_one_that_has_its_id(shard: ShardUnderTest) -> None:
    await ok(shard, played())
    other = played(pc_id="north-main-1", player_id="bob", start=False)
    assert code(await shard.command(other)) == "session-exists"
    assert (await tile(shard)).player_id == "ann"
    assert await coverage(shard) == (500, "BALANCE")


async def test_a_booked_player_who_comes_early_starts_early(shard: ShardUnderTest) -> None:
    await ok(shard, booked(60), booked(120, "third", player_id="ann"))
    await ok(shard, StartSession(session_id="later"))
    assert await coverage(shard) == (120, "BOOKING")


async def test_a_booking_survives_a_change_of_owner(shard: ShardUnderTest) -> None:
    await ok(shard, played(), booked(60))
    successor = ShardUnderTest(shard.store, clock=shard.clock)
    await successor.take("h1")
    assert await coverage(successor) == (60, "BOOKING")
    await successor.wait(minutes=61)
    assert (await tile(successor)).session_id == "later"


async def test_a_post_pay_session_makes_room_too(shard: ShardUnderTest) -> None:
    await ok(shard, played(mode="OPEN_ENDED"))
    assert await coverage(shard) == (None, "OPEN_ENDED")
    await ok(shard, booked(60))
    assert await coverage(shard) == (60, "BOOKING")
    await ok(shard, EndSession(session_id="now"))
    assert await wallet_of(shard.store, "ann") == (1_000_00, 0)
