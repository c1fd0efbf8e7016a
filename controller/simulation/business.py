"""Clocks of simulated processes. True business time is the simulation's; theirs may differ."""

import asyncio
from typing import Final

from pc_daemon.clock import Instant

START_AT_MS: Final = 1_800_000_000_000


class BusinessTime:
    """True business time (UTC ms): ``speed`` times real time, or stepped by hand."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        speed: float,
        stepped: bool,
        start_at_ms: int = START_AT_MS,
    ) -> None:
        self.speed = speed
        self._start_at_ms = start_at_ms
        self._loop = loop
        self._stepped_ms: int | None = 0 if stepped else None

    def now_ms(self) -> int:
        """Now."""
        if self._stepped_ms is not None:
            return self._start_at_ms + self._stepped_ms
        return self._start_at_ms + int(self._loop.time() * 1_000 * self.speed)

    def real_ms(self) -> int:
        """Simulated real milliseconds since the simulation began."""
        return int(self._loop.time() * 1_000)

    def step(self, by_ms: int) -> None:
        """Let business time pass by hand, in no real time at all."""
        assert self._stepped_ms is not None
        self._stepped_ms += by_ms


class HostClock:
    """A host's clocks: its wall clock may be off by ``offset_ms`` business milliseconds."""

    def __init__(self, business: BusinessTime, boot_ms: int) -> None:
        self.speed = business.speed
        self.offset_ms = 0
        self._business = business
        self._boot_ms = boot_ms

    def wall_ms(self) -> int:
        """Business time as this host sees it."""
        return self._business.now_ms() + self.offset_ms

    def mono_ms(self) -> int:
        """Real milliseconds since this host's boot."""
        return self._business.real_ms() + self._boot_ms


class PcClock:
    """A PC's clocks: the wall clock may be set by anyone, the boot clock runs ``rate`` fast."""

    def __init__(self, business: BusinessTime, *, rate: float) -> None:
        self.speed = business.speed
        self.offset_ms = 0
        self._business = business
        self._rate = rate
        self._booted_at_ms = business.now_ms()

    def now(self) -> Instant:
        """Both business clocks as this PC sees them."""
        now_ms = self._business.now_ms()
        boot_ms = int((now_ms - self._booted_at_ms) * self._rate)
        return Instant(boot_ms=boot_ms + 10_000, wall_ms=now_ms + self.offset_ms)

    def real_s(self) -> float:
        """Simulated real seconds."""
        return self._business.real_ms() / 1_000
