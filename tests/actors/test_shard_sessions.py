"""Sessions through a whole shard: commands in, money, documents and tiles out."""

from dataclasses import replace

import orjson
import pytest
from clubs_under_test import CHAIN, seed, wallet_of
from shard_under_test import START_AT_MS, ShardUnderTest

from actors.store_memory import MemoryStore
from schemas.commands import (
    CancelSession,
    Command,
    CommandReply,
    CreateSession,
    EndSession,
    ExtendSession,
    ReplyStatus,
    StartSession,
    SwitchSessionDevice,
    TopUpWallet,
)
from schemas.device import PcMode

MINUTE_MS = 60_000


@pytest.fixture
async def shard() -> ShardUnderTest:
    store = MemoryStore()
    await seed(store)
    rig = await ShardUnderTest(store).take()
    await rig.beat()
    return rig


async def top_up(shard: ShardUnderTest, player: str = "ann", amount_minor: int = 10_00) -> None:
    reply = await shard.command(TopUpWallet(player_id=player, amount_minor=amount_minor))
    assert reply.status is ReplyStatus.OK


def creation(session_id: str = "s1", **changes: object) -> CreateSession:
    fields: dict[str, object] = {
        "session_id": session_id,
        "pc_id": "north-main-0",
        "tariff_id": "standard",
        "player_id": "ann",
        "start": True,
    }
    return CreateSession.model_validate(fields | changes)


def code(reply: CommandReply) -> str:
    return reply.code or reply.status.value


async def tile(shard: ShardUnderTest, pc_id: str) -> dict[str, object]:
    _, tiles = await shard.store.hall(CHAIN, shard.club_id)
    decoded: dict[str, object] = orjson.loads(tiles[pc_id])
    return decoded


async def test_a_started_session_unlocks_its_pc_and_charges_the_first_minute(
    shard: ShardUnderTest,
) -> None:
    await top_up(shard)
    reply = await shard.command(creation())
    assert code(reply) == "ok", reply
    assert shard.documents["north-main-0"].mode is PcMode.UNLOCKED
    assert await wallet_of(shard.store, "ann") == (10_00 - 2_00, 0)
    assert (await tile(shard, "north-main-0"))["use"] == "WARNING"


async def test_minutes_are_charged_until_the_money_ends_and_the_pc_locks(
    shard: ShardUnderTest,
) -> None:
    await top_up(shard)
    await shard.command(creation())
    await shard.wait(minutes=4)
    assert await wallet_of(shard.store, "ann") == (2_00, 0)
    await shard.wait(minutes=1)
    assert await wallet_of(shard.store, "ann") == (0, 0)
    assert shard.documents["north-main-0"].mode is PcMode.LOCKED
    closed = await shard.store.session(CHAIN, "s1")
    assert closed is not None
    document = orjson.loads(closed.blob)
    assert document["state"]["ended_reason"] == "CoverageExhausted"
    assert document["state"]["actual_end_at_ms"] == START_AT_MS + 5 * MINUTE_MS
    assert (await tile(shard, "north-main-0"))["use"] == "FREE"


async def test_a_late_owner_bills_every_minute_once(shard: ShardUnderTest) -> None:
    await top_up(shard, amount_minor=100_00)
    await shard.command(creation())
    shard.clock.advance(17 * MINUTE_MS)
    successor = ShardUnderTest(shard.store, clock=shard.clock)
    await successor.take("h1")
    assert await wallet_of(shard.store, "ann") == (100_00 - 17 * 2_00, 0)
    assert not await shard.turn(shard.heard("north-main-0")), "the former owner is fenced"
    assert await wallet_of(shard.store, "ann") == (100_00 - 17 * 2_00, 0)


async def test_a_top_up_while_playing_lengthens_coverage_at_once(shard: ShardUnderTest) -> None:
    await top_up(shard)
    await shard.command(creation())
    assert (await tile(shard, "north-main-0"))["coverage_until_ms"] == START_AT_MS + 5 * MINUTE_MS
    await top_up(shard)
    assert (await tile(shard, "north-main-0"))["coverage_until_ms"] == START_AT_MS + 10 * MINUTE_MS
    document = shard.documents["north-main-0"]
    assert document.ends_at_ms == START_AT_MS + 10 * MINUTE_MS
    assert document.lease is not None
    assert document.lease.hard_stop_at_ms == START_AT_MS + 10 * MINUTE_MS


