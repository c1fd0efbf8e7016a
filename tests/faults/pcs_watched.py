"""Everything said to PCs and by them on the broker, with when it was heard."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

from faulted_house import machine_ms

from schemas.codec import decode
from schemas.device import DesiredDocument, PcMode, Reported
from schemas.link import GmqttLink
from schemas.link_port import LinkSettings, parse_mqtt_url
from schemas.topics import PREFIX, DownLeaf, UpLeaf, parse_pc_topic

EVERY_TARGET = f"{PREFIX}/+/pc/+/down/{DownLeaf.DESIRED.value}"
EVERY_ORDER = f"{PREFIX}/+/pc/+/down/{DownLeaf.CMD.value}"
EVERY_REPORT = f"{PREFIX}/+/pc/+/up/{UpLeaf.REPORTED.value}"
RETAINED_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Said:
    """One target for a PC, or a PC's word on what it obeys; ``at_ms`` is the machine's UTC."""

    at_ms: int
    pc_id: str
    version: tuple[int, int]
    mode: PcMode
    session_id: str | None
    retained: bool


@dataclass
class PcWatch:
    """A listener on the broker beside the hosts and the PCs."""

    targets: list[Said] = field(default_factory=list)
    reports: list[Said] = field(default_factory=list)
    orders: list[tuple[int, str]] = field(default_factory=list)

    def on_message(self, topic: str, payload: bytes, retain: bool) -> None:
        address = parse_pc_topic(topic)
        assert address is not None, topic
        at_ms = machine_ms()
        message = decode(address.leaf, payload)
        if isinstance(message, DesiredDocument):
            version = (message.version.epoch, message.version.rev)
            self.targets.append(
                Said(at_ms, address.pc_id, version, message.mode, message.session_id, retain)
            )
        elif isinstance(message, Reported):
            applied = message.applied
            version = (0, 0) if applied is None else (applied.epoch, applied.rev)
            self.reports.append(
                Said(at_ms, address.pc_id, version, message.mode, message.session_id, retain)
            )
        else:
            self.orders.append((at_ms, address.pc_id))

    def on_connected(self) -> None:
        """Subscribed anew; retained messages come again and are marked so."""

    def on_disconnected(self, reason: str) -> None:
        """The broker is away; so is everybody."""

    def locks_since(self, since_ms: int) -> list[Said]:
        """Words of PCs that they are locked."""
        return [
            one
            for one in self.reports
            if one.at_ms >= since_ms and not one.retained and one.mode is PcMode.LOCKED
        ]

    def went_back(self) -> list[Said]:
        """Words of PCs that obey an older target than they did."""
        newest: dict[str, tuple[int, int]] = {}
        found = []
        for one in self.reports:
            if one.version < newest.get(one.pc_id, (0, 0)):
                found.append(one)
            newest[one.pc_id] = max(one.version, newest.get(one.pc_id, (0, 0)))
        return found

    def from_before(self, epoch: int, pcs: frozenset[str], since_ms: int) -> list[Said]:
        """Targets of an owner before ``epoch`` for these PCs, published since."""
        return [
            one
            for one in self.targets
            if one.pc_id in pcs
            and one.version[0] < epoch
            and one.at_ms >= since_ms
            and not one.retained
        ]


@asynccontextmanager
async def watched_pcs(mqtt_url: str, *filters: str) -> AsyncIterator[PcWatch]:
    """Listen to all PCs of all clubs, or to these filters alone."""
    watch, address = PcWatch(), parse_mqtt_url(mqtt_url)
    settings = LinkSettings(address.host, address.port, f"watch-{time.monotonic_ns()}")
    link = GmqttLink(settings, watch, mono_s=time.monotonic, random=Random(1))
    for one in filters or (EVERY_TARGET, EVERY_ORDER, EVERY_REPORT):
        link.subscribe(one)
    link.start()
    try:
        while not link.connected:  # noqa: ASYNC110 - the link offers nothing to wait for
            await asyncio.sleep(0.02)
        yield watch
    finally:
        await link.abort()


async def retained_targets(mqtt_url: str) -> dict[str, tuple[int, int]]:
    """What a PC that connects now would be told, by PC."""
    async with watched_pcs(mqtt_url, EVERY_TARGET) as watch:
        await asyncio.sleep(RETAINED_WITHIN_S)
        return {one.pc_id: one.version for one in watch.targets if one.retained}
