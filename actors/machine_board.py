"""What PCs told of themselves as machines, kept for whoever looks at one: soft, and not history."""

from dataclasses import dataclass, field
from typing import Final

import orjson

from actors.clock import Clock
from actors.store import Snapshots, StoreUnavailableError
from schemas.codec import UpMessage
from schemas.device import Birth, Heartbeat
from schemas.machine_facts import HardwareFacts, MachineFacts
from schemas.topics import PcTopic

MACHINES_SNAPSHOT: Final = "machines:"
"""``machines:<club>``: JSON of PC id -> :class:`MachineView`."""
MACHINES_TTL_MS: Final = 120_000
PUBLISH_EVERY_MS: Final = 15_000


@dataclass(frozen=True, slots=True)
class MachineView:
    """A PC's machine: what it is (None before its birth was heard here) and how it was doing."""

    at_ms: int
    machine: MachineFacts | None = None
    hardware: HardwareFacts | None = None


@dataclass(slots=True)
class MachineBoard:
    """One for a host; bounded by its PCs, because strangers never get here."""

    clock: Clock
    _views: dict[str, dict[str, MachineView]] = field(default_factory=dict)
    _changed: set[str] = field(default_factory=set)
    _published_at_ms: int | None = None

    def hear(self, address: PcTopic, message: UpMessage) -> None:
        """Take what a birth or a heartbeat says of its machine, if it says anything."""
        views = self._views.setdefault(address.club_id, {})
        known = views.get(address.pc_id)
        at_ms = self.clock.wall_ms()
        if isinstance(message, Birth) and message.machine is not None:
            hardware = None if known is None else known.hardware
            views[address.pc_id] = MachineView(at_ms, message.machine, hardware)
        elif isinstance(message, Heartbeat) and message.hardware is not None:
            machine = None if known is None else known.machine
            views[address.pc_id] = MachineView(at_ms, machine, message.hardware)
        else:
            return
        self._changed.add(address.club_id)

    async def publish(self, store: Snapshots) -> None:
        """Write the clubs that changed, at most every ``PUBLISH_EVERY_MS``."""
        now_ms, last_ms = self.clock.mono_ms(), self._published_at_ms
        if not self._changed or (last_ms is not None and now_ms - last_ms < PUBLISH_EVERY_MS):
            return
        self._published_at_ms = now_ms
        while self._changed:
            club_id = self._changed.pop()
            blob = orjson.dumps({pc_id: _plain(one) for pc_id, one in self._views[club_id].items()})
            try:
                name = f"{MACHINES_SNAPSHOT}{club_id}"
                await store.put_snapshot(name, blob, ttl_ms=MACHINES_TTL_MS)
            except StoreUnavailableError:
                self._changed.add(club_id)
                raise


def machine_in(blob: bytes, pc_id: str) -> MachineView | None:
    """One PC of a snapshot."""
    found = orjson.loads(blob).get(pc_id)
    if found is None:
        return None
    machine, hardware = found["machine"], found["hardware"]
    return MachineView(
        at_ms=found["at_ms"],
        machine=None if machine is None else MachineFacts.model_validate(machine),
        hardware=None if hardware is None else HardwareFacts.model_validate(hardware),
    )


def _plain(view: MachineView) -> dict[str, object]:
    return {
        "at_ms": view.at_ms,
        "machine": None if view.machine is None else view.machine.model_dump(),
        "hardware": None if view.hardware is None else view.hardware.model_dump(),
    }
