"""Entities that fail: tried again with growing pauses, parked when they keep failing.

A parked entity is left alone but for a try every five minutes; it also is tried when a command is
sent to it, when the catalogue changes and when its shard is loaded anew. Its PC keeps the coverage
it was last granted, and every other entity goes on.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Final

import orjson

from actors.club_events import CLUB_KEY_PREFIX
from actors.store import ENDED_KEY_PREFIX, SESSION_KEY_PREFIX, ShardId
from actors.turn import CarriedOut, CommandInput, Input, Now, PcInput, PlayerInput, WalletInput
from actors.workspace import PC_KEY_PREFIX, pc_key

FAILURES_MAX: Final = 5
FAILURES_WINDOW_MS: Final = 60_000
RETRY_FIRST_MS: Final = 200
PARKED_RETRY_MS: Final = 300_000
"""A cause outside (a full account, a document being repaired) may be gone by then."""
_HELD: Final = (SESSION_KEY_PREFIX, PC_KEY_PREFIX, ENDED_KEY_PREFIX, CLUB_KEY_PREFIX)


@dataclass(frozen=True, slots=True)
class Parked:
    """An entity left alone since an instant (business time), and why."""

    since_ms: int
    reason: str


QUARANTINE_SNAPSHOT: Final = "quarantine:"
QUARANTINE_TTL_MS: Final = 15_000
LISTED_MAX: Final = 1_000
"""Parked entities one host tells of; the gauge counts all."""


def snapshot_of(shards: Iterable[tuple[ShardId, "Quarantine"]]) -> bytes:
    """What a host's shards have parked, for whoever asks another process."""
    parked = [
        {"shard": str(shard), "entity": key, **asdict(one)}
        for shard, quarantine in shards
        for key, one in quarantine.parked.items()
    ]
    return orjson.dumps(parked[:LISTED_MAX])


@dataclass(slots=True)
class Quarantine:
    """Failures per entity on the monotonic clock; what comes from outside is not held."""

    _failures: dict[str, deque[int]] = field(default_factory=dict)
    parked: dict[str, Parked] = field(default_factory=dict)

    def failed(self, key: str, now: Now, reason: str) -> int | None:
        """Note a failure; ms to wait before the next try, None if there is nothing to try."""
        if not key.startswith(_HELD):
            return None
        recent = self._failures.setdefault(key, deque(maxlen=FAILURES_MAX))
        recent.append(now.mono_ms)
        within = now.mono_ms - recent[0] <= FAILURES_WINDOW_MS
        if len(recent) == FAILURES_MAX and within and key not in self.parked:
            self.parked[key] = Parked(now.wall_ms, reason)
        if key in self.parked:
            return PARKED_RETRY_MS
        pause_ms: int = RETRY_FIRST_MS * 2 ** (len(recent) - 1)
        return pause_ms

    def succeeded(self, key: str) -> bool:
        """Forget what went wrong before; whether the entity was parked."""
        if key in self._failures:
            del self._failures[key]
        return self.parked.pop(key, None) is not None


def blamed_for(one: Input) -> str:
    """What a failure of an input counts against."""
    if isinstance(one, CommandInput):
        return f"command:{one.envelope.idempotency_key}"
    if isinstance(one, PcInput):
        return pc_key(one.pc_id)
    if isinstance(one, PlayerInput):
        return f"player:{one.player_id}"
    if isinstance(one, CarriedOut):
        return f"order:{one.answer.command_id}"
    return f"wallet:{one.key.holder_id}" if isinstance(one, WalletInput) else "link"
