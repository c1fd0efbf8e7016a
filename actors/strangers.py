"""Devices nobody knows, and PCs that are two: what a host notices of who speaks on the broker.

Both are facts for staff and for the broker's rules. What a stranger says has been dropped before.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Final

import orjson

STRANGERS_MAX: Final = 256
"""Strangers remembered by one host; whoever was silent longest is forgotten first."""
STRANGERS_SNAPSHOT: Final = "strangers:"
STRANGERS_TTL_MS: Final = 15 * 60_000
CLONE_RETURNS: Final = 2
"""A boot that ended does not come back. One return could be a message that was late; two are
another machine under the same name."""
CLONE_WINDOW_MS: Final = 10 * 60_000
BOOTS_REMEMBERED: Final = 4


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

    def known_now(self, club_id: str, pc_id: str) -> None:
        """It is a PC of the club after all."""
        if self._heard.pop((club_id, pc_id), None) is not None:
            self.changed = True

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


@dataclass(slots=True)
class _Boots:
    order: list[str] = field(default_factory=list)
    current: str = ""
    returns_at_ms: list[int] = field(default_factory=list)


@dataclass(slots=True)
class CloneWatch:
    """Boot ids of each PC's births, in the order they were heard."""

    _pcs: dict[tuple[str, str], _Boots] = field(default_factory=dict)

    def born(self, place: tuple[str, str], boot_id: str, now_ms: int) -> tuple[str, ...]:
        """Note a birth of the PC (club, PC); the boots that take turns, empty while none do."""
        boots = self._pcs.setdefault(place, _Boots())
        if boot_id == boots.current:
            return ()
        returned = boot_id in boots.order
        boots.current = boot_id
        if not returned:
            boots.order = [*boots.order, boot_id][-BOOTS_REMEMBERED:]
            return ()
        recent = [at for at in boots.returns_at_ms if at > now_ms - CLONE_WINDOW_MS]
        boots.returns_at_ms = [*recent, now_ms][-CLONE_RETURNS:]
        if len(boots.returns_at_ms) < CLONE_RETURNS:
            return ()
        clones = tuple(boots.order)
        self._pcs[place] = _Boots()
        return clones

    def forget(self, place: tuple[str, str]) -> None:
        """The PC is not heard here any more."""
        self._pcs.pop(place, None)
