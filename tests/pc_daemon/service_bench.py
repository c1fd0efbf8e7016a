"""One PC on the in-memory broker, and the controller's end of the wire."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from brokers_under_test import Listener

from pc_daemon.agent_state import Identity, MemoryImage, Screen
from pc_daemon.clock import PcClock, SystemClock
from pc_daemon.journal import MemoryJournal
from pc_daemon.lockers import Deadlines, LockerError, NullLocker, ScreenHeard, ScreenLocker
from pc_daemon.machine import Machine
from pc_daemon.service import AgentService, Surroundings
from schemas.codec import DeviceMessage, decode, encode
from schemas.device import (
    CoverageLease,
    DesiredDocument,
    PcMode,
    Presence,
    PresenceReason,
    UsageAck,
)
from schemas.link_memory import MemoryBroker, MemoryLink
from schemas.link_port import LinkSettings, Outgoing
from schemas.topics import DownLeaf, club_up_filter, parse_pc_topic, pc_topic

IDENTITY = Identity(club_id="club", pc_id="pc1", boot_id="boot-1", agent_version="1")


class FlakyLocker(NullLocker):
    broken = False
    mute = False

    def __init__(self, tried: list[str]) -> None:
        super().__init__()
        self.tried = tried

    def attach(self, hear: Callable[[ScreenHeard], None]) -> None:
        self.hear = hear

    def notify(self, text: str) -> None:
        self._tried("notify")
        super().notify(text)

    def identify(self, for_ms: int) -> None:
        self._tried("identify")
        super().identify(for_ms)

    def _tried(self, what: str) -> None:
        self.tried.append(what)
        if self.mute:
            raise LockerError("it cannot show that")

    def show(self, screen: Screen, deadlines: Deadlines) -> None:
        self.check()
        super().show(screen, deadlines)

    def check(self) -> None:
        if self.broken:
            raise LockerError("no display")


class FullDisk(MemoryJournal):
    full = False

    def save(self, image: MemoryImage) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        super().save(image)


@dataclass
class Club:
    """The controller's end of the wire, and one PC."""

    clock: PcClock = field(default_factory=SystemClock)
    heartbeat_s: float = 0.1
    session_expiry_s: int = 300
    """How long the broker keeps the session of the PC when its connection broke."""
    screen: ScreenLocker | None = None
    """Its real screen, where one is looked at; else one that remembers."""

    def __post_init__(self) -> None:
        self.broker = MemoryBroker(time.monotonic)
        self.heard = Listener()
        self.link = MemoryLink(self._settings("controller"), self.heard, broker=self.broker)
        self.link.subscribe(club_up_filter("club"))
        self.link.start()
        self.tried: list[str] = []
        self.locker = FlakyLocker(self.tried)
        self.journal = FullDisk()
        self.reboots: list[str] = []
        self.reboot: Callable[[], None] = lambda: self.reboots.append("now")
        self.service = self.make_service()

    def _settings(self, client_id: str) -> LinkSettings:
        is_pc = client_id == "club.pc1"
        expiry_s = self.session_expiry_s if is_pc else 300
        return LinkSettings("memory", 0, client_id, session_expiry_s=expiry_s)

    def make_service(self) -> AgentService:
        return AgentService(
            IDENTITY,
            Surroundings(
                clock=self.clock,
                random=Random(1),
                journal=self.journal,
                locker=self.screen or self.locker,
                make_link=lambda host, will: MemoryLink(
                    self._settings("club.pc1"), host, broker=self.broker, will=will
                ),
                machine=Machine(
                    restart=lambda: self.reboot(),  # noqa: PLW0108 - replaced later
                    wake=self._wake,
                ),
                heartbeat_s=self.heartbeat_s,
            ),
        )

    def _wake(self, _mac: str) -> None:
        self.tried.append("wake")
        raise OSError(101, "Network is unreachable")

    def say(self, leaf: DownLeaf, payload: bytes, *, retain: bool = False) -> None:
        self.link.publish(Outgoing(pc_topic("club", "pc1", leaf), payload, retain=retain))

    def desire(self, rev: int, minutes: float | None) -> None:
        now = self.clock.now()
        granted = None
        if minutes is not None:
            duration_ms = int(minutes * 60_000)
            granted = CoverageLease(
                lease_id="s1",
                pc_id="pc1",
                session_id="s1",
                seq=rev,
                epoch=1,
                issued_at_ms=now.wall_ms,
                duration_ms=duration_ms,
                hard_stop_at_ms=now.wall_ms + duration_ms,
            )
        document = DesiredDocument(
            epoch=1,
            rev=rev,
            mode=PcMode.LOCKED if granted is None else PcMode.UNLOCKED,
            session_id=None if granted is None else "s1",
            lease=granted,
        )
        self.say(DownLeaf.DESIRED, encode(document), retain=True)

    def acknowledge(self) -> None:
        last = self.service.state.usage.entries[-1]
        self.say(DownLeaf.ACK, encode(UsageAck(boot_id=last.boot_id, seq=last.seq)))

    def messages(self) -> list[DeviceMessage]:
        found = []
        for topic, payload, _ in self.heard.messages:
            address = parse_pc_topic(topic)
            assert address is not None
            found.append(decode(address.leaf, payload))
        return found

    def last(self, kind: type[DeviceMessage]) -> DeviceMessage | None:
        return next((m for m in reversed(self.messages()) if isinstance(m, kind)), None)

    @property
    def mode(self) -> PcMode | None:
        return None if self.locker.screen is None else self.locker.screen.mode


def reason_of(club: Club) -> PresenceReason | None:
    presence = club.last(Presence)
    return presence.reason if isinstance(presence, Presence) else None