async def test_money_of_another_club_reaches_the_session(shard: ShardUnderTest) -> None:
    await top_up(shard)
    await shard.command(creation())
    other = await ShardUnderTest(shard.store, club_id="south", clock=shard.clock).take("h1")
    await top_up(other)
    await shard.wait(minutes=6)
    assert await wallet_of(shard.store, "ann") == (20_00 - 6 * 2_00, 0)


async def test_a_seat_opens_when_the_old_one_is_locked(shard: ShardUnderTest) -> None:
    await top_up(shard, amount_minor=100_00)
    await shard.command(creation())
    await shard.beat("north-main-0")
    await shard.command(SwitchSessionDevice(session_id="s1", pc_id="north-vip-0"))
    assert shard.documents["north-main-0"].mode is PcMode.LOCKED
    assert shard.documents["north-vip-0"].mode is PcMode.LOCKED
    await shard.beat("north-main-0")
    assert shard.documents["north-vip-0"].mode is PcMode.UNLOCKED


async def test_a_silent_old_seat_holds_nobody_back_longer_than_two_seconds(
    shard: ShardUnderTest,
) -> None:
    await top_up(shard, amount_minor=100_00)
    await shard.command(creation())
    await shard.beat("north-main-0")
    await shard.command(SwitchSessionDevice(session_id="s1", pc_id="north-main-1"))
    shard.clock.advance(2_000)
    await shard.turn()
    assert shard.documents["north-main-1"].mode is PcMode.UNLOCKED
    exposed = (await tile(shard, "north-main-0"))["exposure_until_ms"]
    assert exposed == START_AT_MS + 30 * MINUTE_MS


async def test_a_dead_old_seat_holds_nobody_back_at_all(shard: ShardUnderTest) -> None:
    await top_up(shard, amount_minor=100_00)
    await shard.command(creation())
    shard.clock.advance(41_000)
    await shard.turn()
    assert (await tile(shard, "north-main-0"))["link"] == "NOT_RESPONDING"
    assert (await tile(shard, "north-main-0"))["use"] == "RUNNING"
    await shard.command(SwitchSessionDevice(session_id="s1", pc_id="north-main-1"))
    assert shard.documents["north-main-1"].mode is PcMode.UNLOCKED


async def test_an_open_grant_is_renewed_while_the_session_runs(shard: ShardUnderTest) -> None:
    await top_up(shard, amount_minor=1_000_00)
    await shard.command(creation())
    first = shard.documents["north-main-0"].lease
    assert first is not None
    assert first.duration_ms == 30 * MINUTE_MS
    await shard.wait(minutes=16)
    renewed = shard.documents["north-main-0"].lease
    assert renewed is not None
    assert renewed.seq > first.seq
    assert renewed.hard_stop_at_ms > first.hard_stop_at_ms


async def test_a_guest_pays_at_the_desk_and_gets_the_change(shard: ShardUnderTest) -> None:
    guest = creation(player_id=None, guest_label="Guest 7", paid_minor=5_00)
    assert code(await shard.command(guest)) == "ok"
    await shard.wait(seconds=30)
    reply = await shard.command(EndSession(session_id="s1"))
    assert code(reply) == "ok"
    assert await wallet_of(shard.store, "guest-s1") == (0, 0)
    balances = await shard.store.balances(CHAIN, ["EUR:desk:north:cash", "EUR:revenue:north"])
    assert balances == {"EUR:desk:north:cash": -2_00, "EUR:revenue:north": 2_00}


async def test_the_receipt_comes_with_the_end(shard: ShardUnderTest) -> None:
    await top_up(shard)
    await shard.command(creation())
    await shard.wait(minutes=2, seconds=30)
    reply = await shard.command(EndSession(session_id="s1", reason="ManualByPlayer"))
    receipt = reply.result["receipt"]
    assert isinstance(receipt, dict)
    assert receipt["total_minor"] == 3 * 2_00
    session = reply.result["session"]
    assert isinstance(session, dict)
    assert session["ended_reason"] == "ManualByPlayer"


