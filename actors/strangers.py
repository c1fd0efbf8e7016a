"""Devices nobody knows: what a host has heard from names that are no PCs of their club.

What they say is dropped. That they speak is for staff to know.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Final

import orjson

from actors.store import Snapshots

STRANGERS_MAX: Final = 256
"""Strangers remembered by one host; whoever was silent longest is forgotten first."""
STRANGERS_SNAPSHOT: Final = "strangers:"
STRANGERS_TTL_MS: Final = 15 * 60_000


@dataclass(frozen=True, slots=True)
class Stranger:
    """Somebody who speaks as a PC that the club does not have."""

    club_id: str
    pc_id: str
    messages: int
    last_seen_at_ms: int


@dataclass(slots=True)
class Strangers:
    """The strangers one host has heard, by (club, PC)."""

    _heard: OrderedDict[tuple[str, str], Stranger] = field(default_factory=OrderedDict)
    changed: bool = False

    def heard(self, club_id: str, pc_id: str, now_ms: int) -> None:
        """Count a message of somebody nobody knows."""
        place = (club_id, pc_id)
        before = self._heard.get(place)
        messages = 1 if before is None else before.messages + 1
        self._heard[place] = Stranger(club_id, pc_id, messages, now_ms)
        self._heard.move_to_end(place)
        if len(self._heard) > STRANGERS_MAX:
            self._heard.popitem(last=False)
        self.changed = True

    async def publish(self, store: Snapshots, host: str) -> None:
        """Say who was heard since the last time, under this host's name."""
        if self.changed:
            name = f"{STRANGERS_SNAPSHOT}{host}"
            await store.put_snapshot(name, self.snapshot(), ttl_ms=STRANGERS_TTL_MS)

    def snapshot(self) -> bytes:
        """All of them, for whoever asks another process."""
        self.changed = False
        return orjson.dumps([asdict(one) for one in self._heard.values()])


def strangers_in(snapshots: Iterable[bytes], club_id: str) -> tuple[Stranger, ...]:
    """The strangers of a club out of several hosts' snapshots, the newest word of each."""
    newest: dict[str, Stranger] = {}
    for snapshot in snapshots:
        for one in (Stranger(**each) for each in orjson.loads(snapshot)):
            known = newest.get(one.pc_id)
            if one.club_id == club_id and (
                known is None or one.last_seen_at_ms > known.last_seen_at_ms
            ):
                newest[one.pc_id] = one
    return tuple(sorted(newest.values(), key=lambda one: one.pc_id))
