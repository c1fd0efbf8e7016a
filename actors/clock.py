"""Time as hosts and edges are given it: business instants and a steady count of real time."""

import time
from dataclasses import dataclass
from typing import Protocol


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


@dataclass(frozen=True, slots=True)
class ClockAnchor:
    """At the machine's instant ``real_at_ms`` it was ``business_at_ms``; since then ``speed``."""

    business_at_ms: int
    real_at_ms: int
    speed: float


class ScaledClock:
    """Business time runs ``speed`` times as fast as the machine's, in every process alike."""

    def __init__(self, anchor: ClockAnchor) -> None:
        if anchor.speed <= 0:
            raise ValueError("speed must be positive")
        self._anchor = anchor
        self.speed = anchor.speed

    def wall_ms(self) -> int:
        """Business time now."""
        elapsed_ms = time.time_ns() / 1_000_000 - self._anchor.real_at_ms
        return self._anchor.business_at_ms + int(elapsed_ms * self.speed)

    def mono_ms(self) -> int:
        """Real monotonic now: presence and leases of hosts are matters of real time."""
        return time.monotonic_ns() // 1_000_000


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


def clock_for(anchor: ClockAnchor | None) -> Clock:
    """The clock of a process: the machine's own without an anchor."""
    return SystemClock() if anchor is None else ScaledClock(anchor)
