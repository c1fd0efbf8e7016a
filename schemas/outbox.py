"""Messages on their way to a broker: waiting, in flight, acknowledged. Pure; no connection here."""

from collections import OrderedDict

from schemas.hot_value import hot_value
from schemas.link_port import LinkStats, Outgoing


@hot_value(frozen=True, slots=True)
class Queued:
    """A message, and the steady instants after which it is worthless, and not to be sent."""

    message: Outgoing
    expires_at_s: float | None
    held_until_s: float | None = None

    def may_leave(self, now_s: float) -> bool:
        """Whether it is still worth sending, and its sender's to say."""
        ends = (self.expires_at_s, self.held_until_s)
        return all(end_s is None or end_s > now_s for end_s in ends)

    def remaining_s(self, now_s: float) -> int | None:
        """Whole seconds left to live, at least 1; None for a message that lives for ever."""
        if self.expires_at_s is None:
            return None
        return max(1, round(self.expires_at_s - now_s))


class Outbox:
    """QoS 1 messages that no broker has acknowledged yet, oldest first, at most ``limit`` waiting.

    What was in flight when a connection broke comes back to the head through ``give_back``, on
    top of the limit: it was accepted once and is never refused later.
    """

    def __init__(self, limit: int, stats: LinkStats) -> None:
        self._limit = limit
        self._stats = stats
        self._waiting: OrderedDict[str | int, Queued] = OrderedDict()
        self._next_key = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def offer(self, message: Outgoing, now_s: float) -> bool:
        """Accept ``message`` unless full; a retained one replaces the unsent one of its topic."""
        key = self._key(message)
        if key in self._waiting:
            self._stats.superseded += 1
        elif len(self._waiting) >= self._limit:
            self._stats.rejected += 1
            return False
        expires_at_s = None if message.expiry_s is None else now_s + message.expiry_s
        held_until_s = None if message.held_s is None else now_s + message.held_s
        self._waiting[key] = Queued(message, expires_at_s, held_until_s)
        return True

    def take(self, now_s: float) -> Queued | None:
        """Remove and return the oldest message still worth sending."""
        while self._waiting:
            _, queued = self._waiting.popitem(last=False)
            if queued.may_leave(now_s):
                return queued
            self._stats.expired += 1
        return None

    def give_back(self, in_flight: list[Queued]) -> None:
        """Put unacknowledged messages (oldest first) back to the head of the queue.

        A retained one is dropped when a newer one of its topic is waiting: one slot, last wins.
        """
        for queued in reversed(in_flight):
            key = self._key(queued.message)
            if key in self._waiting:
                self._stats.superseded += 1
                continue
            self._waiting[key] = queued
            self._waiting.move_to_end(key, last=False)

    def _key(self, message: Outgoing) -> str | int:
        if message.retain:
            return message.topic
        self._next_key += 1
        return self._next_key
