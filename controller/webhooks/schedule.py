"""When a delivery that was not taken is tried again."""

from random import Random
from typing import Final

_SECOND, _MINUTE, _HOUR = 1_000, 60_000, 3_600_000
DELAYS_MS: Final = (
    *(5 * _SECOND, 30 * _SECOND, 2 * _MINUTE, 10 * _MINUTE, 30 * _MINUTE),
    *(1 * _HOUR, 2 * _HOUR, 4 * _HOUR, 8 * _HOUR),
    *(12 * _HOUR,) * 5,
)
"""From attempt to attempt: more than three days, then it is a dead letter."""
JITTER: Final = 0.2


def next_attempt_at_ms(attempts: int, now_ms: int, random: Random) -> int | None:
    """When to try again after this many attempts; None: never."""
    if attempts > len(DELAYS_MS):
        return None
    spread = random.uniform(1 - JITTER, 1 + JITTER)
    return now_ms + int(DELAYS_MS[attempts - 1] * spread)
