"""One-shot orders to PCs: sent once, answered or given up, never repeated, told as events."""

from dataclasses import replace

import orjson
import pytest
from clubs_under_test import CHAIN, seed
from shard_under_test import START_AT_MS, ShardUnderTest

from actors.presence import Signal
from actors.store import ChainStream
from actors.store_memory import MemoryStore
from actors.turn import DeviceAnswer
from schemas.commands import CommandPc, CreateSession, TopUpWallet
from schemas.device import CommandOutcome, DeviceCommandKind
from schemas.views import HallTile

PC, NEIGHBOUR = "north-main-0", "north-main-1"
MAC = "02:00:00:aa:bb:07"
REBOOT = CommandPc(pc_id=PC, asked=DeviceCommandKind.REBOOT)


@pytest.fixture
async def shard() -> ShardUnderTest:
    store = MemoryStore()
    await seed(store)
    rig = await ShardUnderTest(store).take()
    await rig.beat()
    await rig.turn(replace(rig.heard(PC), mac=MAC))
    return rig


async def answer(
    shard: ShardUnderTest, pc_id: str, outcome: CommandOutcome, command_id: str | None = None
) -> None:
    word = DeviceAnswer(command_id or shard.orders[-1].command.cmd_id, outcome)
    await shard.turn(replace(shard.heard(pc_id), applied=None, answers=(word,)))


async def told(shard: ShardUnderTest) -> list[tuple[str, str]]:
    entries = await shard.store.stream(CHAIN, ChainStream.OUTBOX)
    events = [orjson.loads(one.payload)["event"] for one in entries]
    done = [one for one in events if one["kind"] == "pc_command_done"]
    return [(one["payload"]["command"], one["payload"]["outcome"]) for one in done]


async def outcome(shard: ShardUnderTest, pc_id: str = PC) -> str | None:
    _, tiles = await shard.store.hall(CHAIN, shard.club_id)
    shown = HallTile.model_validate_json(tiles[pc_id]).last_command
    assert shown is not None
    return shown.outcome


async def test_an_order_is_sent_once_and_its_answer_shown_and_told(shard: ShardUnderTest) -> None:
    reply = await shard.command(REBOOT)
    (sent,) = shard.orders
    assert (sent.pc_id, sent.command.kind) == (PC, DeviceCommandKind.REBOOT)
    assert sent.command.not_after_ms == START_AT_MS + 30_000
    assert reply.result["tile"]["last_command"]["command_id"] == sent.command.cmd_id  # type: ignore[index,call-overload]
    assert await outcome(shard) is None

    await answer(shard, PC, CommandOutcome.DONE)
    await answer(shard, PC, CommandOutcome.DONE)

    assert await outcome(shard) == "DONE"
    assert await told(shard) == [("REBOOT", "DONE")]


@pytest.mark.parametrize("kind", [DeviceCommandKind.REBOOT, DeviceCommandKind.SHUTDOWN])
async def test_a_pc_that_was_not_let_go_down_takes_back_its_word_once(
    shard: ShardUnderTest, kind: DeviceCommandKind
) -> None:
    await shard.command(CommandPc(pc_id=PC, asked=kind))
    done, failed = CommandOutcome.DONE, CommandOutcome.FAILED
    for word in (done, failed, failed, done):
        await answer(shard, PC, word)

    assert await outcome(shard) == "FAILED"
    assert await told(shard) == [(kind, "DONE"), (kind, "FAILED")]


async def test_what_was_shown_stays_shown(shard: ShardUnderTest) -> None:
    await shard.command(CommandPc(pc_id=PC, asked=DeviceCommandKind.MESSAGE, text="Pizza"))
    await answer(shard, PC, CommandOutcome.DONE)
    await answer(shard, PC, CommandOutcome.FAILED)
    assert await told(shard) == [("MESSAGE", "DONE")]


async def test_the_same_command_again_sends_nothing_more(shard: ShardUnderTest) -> None:
    first = await shard.command(REBOOT, key="k")
    assert await shard.command(REBOOT, key="k") == first
    assert len(shard.orders) == 1


