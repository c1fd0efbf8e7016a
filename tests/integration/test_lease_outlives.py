"""The controller, the broker or the cable dies at minute 3 of a paid 10; minutes of two seconds.

The PC plays on to the end of what is paid, locks there by itself, and when all is back the ledger
is that of an undisturbed run. The agent is the real one, with its files, counting real time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from brokers_under_test import eventually
from house_under_test import STEP_S, AgentProcess, House, running_house, utc_ms
from stack_under_test import until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PC, PLAYER = "north-main-0", "ann"
STEPS = 10
LATE_MS = 2_000
EARLY_MS = 100
"""A welcome travels this long at most here, and so much older a lease may look."""


class Deaths:
    """What dies, and how it comes back."""

    async def nothing(self, _house: House, _agent: AgentProcess) -> Callable[[], Awaitable[None]]:
        async def revive() -> None:
            return

        return revive

    async def controller(self, house: House, _agent: AgentProcess) -> Callable[[], Awaitable[None]]:
        await house.kill_host()
        return house.start_host

    async def broker(self, house: House, _agent: AgentProcess) -> Callable[[], Awaitable[None]]:
        await house.broker.stop()
        return house.broker.start

    async def network(self, _house: House, agent: AgentProcess) -> Callable[[], Awaitable[None]]:
        await agent.cable.cut()
        return agent.cable.mend


async def evening(folder: Path, death: str) -> tuple[int, list[object], dict[str, object]]:
    """Play ten paid minutes with a death at the third: ms late to lock, ledger, session."""
    async with running_house(folder) as house:
        agent = await house.agent(PC)

        async def is_online() -> bool:
            return (await house.tile(PC)).get("link") == "ONLINE"

        await until(is_online, what="the PC online")
        session_id = await house.play(PLAYER, PC, steps=STEPS)
        began_ms = utc_ms()
        await eventually(lambda: agent.is_open)
        session = await house.session(session_id)
        start_ms = session["actual_start_at_ms"]
        assert isinstance(start_ms, int)
        end_ms = start_ms + STEPS * STEP_S * 1_000
        await asyncio.sleep((start_ms + 3 * STEP_S * 1_000 - began_ms) / 1_000)
        revive = await getattr(Deaths(), death)(house, agent)
        await asyncio.sleep((end_ms + LATE_MS - utc_ms()) / 1_000)
        # While somebody listens the record is acknowledged and gone.
        locked_at_ms = end_ms if death == "nothing" else agent.locked_at_ms()
        assert locked_at_ms is not None, "still open two seconds after the end"
        assert not agent.is_open
        await revive()

        async def is_over() -> bool:
            tile = await house.tile(PC)
            return (tile.get("use"), tile.get("link"), tile.get("locked")) == (
                "FREE",
                "ONLINE",
                True,
            )

        await until(is_over, what="the session over and the PC back")
        await eventually(lambda: agent.entries() == [], timeout_s=30)
        ledger = await house.ledger(session_id, PLAYER)
        return locked_at_ms - end_ms, ledger, await house.session(session_id)


async def test_whatever_dies_the_pc_locks_at_the_end_and_the_books_are_as_if_nothing_had(
    tmp_path: Path,
) -> None:
    deaths = ("nothing", "controller", "broker", "network")
    for death in deaths:
        (tmp_path / death).mkdir()
    evenings = await asyncio.gather(*(evening(tmp_path / death, death) for death in deaths))

    undisturbed, *others = evenings
    _, ledger, session = undisturbed
    assert sum(one["kind"] == "step" for one in ledger) == STEPS  # type: ignore[index]
    assert session["ended_reason"] == "CoverageExhausted"
    for death, (late_ms, other_ledger, other) in zip(deaths[1:], others, strict=True):
        assert -EARLY_MS <= late_ms <= LATE_MS, death
        assert other_ledger == ledger, death
        for name in ("status", "ended_reason"):
            assert other[name] == session[name], death
        lasted = [
            int(one["actual_end_at_ms"]) - int(one["actual_start_at_ms"])  # type: ignore[call-overload]
            for one in (other, session)
        ]
        assert lasted[0] == lasted[1] == STEPS * STEP_S * 1_000, death
