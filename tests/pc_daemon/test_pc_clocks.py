"""Which clock of the machine a PC counts its leases on."""

import sys
import time

import pytest

from pc_daemon.clock import ClockAnchor, PcClock, ScaledClock, SystemClock


@pytest.mark.parametrize("clock", [SystemClock(), ScaledClock(ClockAnchor(0, 0, 1.0))])
def test_a_lease_is_counted_through_sleep(clock: PcClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other clock of Linux stands still meanwhile, or is set by whoever likes."""
    assert sys.platform == "linux"
    asked: list[int] = []

    def read(clock_id: int) -> int:
        asked.append(clock_id)
        return 7_200_000_000_000

    monkeypatch.setattr(time, "clock_gettime_ns", read)
    assert clock.now().boot_ms == 7_200_000
    assert asked == [time.CLOCK_BOOTTIME]
