"""A PC says what it has to say in a few messages a second; more is not listened to.

The broker limits how large and how many at a time, not how often. Whatever matters is sent again
until it is acknowledged, so a PC that had much to tell loses nothing but time.
"""

from dataclasses import dataclass, field
from typing import Final

MESSAGES_PER_S: Final = 20
BURST: Final = 400
"""A journal of a long outage, and a reconnect on top of it."""


@dataclass(slots=True)
class FloodGate:
    """One bucket per PC, by (club, PC); only PCs that exist may be asked about."""

    _buckets: dict[tuple[str, str], tuple[float, int]] = field(default_factory=dict)

    def admits(self, place: tuple[str, str], now_mono_ms: int) -> bool:
        """Whether one more message of this PC is listened to now."""
        left, at_ms = self._buckets.get(place, (float(BURST), now_mono_ms))
        earned = max(0, now_mono_ms - at_ms) * MESSAGES_PER_S / 1_000
        left = min(float(BURST), left + earned)
        admitted = left >= 1
        self._buckets[place] = (left - 1 if admitted else left, now_mono_ms)
        return admitted
