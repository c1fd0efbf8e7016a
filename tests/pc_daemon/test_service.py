"""An agent as it runs: on the in-memory broker, with a screen that is looked at."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from random import Random

import pytest
from brokers_under_test import Listener, eventually

from pc_daemon.agent_state import Identity, MemoryImage, Screen
from pc_daemon.clock import ClockAnchor, PcClock, ScaledClock, SystemClock
from pc_daemon.journal import MemoryJournal
from pc_daemon.lockers import Deadlines, LockerError, NullLocker, ScreenHeard, ScreenNews
from pc_daemon.machine import Machine
from pc_daemon.service import AgentService, Surroundings
from schemas.codec import DeviceMessage, decode, encode
from schemas.device import (
    AgentFault,
    Birth,
    CoverageLease,
    DesiredDocument,
    DeviceCommand,
    DeviceCommandKind,
    Heartbeat,
    PcMode,
    Presence,
    PresenceReason,
    Reported,
    UsageAck,
    UsageBatch,
)
from schemas.journal_events import JournalEventKind
from schemas.link_memory import MemoryBroker, MemoryLink
from schemas.link_port import LinkSettings, Outgoing
from schemas.topics import DownLeaf, club_up_filter, parse_pc_topic, pc_topic

IDENTITY = Identity(club_id="club", pc_id="pc1", boot_id="boot-1", agent_version="1")


class FlakyLocker(NullLocker):
    broken = False

    def attach(self, hear: Callable[[ScreenHeard], None]) -> None:
        self.hear = hear

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

    def __post_init__(self) -> None:
        self.broker = MemoryBroker(time.monotonic)
        self.heard = Listener()
        self.link = MemoryLink(self._settings("controller"), self.heard, broker=self.broker)
        self.link.subscribe(club_up_filter("club"))
        self.link.start()
        self.locker = FlakyLocker()
        self.journal = FullDisk()
        self.reboots: list[str] = []
        self.reboot: Callable[[], None] = lambda: self.reboots.append("now")
        self.service = self.make_service()

    def _settings(self, client_id: str) -> LinkSettings:
        return LinkSettings("memory", 0, client_id)

    def make_service(self) -> AgentService:
        return AgentService(
            IDENTITY,
            Surroundings(
                clock=self.clock,
                random=Random(1),
                journal=self.journal,
                locker=self.locker,
                make_link=lambda host, will: MemoryLink(
                    self._settings("club.pc1"), host, broker=self.broker, will=will
                ),
                machine=Machine(restart=lambda: self.reboot()),  # noqa: PLW0108 - replaced later
                heartbeat_s=self.heartbeat_s,
            ),
        )

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


@pytest.fixture
async def club() -> AsyncIterator[Club]:
    under_test = Club()
    under_test.service.start()
    await eventually(lambda: under_test.last(Reported))
    yield under_test
    await under_test.service.kill()


async def test_it_introduces_itself_before_it_reports_and_then_beats(club: Club) -> None:
    await eventually(lambda: sum(isinstance(m, Heartbeat) for m in club.messages()) >= 3)

    kinds = [type(message) for message in club.messages()]
    assert kinds[:3] == [Birth, Presence, Reported]
    assert kinds[3] is UsageBatch
    assert set(kinds[4:]) == {Heartbeat}


async def test_it_unlocks_on_a_lease_and_locks_when_the_document_says_so(club: Club) -> None:
    club.acknowledge()
    club.desire(1, minutes=30)
    await eventually(lambda: club.mode is PcMode.UNLOCKED)
    assert club.locker.deadlines.lock_after_ms is not None
    assert 29 * 60_000 < club.locker.deadlines.lock_after_ms <= 30 * 60_000

    club.desire(2, minutes=None)
    await eventually(lambda: club.mode is PcMode.LOCKED)
    await eventually(lambda: club.service.state.usage.records)
    assert club.journal.load().entries == club.service.state.usage.records

    club.acknowledge()
    await eventually(lambda: not club.service.state.usage.records)
    assert club.journal.load().entries == ()


async def test_a_withdrawn_document_locks(club: Club) -> None:
    club.desire(1, minutes=30)
    await eventually(lambda: club.mode is PcMode.UNLOCKED)

    club.say(DownLeaf.DESIRED, b"", retain=True)

    await eventually(lambda: club.mode is PcMode.LOCKED)


async def test_it_locks_on_time_without_anybody_at_the_other_end(club: Club) -> None:
    club.desire(1, minutes=0.5 / 60)
    await eventually(lambda: club.mode is PcMode.UNLOCKED)
    club.broker.stop()

    await eventually(lambda: club.mode is PcMode.LOCKED, timeout_s=3)

    assert not club.service.link.connected


async def test_business_time_locks_and_real_time_beats_in_a_fast_simulation() -> None:
    speed = 600.0
    anchor = ClockAnchor(
        business_at_ms=1_900_000_000_000, real_at_ms=time.time_ns() // 1_000_000, speed=speed
    )
    club = Club(clock=ScaledClock(anchor), heartbeat_s=0.3)
    club.service.start()
    await eventually(lambda: club.last(Reported))

    club.desire(1, minutes=10)
    await eventually(lambda: club.mode is PcMode.UNLOCKED)
    assert club.locker.deadlines.lock_after_ms is not None
    assert club.locker.deadlines.lock_after_ms <= 10 * 60_000 / speed
    started = time.monotonic()
    await eventually(lambda: club.mode is PcMode.LOCKED)

    assert 0.7 < time.monotonic() - started < 2.5
    beats = sum(isinstance(m, Heartbeat) for m in club.messages())
    assert beats <= 8
    await club.service.kill()


@pytest.mark.parametrize(
    "payload",
    [b"{", b"\xff\xfe", b'{"v": 2}', b'{"v": 1, "epoch": -1}', b"[]", b"x" * 5_000],
)
async def test_malformed_documents_are_counted_and_change_nothing(
    club: Club, payload: bytes
) -> None:
    club.desire(1, minutes=30)
    await eventually(lambda: club.mode is PcMode.UNLOCKED)

    club.say(DownLeaf.DESIRED, payload)

    await eventually(lambda: club.service.stats.malformed == 1)
    assert club.mode is PcMode.UNLOCKED


async def test_a_broken_screen_is_reported_and_heals(club: Club) -> None:
    club.locker.broken = True
    await eventually(lambda: _errors(club) == (AgentFault.LOCKER_FAILED,))
    beat = club.last(Heartbeat)

    club.locker.broken = False
    await eventually(lambda: _errors(club) == ())

    assert beat is not None
    assert club.mode is PcMode.LOCKED


async def test_who_works_against_the_screen_is_in_the_journal(club: Club) -> None:
    for news in (ScreenNews.HIDDEN, ScreenNews.INPUT_HELD, ScreenNews.TAMPERED):
        club.locker.hear(ScreenHeard(news))

    def details() -> list[str]:
        told = (one for one in club.messages() if isinstance(one, UsageBatch))
        events = (event for report in told for event in report.events)
        return [one.detail for one in events if one.kind is JournalEventKind.TAMPER]

    await eventually(lambda: len(set(details())) == 3)


async def test_a_full_disk_is_reported_and_heals_and_locks_nobody_out(club: Club) -> None:
    club.journal.full = True
    club.desire(1, minutes=30)
    await eventually(lambda: _errors(club) == (AgentFault.JOURNAL_FAILED,))
    assert club.mode is PcMode.UNLOCKED

    club.journal.full = False
    await eventually(lambda: _errors(club) == ())

    memory = club.journal.load()
    assert memory.image is not None
    assert memory.image.document is not None
    assert [entry.boot_id for entry in memory.entries] == ["boot-1"]


def _errors(club: Club) -> tuple[AgentFault, ...] | None:
    report = club.last(Reported)
    return report.errors if isinstance(report, Reported) else None


async def test_a_restarted_agent_goes_on_where_the_journal_says(club: Club) -> None:
    club.desire(1, minutes=30)
    await eventually(lambda: club.mode is PcMode.UNLOCKED)
    await club.service.kill()
    club.broker.stop()
    club.locker.screen = None

    club.service = club.make_service()
    club.service.start()

    assert club.mode is PcMode.UNLOCKED


async def test_a_clean_stop_says_goodbye_and_no_will_follows(club: Club) -> None:
    await club.service.stop(PresenceReason.SHUTDOWN)
    await eventually(lambda: _reason(club) is PresenceReason.SHUTDOWN)


async def test_each_connection_has_a_will_of_its_own_epoch(club: Club) -> None:
    first = club.service.state.connection_epoch
    await club.service.link.abort()
    club.service.link.start()
    await eventually(lambda: club.service.link.connected)

    births = [m for m in club.messages() if isinstance(m, Birth)]
    assert first < births[-1].connection_epoch == club.service.state.connection_epoch


def _reason(club: Club) -> PresenceReason | None:
    presence = club.last(Presence)
    return presence.reason if isinstance(presence, Presence) else None


def reboot_order(cmd_id: str) -> bytes:
    order = DeviceCommand(cmd_id=cmd_id, kind=DeviceCommandKind.REBOOT, not_after_ms=2**52)
    return encode(order)


async def test_a_reboot_says_so_first(club: Club) -> None:
    club.say(DownLeaf.CMD, reboot_order("c1"))
    await eventually(lambda: club.reboots)
    await eventually(lambda: _reason(club) is PresenceReason.REBOOT)


async def test_a_reboot_that_is_refused_leaves_the_agent_running(club: Club) -> None:
    def refuse() -> None:
        raise subprocess.CalledProcessError(1, "systemctl")

    club.reboot = refuse
    club.say(DownLeaf.CMD, reboot_order("c1"))

    def reasons() -> list[PresenceReason]:
        return [m.reason for m in club.messages() if isinstance(m, Presence)]

    await eventually(lambda: len(reasons()) == 3)
    assert reasons() == [
        PresenceReason.CONNECTED,
        PresenceReason.REBOOT,
        PresenceReason.CONNECTED,
    ]
    assert club.service.link.connected


async def test_a_message_reaches_the_screen(club: Club) -> None:
    order = DeviceCommand(
        cmd_id="c1", kind=DeviceCommandKind.MESSAGE, not_after_ms=2**52, text="Pizza is here"
    )
    club.say(DownLeaf.CMD, encode(order))
    club.say(DownLeaf.CMD, encode(replace_text(order)))
    await eventually(lambda: club.locker.notices)
    await asyncio.sleep(0.05)
    assert club.locker.notices == ["Pizza is here"]


def replace_text(order: DeviceCommand) -> DeviceCommand:
    return order.model_copy(update={"text": "the same id says nothing new"})