REFUSALS: list[tuple[list[Command], Command, str]] = [
    ([], creation(pc_id="nowhere"), "pc-not-found"),
    ([], creation(player_id="nobody"), "player-not-found"),
    ([], creation(tariff_id="nothing"), "tariff-not-found"),
    ([], creation(), "insufficient-funds"),
    ([creation("s0")], creation(player_id="bob"), "pc-busy"),
    ([creation("s0")], creation(pc_id="north-main-1"), "player-already-playing"),
    ([creation("s0")], CancelSession(session_id="s0"), "session-already-started"),
    ([creation("s0")], StartSession(session_id="s0"), "session-already-started"),
    (
        [creation("s0"), EndSession(session_id="s0")],
        EndSession(session_id="s0"),
        "session-finished",
    ),
    ([creation("s0")], ExtendSession(session_id="s0", tariff_id="nothing"), "tariff-not-found"),
    (
        [creation("s0")],
        SwitchSessionDevice(session_id="s0", pc_id="north-main-0"),
        "same-device",
    ),
    ([creation("s0")], SwitchSessionDevice(session_id="s0", pc_id="south-main-0"), "pc-not-found"),
    ([], creation(paid_minor=5), "amount-invalid"),
    ([], TopUpWallet(player_id="nobody", amount_minor=5), "player-not-found"),
]


@pytest.mark.parametrize(("before", "refused", "expected"), REFUSALS)
async def test_refusals_change_nothing_and_say_why(
    shard: ShardUnderTest, before: list[Command], refused: Command, expected: str
) -> None:
    if before:
        await top_up(shard)
    for command in before:
        assert code(await shard.command(command)) == "ok"
    balances = await wallet_of(shard.store, "ann")
    reply = await shard.command(refused)
    assert code(reply) == expected
    assert reply.message
    assert await wallet_of(shard.store, "ann") == balances


async def test_the_same_key_gives_the_first_answer_again(shard: ShardUnderTest) -> None:
    await top_up(shard)
    first = await shard.command(creation(), key="k")
    again = await shard.command(creation(), key="k")
    assert again == first
    assert await wallet_of(shard.store, "ann") == (8_00, 0)


async def test_an_answer_that_a_newer_release_has_kept_is_told_of(shard: ShardUnderTest) -> None:
    """Whoever is told `busy` would ask with another key in the end, and have it twice."""
    await top_up(shard)
    await shard.command(creation(), key="k")
    answers = shard.store._server.chain(CHAIN).answers
    answers["k"] = replace(answers["k"], reply=b'{"v": 2, "status": "ok"}')
    again = await shard.command(creation(), key="k")
    assert code(again) == "answer-of-another-release"
    assert await wallet_of(shard.store, "ann") == (8_00, 0)


async def test_the_same_key_for_something_else_is_refused(shard: ShardUnderTest) -> None:
    await top_up(shard)
    await shard.command(creation(), key="k")
    reply = await shard.command(EndSession(session_id="s1"), key="k")
    assert code(reply) == "idempotency-key-reused"
    assert await shard.store.club_of_session(CHAIN, "s1") == "north"


async def test_a_waiting_session_can_be_started_or_cancelled(shard: ShardUnderTest) -> None:
    await top_up(shard)
    await shard.command(creation(start=False))
    assert (await tile(shard, "north-main-0"))["use"] == "WAIT"
    assert shard.documents["north-main-0"].mode is PcMode.LOCKED
    assert code(await shard.command(StartSession(session_id="s1"))) == "ok"
    await shard.command(EndSession(session_id="s1"))
    await shard.command(creation("s2", start=False))
    reply = await shard.command(CancelSession(session_id="s2"))
    assert code(reply) == "ok"
    assert (await tile(shard, "north-main-0"))["use"] == "FREE"


async def test_a_prepaid_block_can_be_extended_by_another(shard: ShardUnderTest) -> None:
    await top_up(shard, amount_minor=400_00)
    await shard.command(creation(tariff_id="block"))
    assert shard.documents["north-main-0"].ends_at_ms == START_AT_MS + 120 * MINUTE_MS
    reply = await shard.command(ExtendSession(session_id="s1", tariff_id="block"))
    assert code(reply) == "ok", reply
    assert shard.documents["north-main-0"].ends_at_ms == START_AT_MS + 240 * MINUTE_MS
    assert await wallet_of(shard.store, "ann") == (0, 0)
