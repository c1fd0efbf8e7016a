"""Days with every operation there is, on a clock that stands still while something is asked.

So what was asked, and when, is the same whatever dies in between, and two days can be compared
to the minor unit.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import orjson

from controller.simulation.business import START_AT_MS
from controller.simulation.desk import Desk
from controller.simulation.invariants import final_violations, unrest
from controller.simulation.simulation import heard, in_virtual_time
from controller.simulation.swarm import CallFate
from controller.simulation.town import PLAIN, Customs
from controller.simulation.virtual_loop import Process
from controller.simulation.world import World
from schemas.commands import (
    CancelSession,
    Command,
    ConvertGuest,
    CreateOrder,
    CreateSession,
    EndSession,
    ExtendSession,
    HoldPc,
    OrderMeans,
    OrderPayment,
    PayOrder,
    RefundOrder,
    ReleasePc,
    StartSession,
    SwitchSessionDevice,
    TopUpWallet,
)

MINUTE_MS = 60_000
POLLS = frozenset({"beat", "assignments", "owners"})
"""Calls of the host itself, many a second, which say that it lives and ask what it is to own; dying
at one is dying between two of a shard's, which are the rest."""


def seated(session_id: str, pc_id: str, **changes: Any) -> CreateSession:
    fields: dict[str, Any] = {
        "session_id": session_id,
        "pc_id": pc_id,
        "tariff_id": "standard",
        "player_id": "ann",
        "start": True,
    }
    return CreateSession.model_validate(fields | changes)


@dataclass(frozen=True)
class Plan:
    """Commands, and minutes that pass between them, in a club with these customs."""

    customs: Customs
    deeds: tuple[Command | int, ...]


def in_cash(amount_minor: int) -> tuple[OrderPayment, ...]:
    return (OrderPayment(means=OrderMeans.CASH, amount_minor=amount_minor),)


PLAYING: tuple[Command | int, ...] = (
    TopUpWallet(player_id="ann", amount_minor=200_00),
    TopUpWallet(player_id="bob", amount_minor=5_00, bonus_minor=1_00),
    seated("s1", "north-main-0"),
    2,
    SwitchSessionDevice(session_id="s1", pc_id="north-vip-0"),
    seated("s2", "north-main-1", player_id="bob"),
    1,
    EndSession(session_id="s1"),
    seated("s3", "north-main-0", start=False),
    StartSession(session_id="s3"),
    seated("s4", "north-vip-0", player_id="cat", start=False),
    CancelSession(session_id="s4"),
    2,
    EndSession(session_id="s3"),
    seated("s5", "north-vip-0", tariff_id="block"),
    ExtendSession(session_id="s5", tariff_id="block"),
    seated("s6", "north-main-0", player_id=None, guest_label="Guest", paid_minor=6_00),
    1,
    EndSession(session_id="s6"),
    EndSession(session_id="s5"),
)
SELLING: tuple[Command | int, ...] = (
    TopUpWallet(player_id="ann", amount_minor=200_00, bonus_minor=10_00),
    CreateOrder(order_id="o1", player_id="ann", tariff_ids=("hour",)),
    PayOrder(
        order_id="o1",
        payments=(
            OrderPayment(means=OrderMeans.BALANCE, amount_minor=80_00),
            OrderPayment(means=OrderMeans.BONUS, amount_minor=10_00),
        ),
    ),
    CreateOrder(
        order_id="o2", player_id="ann", tariff_ids=("visits", "block"), payments=in_cash(110_00)
    ),
    HoldPc(pc_id="north-main-1", reason="cleaning"),
    seated(
        "s1",
        "north-vip-0",
        tariff_id="hour",
        player_tariff_id="o1-0",
        start=False,
        planned_start_at_ms=START_AT_MS + 2 * MINUTE_MS,
        planned_end_at_ms=START_AT_MS + 30 * MINUTE_MS,
    ),
    ReleasePc(pc_id="north-main-1"),
    seated("g1", "north-main-0", player_id=None, guest_label="Guest", paid_minor=10_00),
    1,
    ConvertGuest(session_id="g1", player_id="bob"),
    seated(
        "n1",
        "north-main-1",
        player_id="cat",
        start=False,
        planned_start_at_ms=START_AT_MS + 3 * MINUTE_MS,
    ),
    1,
    StartSession(session_id="s1"),
    ExtendSession(session_id="s1", tariff_id="block", player_tariff_id="o2-1"),
    EndSession(session_id="g1"),
    seated("p1", "north-main-0", player_id="bob", mode="OPEN_ENDED"),
    3,
    RefundOrder(order_id="o2", line=0),
    EndSession(session_id="p1"),
    PayOrder(order_id="p1", payments=in_cash(1_00)),
    RefundOrder(order_id="p1", amount_minor=50),
    EndSession(session_id="s1"),
    TopUpWallet(player_id="cat", amount_minor=20_00),
    seated("s2", "north-main-1", player_id="cat", tariff_id="dash"),
    12,
    EndSession(session_id="s2"),
)
DAYS: Mapping[str, Plan] = {
    "playing": Plan(PLAIN, PLAYING),
    "selling": Plan(
        Customs(no_show_minutes=2, renews_from_wallet=True, auto_renewal=frozenset({"cat"})),
        SELLING,
    ),
}


