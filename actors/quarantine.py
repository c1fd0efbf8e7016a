"""Entities that fail: tried again with growing pauses, parked when they keep failing.

A parked entity is left alone until its shard is loaded anew or a command is sent to it; its PC
keeps the coverage it was last granted, and every other entity goes on.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from actors.store import SESSION_KEY_PREFIX
from actors.workspace import PC_KEY_PREFIX

FAILURES_MAX: Final = 5
FAILURES_WINDOW_MS: Final = 60_000
RETRY_FIRST_MS: Final = 200
RETRY_MAX_MS: Final = 10_000


@dataclass(slots=True)
class Quarantine:
    """Failures per session and PC on the monotonic clock; what comes from outside is not held."""

    _failures: dict[str, deque[int]] = field(default_factory=dict)
    parked: set[str] = field(default_factory=set)

    def failed(self, key: str, now_mono_ms: int) -> int | None:
        """Note a failure; ms to wait before the next try, None when the entity is parked."""
        if not key.startswith((SESSION_KEY_PREFIX, PC_KEY_PREFIX)):
            return None
        recent = self._failures.setdefault(key, deque(maxlen=FAILURES_MAX))
        recent.append(now_mono_ms)
        within = now_mono_ms - recent[0] <= FAILURES_WINDOW_MS
        if len(recent) == FAILURES_MAX and within:
            self.parked.add(key)
            return None
        pause_ms: int = RETRY_FIRST_MS * 2 ** (len(recent) - 1)
        return min(pause_ms, RETRY_MAX_MS)

    def succeeded(self, key: str) -> None:
        """Forget what went wrong before."""
        if key in self._failures:
            del self._failures[key]
        self.parked.discard(key)