async def test_nobodys_answer_is_told_after_a_minute_and_not_by_a_restart(
    shard: ShardUnderTest,
) -> None:
    await shard.command(REBOOT)
    await shard.wait(seconds=50)
    again = await ShardUnderTest(shard.store, clock=shard.clock).take("h1")
    assert again.orders == []
    await again.beat()
    await again.wait(seconds=20)
    assert await outcome(again) == "NO_ANSWER"
    await again.turn(
        replace(
            again.heard(PC),
            answers=(DeviceAnswer(shard.orders[0].command.cmd_id, CommandOutcome.DONE),),
        )
    )
    assert await told(again) == [("REBOOT", "NO_ANSWER")]


async def test_an_order_that_another_follows_before_its_answer_is_told_of_too(
    shard: ShardUnderTest,
) -> None:
    await shard.command(CommandPc(pc_id=PC, asked=DeviceCommandKind.MESSAGE, text="Pizza"))
    first = shard.orders[-1].command.cmd_id
    await shard.command(REBOOT)
    await answer(shard, PC, CommandOutcome.DONE, first)
    assert await outcome(shard) is None
    await answer(shard, PC, CommandOutcome.DONE)
    await shard.command(REBOOT)

    assert await told(shard) == [("MESSAGE", "NO_ANSWER"), ("REBOOT", "DONE")]


async def test_a_pc_that_is_off_is_woken_by_its_neighbour(shard: ShardUnderTest) -> None:
    await shard.turn(replace(shard.heard(PC), applied=None, signal=Signal.GOODBYE))
    await shard.command(CommandPc(pc_id=PC, asked=DeviceCommandKind.WAKE))
    (sent,) = shard.orders
    assert (sent.pc_id, sent.command.mac) == (NEIGHBOUR, MAC)

    await answer(shard, PC, CommandOutcome.DONE)
    assert await outcome(shard) is None
    await answer(shard, NEIGHBOUR, CommandOutcome.DONE)
    assert await outcome(shard) == "DONE"


async def test_what_cannot_be_sent_is_refused(shard: ShardUnderTest) -> None:
    async def code(command: CommandPc) -> str | None:
        return (await shard.command(command)).code

    kinds = DeviceCommandKind
    assert await code(CommandPc(pc_id="nowhere", asked=kinds.REBOOT)) == "pc-not-found"
    assert await code(CommandPc(pc_id=PC, asked=kinds.MESSAGE, text=" ")) == "command-incomplete"
    assert await code(CommandPc(pc_id=PC, asked=kinds.MAINTENANCE)) == "command-incomplete"
    assert await code(CommandPc(pc_id=NEIGHBOUR, asked=kinds.WAKE)) == "pc-not-wakeable"
    await shard.turn(replace(shard.heard(PC), applied=None, signal=Signal.GOODBYE))
    assert await code(REBOOT) == "pc-unreachable"
    assert shard.orders == []


async def test_nobody_is_shut_down_under_a_player(shard: ShardUnderTest) -> None:
    await shard.command(TopUpWallet(player_id="ann", amount_minor=100_00))
    started = CreateSession(
        session_id="s1", pc_id=PC, tariff_id="standard", player_id="ann", start=True
    )
    assert (await shard.command(started)).code is None
    off = CommandPc(pc_id=PC, asked=DeviceCommandKind.SHUTDOWN)
    assert (await shard.command(off)).code == "pc-busy"
    message = CommandPc(pc_id=PC, asked=DeviceCommandKind.MESSAGE, text="Your pizza is here")
    assert (await shard.command(message)).code is None
    assert shard.orders[-1].command.text == "Your pizza is here"


async def test_no_time_ends_a_visit_and_none_given_is_the_usual(shard: ShardUnderTest) -> None:
    visit = CommandPc(pc_id=PC, asked=DeviceCommandKind.MAINTENANCE, code_hash="scrypt:00:00")
    await shard.command(visit)
    await shard.command(visit.model_copy(update={"duration_ms": 0, "code_hash": None}))
    assert [sent.command.duration_ms for sent in shard.orders] == [30 * 60_000, 0]
