"""Time as hosts and edges are given it: business instants and a steady count of real time."""

import time
from dataclasses import dataclass
from typing import Final, Protocol

FOLLOWED_MAX_MS: Final = 2_000
"""A calendar that differs by more was moved by somebody, or wrong all the time: not followed."""
SLEW_PER_MILLE: Final = 5
"""How fast a followed difference is made up for: milliseconds in a second."""


class Clock(Protocol):
    """``wall_ms`` is business time (UTC ms); ``mono_ms`` counts real time and never jumps.

    ``speed`` is how many business seconds pass in a real one: 1 outside simulations.
    """

    speed: float

    def wall_ms(self) -> int:
        """Business time now."""

    def mono_ms(self) -> int:
        """Milliseconds of real time since some fixed point of this machine's boot."""


class SystemClock:
    """Business time is the machine's own."""

    speed = 1.0

    def wall_ms(self) -> int:
        """UTC now."""
        return time.time_ns() // 1_000_000

    def mono_ms(self) -> int:
        """Monotonic now."""
        return time.monotonic_ns() // 1_000_000


class MachineTime(Protocol):
    """What a machine says of time, as it is."""

    def utc_ms(self) -> int:
        """Its calendar. People, batteries and time servers set it."""

    def boot_ms(self) -> int:
        """Real milliseconds since its boot, sleep included. Nobody sets it."""


class ThisMachine:
    """The machine this process runs on."""

    def utc_ms(self) -> int:
        """UTC now."""
        return time.time_ns() // 1_000_000

    def boot_ms(self) -> int:
        """Of all steady clocks the one that goes on while the machine sleeps."""
        if hasattr(time, "CLOCK_BOOTTIME"):
            return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
        return time.monotonic_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Reckoning:
    """When the machine had been up for ``boot_ms`` it was ``utc_ms``."""

    utc_ms: int
    boot_ms: int


class SteadyClock:
    """UTC counted on the boot clock from a known instant; the calendar only corrects it slowly.

    ``observe`` has to be called about every second. Until then, and beyond
    :data:`FOLLOWED_MAX_MS`, what happens to the calendar changes nothing here.
    """

    speed = 1.0

    def __init__(self, machine: MachineTime, reckoning: Reckoning | None = None) -> None:
        """Without a reckoning it begins with the calendar as it is now."""
        self._machine = machine
        self._observed_boot_ms = machine.boot_ms()
        self._reckoning = reckoning or Reckoning(machine.utc_ms(), self._observed_boot_ms)

    def wall_ms(self) -> int:
        """UTC by reckoning."""
        return self._reckoning.utc_ms + self._machine.boot_ms() - self._reckoning.boot_ms

    def mono_ms(self) -> int:
        """Monotonic now."""
        return time.monotonic_ns() // 1_000_000

    def reckoning(self) -> Reckoning:
        """Now, for another process of this machine to go on from."""
        boot_ms = self._machine.boot_ms()
        return Reckoning(self._reckoning.utc_ms + boot_ms - self._reckoning.boot_ms, boot_ms)

    def reset(self, reckoning: Reckoning) -> None:
        """Go by another reckoning from now on: somebody decided so."""
        self._reckoning = reckoning

    def observe(self) -> int:
        """Look at the calendar and follow it a little; how far it is ahead (ms, signed)."""
        now = self.reckoning()
        ahead_ms = self._machine.utc_ms() - now.utc_ms
        slewed_ms = (now.boot_ms - self._observed_boot_ms) * SLEW_PER_MILLE // 1_000
        self._observed_boot_ms = now.boot_ms
        if abs(ahead_ms) <= FOLLOWED_MAX_MS:
            step_ms = max(-slewed_ms, min(slewed_ms, ahead_ms))
            self._reckoning = Reckoning(now.utc_ms + step_ms, now.boot_ms)
        return ahead_ms


@dataclass(frozen=True, slots=True)
class ClockAnchor:
    """At the instant ``real_at_ms`` (UTC) it was ``business_at_ms``; since then ``speed``."""

    business_at_ms: int
    real_at_ms: int
    speed: float


class ScaledClock:
    """Business time runs ``speed`` times as fast as real time, in every process alike.

    ``real`` says what real time is; the machine's calendar without one.
    """

    def __init__(self, anchor: ClockAnchor, real: Clock | None = None) -> None:
        if anchor.speed <= 0:
            raise ValueError("speed must be positive")
        self._anchor = anchor
        self._real = real or SystemClock()
        self.speed = anchor.speed

    def wall_ms(self) -> int:
        """Business time now."""
        elapsed_ms = self._real.wall_ms() - self._anchor.real_at_ms
        return self._anchor.business_at_ms + int(elapsed_ms * self.speed)

    def mono_ms(self) -> int:
        """Real monotonic now: presence and leases of hosts are matters of real time."""
        return self._real.mono_ms()


class ManualClock:
    """A clock that moves when told; the twin for tests and the simulator."""

    def __init__(self, wall_ms: int = 0, mono_ms: int = 0, speed: float = 1.0) -> None:
        self._wall_ms = wall_ms
        self._mono_ms = mono_ms
        self.speed = speed

    def wall_ms(self) -> int:
        """Business time as set."""
        return self._wall_ms

    def mono_ms(self) -> int:
        """Real time as counted."""
        return self._mono_ms

    def advance(self, real_ms: int) -> None:
        """Let real time pass on both counts."""
        self._mono_ms += real_ms
        self._wall_ms += int(real_ms * self.speed)

    def jump_wall(self, by_ms: int) -> None:
        """Move business time alone, as a stepped machine clock does."""
        self._wall_ms += by_ms


def clock_for(anchor: ClockAnchor | None, real: Clock | None = None) -> Clock:
    """The clock of a process: real time without an anchor; the machine's calendar without both."""
    known = real or SystemClock()
    return known if anchor is None else ScaledClock(anchor, known)
