"""When to look at what: a heap per time base, with stale entries dropped when they surface.

An entity's real deadline lives in its state; an entry here is only a reminder to look. So a
deadline that moves later costs nothing until its old reminder surfaces, and one that moves
earlier is one more push.
"""

import heapq
from collections.abc import Iterator


class Deadlines:
    """Reminders by key, on one time base (business ms or monotonic ms)."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []
        self._earliest: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._earliest)

    def remind(self, key: str, at_ms: int | None) -> None:
        """Look at ``key`` no later than ``at_ms``; None needs no reminder."""
        if at_ms is None:
            return
        known = self._earliest.get(key)
        if known is not None and known <= at_ms:
            return
        self._earliest[key] = at_ms
        heapq.heappush(self._heap, (at_ms, key))

    def due(self, now_ms: int) -> Iterator[str]:
        """Take out every key whose reminder has come; the caller reminds again."""
        while self._heap and self._heap[0][0] <= now_ms:
            at_ms, key = heapq.heappop(self._heap)
            if self._earliest.get(key) == at_ms:
                del self._earliest[key]
                yield key

    def next_ms(self) -> int | None:
        """The next reminder, or None."""
        while self._heap and self._earliest.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None
