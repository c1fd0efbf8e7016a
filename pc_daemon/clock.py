"""The clocks of a PC: how long it has been up, what the calendar says, and real seconds.

Business time (``Instant``) is what leases and documents are made of; outside simulations it is
real time. Heartbeats and connections always live in real seconds.
"""

import sys
import time
from dataclasses import dataclass
from typing import Protocol

from schemas.hot_value import hot_value


@hot_value(frozen=True, slots=True)
class Instant:
    """One reading of both business clocks.

    ``boot_ms`` counts from boot, includes sleep and never jumps; ``wall_ms`` is UTC and may be
    set by anyone, so it is only ever believed to the player's disadvantage.
    """

    boot_ms: int
    wall_ms: int


class PcClock(Protocol):
    """``speed`` is how many business seconds pass in a real one."""

    speed: float

    def now(self) -> Instant:
        """Business time now."""

    def real_s(self) -> float:
        """A steady count of real seconds."""


@dataclass(frozen=True, slots=True)
class ClockAnchor:
    """At the machine's UTC instant ``real_at_ms`` it was ``business_at_ms``; since then ``speed``.

    The same anchor gives every process of a simulation the same business time.
    """

    business_at_ms: int
    real_at_ms: int
    speed: float


class SystemClock:
    """The machine's own clocks."""

    speed = 1.0

    def now(self) -> Instant:
        """Boot clock and UTC."""
        return Instant(boot_ms=_boot_ns() // 1_000_000, wall_ms=time.time_ns() // 1_000_000)

    def real_s(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def since_boot_s(self) -> float:
        """Seconds since boot, sleep included."""
        return _boot_ns() / 1_000_000_000


class ScaledClock:
    """Business time ``speed`` times as fast as real time, for simulated clubs."""

    def __init__(self, anchor: ClockAnchor) -> None:
        if anchor.speed <= 0:
            raise ValueError("speed must be positive")
        self._anchor = anchor
        self.speed = anchor.speed

    def now(self) -> Instant:
        """Both business clocks, scaled."""
        elapsed_ms = time.time_ns() / 1_000_000 - self._anchor.real_at_ms
        return Instant(
            boot_ms=int(_boot_ns() / 1_000_000 * self.speed),
            wall_ms=self._anchor.business_at_ms + int(elapsed_ms * self.speed),
        )

    def real_s(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()


def time_of_day() -> str:
    """``HH:MM`` on the PC's own wall: for eyes, never for decisions."""
    return time.strftime("%H:%M")


class MovedClock:
    """A PC's clocks, with a calendar that somebody moves by hand and boots that begin anew."""

    def __init__(self, clock: PcClock) -> None:
        self._clock = clock
        self.speed = clock.speed
        self.moved_ms = 0
        self._booted_ms = 0

    def boot(self) -> None:
        """The boot clock begins at zero."""
        self._booted_ms = self._clock.now().boot_ms

    def now(self) -> Instant:
        """The boot clock since the last boot, and UTC as it was set."""
        now = self._clock.now()
        return Instant(now.boot_ms - self._booted_ms, now.wall_ms + self.moved_ms)

    def real_s(self) -> float:
        """Monotonic seconds."""
        return self._clock.real_s()


def clock_for(anchor: ClockAnchor | None) -> PcClock:
    """The machine's own clock without an anchor."""
    return SystemClock() if anchor is None else ScaledClock(anchor)


# Plain monotonic time stops while Linux sleeps, and what it is on Windows depends on Python.
if sys.platform == "linux":

    def _boot_ns() -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

elif sys.platform == "win32":
    import ctypes

    _tick_count_ms = ctypes.windll.kernel32.GetTickCount64
    _tick_count_ms.argtypes = ()
    _tick_count_ms.restype = ctypes.c_uint64

    def _boot_ns() -> int:
        return int(_tick_count_ms()) * 1_000_000

else:

    def _boot_ns() -> int:
        return time.monotonic_ns()
