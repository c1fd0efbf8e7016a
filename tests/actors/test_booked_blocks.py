"""A booking of time that is bought in one piece holds its PC for all of that time, and says so."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from clubs_under_test import CHAIN, seed, wallet_of
from shard_under_test import MINUTE_MS, START_AT_MS, ShardUnderTest

from actors.store_memory import MemoryStore
from billing_core.tariff import PriceRule, Tariff, TariffType
from schemas.commands import (
    CommandReply,
    CreateOrder,
    CreateSession,
    ExtendSession,
    OrderPayment,
    StartSession,
    SwitchSessionDevice,
    TopUpWallet,
)

PC, OTHER_PC = "north-main-0", "north-main-1"
HOURS = Tariff(
    id="hours",
    version=1,
    name="Three hours",
    currency="EUR",
    type=TariffType.HOURS,
    hours=3,
    price_minor=30_00,
    prices=(PriceRule("any"),),
)
POOL = replace(HOURS, id="pool", name="Three hours for a month", type=TariffType.MULTIPASS)


async def club(**terms: object) -> ShardUnderTest:
    """Bob has 1000.00, three hours and a pool of three hours; the PC is free."""
    store = MemoryStore()
    await seed(store, club_terms=terms)
    await store.put(CHAIN, {f"tariff:{one.id}:1": orjson.dumps(one) for one in (HOURS, POOL)})
    shard = await ShardUnderTest(store).take()
    for player in ("ann", "bob"):
        await shard.command(TopUpWallet(player_id=player, amount_minor=1_000_00))
    await shard.command(
        CreateOrder(
            order_id="o1",
            player_id="bob",
            tariff_ids=("hours", "pool"),
            payments=(OrderPayment(means="cash", amount_minor=60_00),),
        )
    )
    return shard


@pytest.fixture
async def shard() -> ShardUnderTest:
    return await club()


def booked(at_minutes: int, tariff_id: str, **changes: object) -> CreateSession:
    fields: dict[str, object] = {
        "session_id": f"at-{at_minutes}",
        "pc_id": PC,
        "player_id": "bob",
        "tariff_id": tariff_id,
        "planned_start_at_ms": START_AT_MS + at_minutes * MINUTE_MS,
    }
    if tariff_id in ("hours", "pool"):
        fields["player_tariff_id"] = f"o1-{('hours', 'pool').index(tariff_id)}"
    return CreateSession.model_validate(fields | changes)


def until(minutes: int) -> dict[str, object]:
    return {"planned_end_at_ms": START_AT_MS + minutes * MINUTE_MS}


def code(reply: CommandReply) -> str:
    return reply.code or reply.status.value


def minutes_of(session: dict[str, Any]) -> tuple[int | None, int | None]:
    """Until when the booking, and its one segment, is said to last."""
    (segment,) = session["segments"]
    ends = (session["effective_end_at_ms"], segment["planned_end_at_ms"])
    first, second = (None if ms is None else (ms - START_AT_MS) // MINUTE_MS for ms in ends)
    return first, second


@pytest.mark.parametrize(
    ("asked", "ends"),
    [
        (booked(60, "block"), 180),
        (booked(60, "hours"), 240),
        (booked(60, "block", **until(90)), 90),
        (booked(60, "standard"), None),
        (booked(60, "pool"), None),
    ],
)
async def test_a_booking_says_until_when_it_holds_the_pc(
    shard: ShardUnderTest, asked: CreateSession, ends: int | None
) -> None:
    reply = await shard.command(asked)
    assert minutes_of(reply.result["session"]) == (ends, ends)
    free_at = ends or 61
    others = {"session_id": "other", "player_id": "ann"}
    between = await shard.command(booked(free_at - 1, "standard", **others))
    after = await shard.command(booked(free_at, "standard", **others))
    assert (code(between), code(after)) == ("pc-reserved", "ok")


@pytest.mark.parametrize("tariff_id", ["block", "hours"])
async def test_a_booking_that_would_run_into_a_later_one_is_refused(
    shard: ShardUnderTest, tariff_id: str
) -> None:
    assert code(await shard.command(booked(120, "standard", player_id="ann"))) == "ok"
    refused = await shard.command(booked(60, tariff_id))
    assert (code(refused), refused.field) == ("pc-reserved", "planned_start_at_ms")
    assert code(await shard.command(booked(60, tariff_id, pc_id=OTHER_PC))) == "ok"


async def test_who_says_when_it_ends_books_up_to_the_next_and_is_covered_until_then(
    shard: ShardUnderTest,
) -> None:
    assert code(await shard.command(booked(120, "standard", player_id="ann"))) == "ok"
    short = await shard.command(booked(60, "block", **until(120)))
    assert minutes_of(short.result["session"]) == (120, 120)
    await shard.wait(minutes=60)
    started = await shard.command(StartSession(session_id="at-60"))
    session = started.result["session"]
    assert session["coverage_until_ms"] == START_AT_MS + 120 * MINUTE_MS
    assert session["coverage_cause"] == "BOOKING"
    assert session["amount_minor"] <= 100_00


async def test_a_booking_is_not_moved_to_where_it_does_not_fit(shard: ShardUnderTest) -> None:
    on_other = booked(120, "standard", player_id="ann", pc_id=OTHER_PC)
    assert code(await shard.command(on_other)) == "ok"
    assert code(await shard.command(booked(60, "block"))) == "ok"
    moved = await shard.command(SwitchSessionDevice(session_id="at-60", pc_id=OTHER_PC))
    assert code(moved) == "pc-reserved"


async def test_what_closes_first_ends_a_booking_first() -> None:
    """The club closes at eleven, two hours before the bought hours would end."""
    shard = await club(opening={"windows": [{"start_minute": 0, "end_minute": 11 * 60}]})
    reply = await shard.command(booked(60, "hours"))
    assert minutes_of(reply.result["session"]) == (120, 120)


async def test_what_begins_now_is_no_booking(shard: ShardUnderTest) -> None:
    """It is covered up to the next booking, as ever, and its answer says so."""
    assert code(await shard.command(booked(60, "standard", player_id="ann"))) == "ok"
    reply = await shard.command(booked(0, "block", start=True))
    session = reply.result["session"]
    assert session["coverage_until_ms"] == START_AT_MS + 60 * MINUTE_MS
    assert session["coverage_cause"] == "BOOKING"


@pytest.mark.parametrize(("next_at", "paid_minor"), [(300, 200_00), (250, 116_67), (181, 1_67)])
async def test_a_booking_is_extended_by_what_fits_and_pays_for_that_alone(
    shard: ShardUnderTest, next_at: int, paid_minor: int
) -> None:
    """Two hours from +60 on; two more are 200.00, and the next booking leaves room for a part."""
    assert code(await shard.command(booked(60, "block"))) == "ok"
    assert code(await shard.command(booked(next_at, "standard", player_id="ann"))) == "ok"
    before, _ = await wallet_of(shard.store, "bob")
    reply = await shard.command(ExtendSession(session_id="at-60", tariff_id="block"))
    assert reply.result["session"]["effective_end_at_ms"] == START_AT_MS + next_at * MINUTE_MS
    after, _ = await wallet_of(shard.store, "bob")
    assert before - after == paid_minor


async def test_a_booking_next_to_which_another_begins_is_not_extended(
    shard: ShardUnderTest,
) -> None:
    assert code(await shard.command(booked(60, "block"))) == "ok"
    assert code(await shard.command(booked(180, "standard", player_id="ann"))) == "ok"
    before = await wallet_of(shard.store, "bob")
    reply = await shard.command(ExtendSession(session_id="at-60", tariff_id="block"))
    assert code(reply) == "booking-too-close"
    assert await wallet_of(shard.store, "bob") == before


@pytest.mark.parametrize(("next_at", "ends"), [(None, 300), (240, 240)])
async def test_a_booking_that_is_extended_holds_the_pc_longer(
    shard: ShardUnderTest, next_at: int | None, ends: int
) -> None:
    """By what is added, and no further than the next booking."""
    assert code(await shard.command(booked(60, "block"))) == "ok"
    if next_at is not None:
        assert code(await shard.command(booked(next_at, "standard", player_id="ann"))) == "ok"
    reply = await shard.command(ExtendSession(session_id="at-60", tariff_id="block"))
    assert reply.result["session"]["effective_end_at_ms"] == START_AT_MS + ends * MINUTE_MS
    between = await shard.command(booked(200, "standard", player_id="ann"))
    assert code(between) == "pc-reserved"