@dataclass(frozen=True)
class Day:
    """What a day left behind; ``calls`` are the shard's calls to the store, in order.

    ``events`` are those of sessions: what a PC tells of itself depends on how long it was alone.
    """

    ledger: list[dict[str, Any]]
    events: list[dict[str, Any]]
    closed: dict[str, dict[str, Any]]
    balances: dict[str, int]
    answers: list[tuple[str, str | None]]
    violations: list[str]
    calls: list[str]


class CrashAt:
    """Kills the host at its k-th call; counts the calls on the way."""

    def __init__(self, number: int | None, fate: CallFate) -> None:
        self.calls: list[str] = []
        self._number = number
        self._fate = fate

    def __call__(self, process: Process, name: str) -> CallFate:
        if not process.name.startswith("h") or name in POLLS:
            return CallFate.SERVED
        self.calls.append(name)
        return self._fate if len(self.calls) - 1 == self._number else CallFate.SERVED


def lived(plan: Plan, crash: CrashAt) -> Day:
    defects: list[str] = []
    with heard(defects):
        day = in_virtual_time(lambda: _lived(plan, crash))
    assert not defects
    return day


async def _lived(plan: Plan, crash: CrashAt) -> Day:
    world = World(
        seed=0,
        chain_id="day",
        hosts=1,
        speed=1.0,
        stepped=True,
        customs=plan.customs,
        fate_of=crash,
    )
    desk = Desk(world, Random(0))
    await asyncio.sleep(5)
    answers = []
    for deed in plan.deeds:
        if isinstance(deed, int):
            for _ in range(deed):
                world.business.step(MINUTE_MS)
                await _rest(world)
        else:
            reply = await desk.send(desk.ask("north", deed))
            answers.append((reply.status.value, reply.code))
            await _rest(world)
    day = await _day(world, desk, crash, answers)
    await world.close()
    return day


async def _rest(world: World) -> None:
    """Whoever died is back, everything due is done, every PC obeys."""
    for _ in range(60):
        await asyncio.sleep(1.1)
        if unrest(world) is None and not _due(world):
            return
    raise AssertionError(f"no rest: {unrest(world)} {_due(world)}")


def _due(world: World) -> list[str]:
    now_ms = world.business.now_ms()
    stored = world.server.chain(world.chain_id).shards.values()
    sessions = [
        orjson.loads(entity.blob)
        for shard in stored
        for key, entity in shard.items()
        if key.startswith("session:")
    ]
    return [
        str(one)[:1500] + str(now_ms)
        for one in sessions
        if one["due_at_ms"] is not None and one["due_at_ms"] <= now_ms
    ]


async def _day(world: World, desk: Desk, crash: CrashAt, answers: list[Any]) -> Day:
    closed = await world.store.closed_sessions(world.chain_id)
    events = [orjson.loads(one)["event"] for one in world.witness.events]
    return Day(
        ledger=[orjson.loads(one) for one in world.witness.transactions],
        events=[event for event in events if "pc_id" not in event],
        closed={one.key: orjson.loads(one.blob) for one in closed},
        balances=await world.store.all_balances(world.chain_id),
        answers=answers,
        violations=await final_violations(world, desk),
        calls=crash.calls,
    )
