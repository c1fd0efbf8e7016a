"""What goes wrong with a fleet of simulated PCs: faults of PCs, networks and people, by profile.

A profile is a rate per PC and hour of real time for each fault, and how long each lasts. Faults
are drawn from one seeded source, so a run can be had again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Final, Protocol

ROUND_S: Final = 1.0
S_PER_HOUR: Final = 3_600
REBOOT_S: Final = 2.0
"""From the end of a simulated PC to its next boot."""
CLOCK_MOVED_MAX_MS: Final = 4 * 3_600_000
WIFI_GAPS: Final = 5
STORM_SHARE: Final = 0.9
UNDER_WAY_MAX: Final = 10_000
"""Faults that are being lived through at once; more wait for the next round."""


class FaultyFleet(Protocol):
    """What faults are done to; see :class:`pc_daemon.fleet.FleetSimulator`."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every PC."""

    async def unplug(self, name: str) -> None:
        """Pull the cable: silence."""

    async def sever(self, name: str) -> None:
        """Break the connection, seen at once."""

    async def plug(self, name: str) -> None:
        """Put it back."""

    async def cut(self, name: str) -> None:
        """Cut the power."""

    async def boot(self, name: str) -> None:
        """Power on."""

    async def freeze(self, name: str) -> None:
        """Hang."""

    async def thaw(self, name: str) -> None:
        """Go on."""

    def set_clock(self, name: str, moved_ms: int) -> None:
        """Set the calendar off."""


@dataclass(frozen=True, slots=True)
class Blow:
    """One fault as it strikes: whom, and for how many seconds."""

    fleet: FaultyFleet
    pc: str
    lasts_s: float
    random: Random


Fault = Callable[[Blow], Awaitable[None]]


async def cable(blow: Blow) -> None:
    """The cable is out for a while."""
    await blow.fleet.unplug(blow.pc)
    await asyncio.sleep(blow.lasts_s)
    await blow.fleet.plug(blow.pc)


async def freeze(blow: Blow) -> None:
    """The PC hangs for a while."""
    await blow.fleet.freeze(blow.pc)
    await asyncio.sleep(blow.lasts_s)
    await blow.fleet.thaw(blow.pc)


async def reboot(blow: Blow) -> None:
    """Somebody presses reset."""
    await blow.fleet.cut(blow.pc)
    await asyncio.sleep(REBOOT_S)
    await blow.fleet.boot(blow.pc)


async def power(blow: Blow) -> None:
    """No power for a while."""
    await blow.fleet.cut(blow.pc)
    await asyncio.sleep(blow.lasts_s)
    await blow.fleet.boot(blow.pc)


async def clock(blow: Blow) -> None:
    """Somebody sets the calendar, and sets it back later."""
    moved_ms = blow.random.randint(-CLOCK_MOVED_MAX_MS, CLOCK_MOVED_MAX_MS)
    blow.fleet.set_clock(blow.pc, moved_ms)
    await asyncio.sleep(blow.lasts_s)
    blow.fleet.set_clock(blow.pc, 0)


async def wifi(blow: Blow) -> None:
    """A radio link that comes and goes; each time it is there or gone for up to ``lasts_s``."""
    for _ in range(WIFI_GAPS):
        await blow.fleet.unplug(blow.pc)
        await asyncio.sleep(blow.lasts_s * blow.random.random())
        await blow.fleet.plug(blow.pc)
        await asyncio.sleep(blow.lasts_s * blow.random.random())


async def storm(blow: Blow) -> None:
    """Nearly everybody loses the connection at once, and comes back at once."""
    lost = [name for name in blow.fleet.names if blow.random.random() < STORM_SHARE]
    await asyncio.gather(*(blow.fleet.sever(name) for name in lost))
    await asyncio.sleep(blow.lasts_s)
    await asyncio.gather(*(blow.fleet.plug(name) for name in lost))


@dataclass(frozen=True, slots=True)
class Rate:
    """How often a fault comes, per PC and hour of real time, and how long it lasts on average."""

    fault: Fault
    per_hour: float
    lasts_s: float = 0.0
    of_fleet: bool = False
    """It happens to the fleet as a whole, not to each PC."""


MIXED: Final = (
    Rate(cable, 2, 90),
    Rate(freeze, 1, 120),
    Rate(reboot, 1),
    Rate(power, 0.5, 120),
    Rate(clock, 1, 300),
    Rate(wifi, 2, 4),
    Rate(storm, 4, 5, of_fleet=True),
)
PROFILES: Final[Mapping[str, tuple[Rate, ...]]] = MappingProxyType(
    {
        "none": (),
        "cable": (Rate(cable, 30, 60),),
        "freeze": (Rate(freeze, 20, 90),),
        "reboot": (Rate(reboot, 30),),
        "power": (Rate(power, 15, 90),),
        "clock": (Rate(clock, 30, 120),),
        "wifi": (Rate(wifi, 60, 4),),
        "storm": (Rate(storm, 60, 5, of_fleet=True),),
        "mixed": MIXED,
    }
)
"""Name -> what goes wrong."""


async def play_faults(
    fleet: FaultyFleet,
    profile: tuple[Rate, ...],
    random: Random,
    *,
    ended: asyncio.Event | None = None,
) -> None:
    """Let things go wrong until ``ended``, then let what is under way pass. One fault per PC.

    Cancelled, it leaves every PC as it is.
    """
    under_way: dict[str, asyncio.Task[None]] = {}
    try:
        while ended is None or not ended.is_set():
            await asyncio.sleep(ROUND_S)
            _bury(under_way)
            for rate in profile:
                for pc in _struck(fleet, rate, random):
                    if pc not in under_way and len(under_way) < UNDER_WAY_MAX:
                        lasts_s = random.expovariate(1 / rate.lasts_s) if rate.lasts_s else 0.0
                        blow = Blow(fleet, pc, lasts_s, random)
                        under_way[pc] = asyncio.ensure_future(rate.fault(blow))
        await asyncio.gather(*under_way.values())
    finally:
        for task in under_way.values():
            task.cancel()


def _bury(under_way: dict[str, asyncio.Task[None]]) -> None:
    for pc, task in list(under_way.items()):
        if task.done():
            del under_way[pc]
            task.result()


def _struck(fleet: FaultyFleet, rate: Rate, random: Random) -> list[str]:
    chance = rate.per_hour * ROUND_S / S_PER_HOUR
    if rate.of_fleet:
        return ["*"] if random.random() < chance else []
    return [name for name in fleet.names if random.random() < chance]
