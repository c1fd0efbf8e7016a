"""The controller, the broker or the cable dies at minute 3 of a paid 10; minutes of two seconds.

The PC plays on to the end of what is paid, locks there by itself, and when all is back the ledger
is that of an undisturbed run. Where money is open it plays on for as long as the club lets a PC be
without it. The agent is the real one, with its files, counting real time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from brokers_under_test import eventually
from house_under_test import STEP_S, AgentProcess, House, running_house, utc_ms
from stack_under_test import until

from schemas.device import CoverageLease

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(400)]

PC, PLAYER = "north-main-0", "ann"
STEPS = 10
LATE_MS = 2_000
READING_MS = 500
"""Two clocks are read one after the other, by a process that may be held up in between."""
OFFLINE_MAX_MS = 60_000
"""The least a club can allow; whoever plays has money for forty times as much."""
OPEN_STEPS = 1_200


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


async def locked_after_ms(agent: AgentProcess, end_ms: int) -> int:
    """How late it locked, by when it wrote that it did.

    By its own calendar: that is ahead by what a welcome travelled, which it counts against itself.
    """
    await eventually(lambda: agent.locked_at_ms() is not None, timeout_s=30)
    memory, locked_at_ms = agent.memory(), agent.locked_at_ms()
    assert memory is not None
    assert memory.calendar is not None
    assert locked_at_ms is not None
    return locked_at_ms - memory.calendar.skew_ms - end_ms


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
        await asyncio.sleep((end_ms - utc_ms()) / 1_000)
        await eventually(lambda: not agent.is_open, timeout_s=30)
        # While somebody listens the record is acknowledged and gone.
        late_ms = 0 if death == "nothing" else await locked_after_ms(agent, end_ms)
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
        return late_ms, ledger, await house.session(session_id)


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
        assert -READING_MS <= late_ms <= LATE_MS, death
        assert other_ledger == ledger, death
        for name in ("status", "ended_reason"):
            assert other[name] == session[name], death
        lasted = [
            int(one["actual_end_at_ms"]) - int(one["actual_start_at_ms"])  # type: ignore[call-overload]
            for one in (other, session)
        ]
        assert lasted[0] == lasted[1] == STEPS * STEP_S * 1_000, death


def lease_of(agent: AgentProcess) -> CoverageLease:
    """The lease that an open PC holds."""
    memory = agent.memory()
    assert memory is not None
    assert memory.document is not None
    assert memory.document.lease is not None
    return memory.document.lease


async def open_evening(folder: Path, death: str) -> None:
    """Play for money that lasts, with a death: open for a minute after the last word, then shut."""
    async with running_house(folder, club_terms={"offline_max_minutes": 1}) as house:
        agent = await house.agent(PC)

        async def is_open_again() -> bool:
            tile = await house.tile(PC)
            return (tile.get("use"), tile.get("link"), tile.get("locked")) == (
                "RUNNING",
                "ONLINE",
                False,
            )

        async def is_online() -> bool:
            return (await house.tile(PC)).get("link") == "ONLINE"

        await until(is_online, what="the PC online")
        session_id = await house.play(PLAYER, PC, steps=OPEN_STEPS)
        await until(is_open_again, what="the PC open")
        revive = await getattr(Deaths(), death)(house, agent)
        # What was on its way when it died may still arrive.
        await asyncio.sleep(1)
        lease = lease_of(agent)
        assert lease.offline_max_ms == lease.duration_ms == OFFLINE_MAX_MS, death
        assert lease.hard_stop_at_ms - lease.issued_at_ms == OFFLINE_MAX_MS, death
        await asyncio.sleep((lease.hard_stop_at_ms - utc_ms()) / 1_000)
        await eventually(lambda: not agent.is_open, timeout_s=30)
        # A renewal that was on its way for longer than that counts as well.
        late_ms = await locked_after_ms(agent, lease_of(agent).hard_stop_at_ms)
        assert -READING_MS <= late_ms <= LATE_MS, death

        await revive()
        await until(is_open_again, what=f"open again after the {death}")
        await house.command(kind="end_session", session_id=session_id)
        await eventually(lambda: not agent.is_open, timeout_s=30)
        session = await house.session(session_id)
        lasted_ms = int(session["actual_end_at_ms"]) - int(session["actual_start_at_ms"])  # type: ignore[call-overload]
        steps = sum(one["kind"] == "step" for one in await house.ledger(session_id, PLAYER))  # type: ignore[index]
        # The session went on, as the club's policy says: every step of it is billed, and once. One
        # that begins in the moment of the end may be there or not.
        whole, begun = divmod(lasted_ms, STEP_S * 1_000)
        assert steps - whole in ((1,) if begun else (0, 1)), death


async def test_where_money_is_open_a_pc_alone_locks_at_the_clubs_limit_and_opens_when_it_is_back(
    tmp_path: Path,
) -> None:
    deaths = ("controller", "broker", "network")
    for death in deaths:
        (tmp_path / death).mkdir()
    await asyncio.gather(*(open_evening(tmp_path / death, death) for death in deaths))
