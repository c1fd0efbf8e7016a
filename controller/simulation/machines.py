"""Hosts, gaming PCs and the archive's worker as processes that start, freeze and die."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final

from actors.host import Host, HostIdentity
from actors.store import Store, StoreUnavailableError
from actors.store_memory import MemoryStore
from actors.telemetry import Telemetry
from controller.archive import Archive, ArchiveConsumer
from controller.simulation.business import BusinessTime, HostClock, PcClock
from controller.simulation.faulty_link import FaultyLink, SimulatedBroker, Weather
from controller.simulation.faulty_store import StoreNetwork
from controller.simulation.town import Seat
from controller.simulation.virtual_loop import NOWHERE, Process, VirtualLoop, at_once
from pc_daemon.agent_state import Identity
from pc_daemon.journal import MemoryJournal
from pc_daemon.lockers import NullLocker
from pc_daemon.service import AgentService, Surroundings
from schemas.codec import decode
from schemas.device import DesiredDocument, PcMode
from schemas.link_port import LinkHost, Outgoing, Will
from schemas.topics import DownLeaf

ARCHIVE_EVERY_S: Final = 3.0
KEEPALIVE_S: Final = 4.5
"""After so long a silence a broker gives a connection up, where the club asks for signs of life
every three seconds."""
STREAM_KEPT: Final = 3
CLOSED_KEPT_MS: Final = 60_000


@dataclass(slots=True)
class Surrounds:
    """What all machines share."""

    loop: VirtualLoop
    seed: int
    chain_id: str
    business: BusinessTime
    network: StoreNetwork
    broker: SimulatedBroker
    weather: Weather
    store: Callable[[str], MemoryStore]
    defects: list[str] = field(default_factory=list)
    telemetry: Telemetry = field(default_factory=Telemetry)
    """Nobody reads it here, so hosts need none of their own."""

    def process(self, name: str) -> Process:
        """A new process with randomness of its own."""
        return Process(name, Random(f"{self.seed}/{name}"))  # noqa: S311 - a simulation's dice


class SimulatedHost(Host):
    """A host that measures itself but does not write it down: text decides nothing here."""

    async def _publish_metrics(self) -> None:
        return


class HostMachine:
    """One host under a name, over any number of processes."""

    def __init__(self, name: str, around: Surrounds) -> None:
        self.name = name
        self._around = around
        self._starts = 0
        self.process: Process | None = None
        self.clock: HostClock | None = None
        self.host: Host | None = None
        self.link: FaultyLink | None = None
        self.starts()

    @property
    def alive(self) -> bool:
        """Whether a process runs (frozen or not)."""
        return self.process is not None

    def starts(self) -> None:
        """A new process takes the name."""
        around = self._around
        self._starts += 1
        process = around.process(f"{self.name}#{self._starts}")
        self.process = process
        self.clock = HostClock(around.business, boot_ms=1_000_000 * self._starts)
        store = around.network.store_of(process, around.store(self.name))
        identity = HostIdentity(self.name, process.name, self._starts, "simulated")

        def connect(host: LinkHost) -> FaultyLink:
            self.link = FaultyLink(process, host, broker=around.broker, weather=around.weather)
            return self.link

        self.host = process.call(
            SimulatedHost,
            identity,
            store=store,
            clock=self.clock,
            connect=connect,
            telemetry=around.telemetry,
        )
        process.spawn(self.host.run()).add_done_callback(self._ended)

    def dies(self) -> None:
        """Everything it was about to do does not happen."""
        process, link = self.process, self.link
        if process is None or link is None:
            return
        process.halted = True
        link.cut()
        self.process = self.host = self.link = self.clock = None

    def freezes(self) -> None:
        """It stands still without knowing."""
        if self.process is not None:
            self.process.halted = True

    def thaws(self) -> None:
        """It goes on where it was."""
        if self.process is not None and self.process.halted:
            self._around.loop.thaw(self.process)
            if self.link is not None:
                self._around.broker.attend(self.link)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and task.exception() is not None:
            self._around.defects.append(f"{self.name}: {task.exception()!r}")


class PcMachine:
    """One gaming PC: its journal outlives its boots.

    ``newest`` is the newest document it got, ``served`` whom it was seen to serve, and when.
    """

    def __init__(self, seat: Seat, around: Surrounds) -> None:
        self.seat = seat
        self._around = around
        self._boots = 0
        self._journal = MemoryJournal()
        self._random = Random(f"{around.seed}/{seat.pc_id}")  # noqa: S311 - a simulation's dice
        self.newest: DesiredDocument | None = None
        self.clock_was_set = False
        self.plugged = False
        self.served: list[tuple[int, str]] = []
        self.process: Process | None = None
        self.service: AgentService | None = None
        self.clock: PcClock | None = None
        self.powers_on()

    @property
    def is_frozen(self) -> bool:
        """Whether it stands still: then its screen stays as it is."""
        return self.process is not None and self.process.halted

    @property
    def is_open(self) -> bool:
        """Whether somebody can play on it now."""
        runs = self.process is not None and not self.process.halted
        return runs and self.service is not None and self.service.state.mode is PcMode.UNLOCKED

    @property
    def faithful(self) -> int:
        """How often it was seen to serve whom it served last."""
        last = self.served[-1][1] if self.served else ""
        return sum(1 for _, session_id in self.served if session_id == last)

    def powers_on(self) -> None:
        """A new boot with a new boot clock; the wall clock is right again."""
        around = self._around
        self._boots += 1
        self.process = around.process(f"{self.seat.pc_id}#{self._boots}")
        self.clock = PcClock(around.business, rate=1 + self._random.uniform(-2e-4, 2e-4))
        identity = Identity(self.seat.club_id, self.seat.pc_id, f"boot-{self._boots}", "1")
        process = self.process

        def make_link(host: LinkHost, will: Callable[[], Will | None]) -> FaultyLink:
            return FaultyLink(
                process,
                host,
                broker=around.broker,
                weather=around.weather,
                will=lambda: process.call(will),
                delivered=self._noted,
            )

        surroundings = Surroundings(
            clock=self.clock,
            random=process.random,
            journal=self._journal,
            locker=NullLocker(),
            make_link=make_link,
        )
        self.service = process.call(AgentService, identity, surroundings)
        process.call(self.service.start)
        self.plugged = True

    def loses_power(self) -> None:
        """The screen is dark; the journal has what was saved."""
        if self.process is None:
            return
        self.process.halted = True
        self._link().cut()
        self.process = self.service = self.clock = None
        self.plugged = False

    def freezes(self) -> None:
        """It stands still; a broker that hears nothing gives its connection up."""
        process = self.process
        if process is None or process.halted:
            return
        process.halted = True
        self._around.loop.call_later(KEEPALIVE_S, self._given_up, process, context=NOWHERE)

    def thaws(self) -> None:
        """It goes on where it was."""
        if self.process is not None and self.process.halted:
            self._around.loop.thaw(self.process)
            self._around.broker.attend(self._link())
            if self.plugged:
                self.process.call(self._link().start)

    def reboots(self) -> None:
        """Somebody holds the button down."""
        self.loses_power()
        self.plugs()

    def observe(self, now_ms: int) -> None:
        """Note whom it serves at this instant."""
        document = None if self.service is None else self.service.state.document
        if self.is_open and document is not None:
            self.served.append((now_ms, str(document.session_id)))

    def _given_up(self, process: Process) -> None:
        if self.process is process and process.halted:
            self._link().cut()

    def unplugs(self) -> None:
        """The cable is out; the PC goes on."""
        if self.service is not None and self.plugged:
            self.plugged = False
            self._link().cut()

    def plugs(self) -> None:
        """The cable is back, or the power is."""
        if self.service is None:
            self.powers_on()
        elif not self.plugged:
            self.plugged = True
            assert self.process is not None
            self.process.call(self.service.link.start)

    def sets_clock(self, offset_ms: int) -> None:
        """Somebody sets the wall clock."""
        if self.clock is not None:
            self.clock.offset_ms = offset_ms
            self.clock_was_set = True

    def _link(self) -> FaultyLink:
        assert self.service is not None
        link = self.service.link
        assert isinstance(link, FaultyLink)
        return link

    def _noted(self, message: Outgoing) -> None:
        if not message.topic.endswith("/" + DownLeaf.DESIRED.value) or not message.payload:
            return
        document = decode(DownLeaf.DESIRED, message.payload)
        assert isinstance(document, DesiredDocument)
        if self.newest is None or document.version >= self.newest.version:
            self.newest = document


class ArchiveMachine:
    """The worker that moves history to SQL, over any number of processes."""

    def __init__(self, archive: Archive, around: Surrounds) -> None:
        self._archive = archive
        self._around = around
        self._starts = 0
        self.process: Process | None = None
        self.starts()

    def starts(self) -> None:
        """A new process."""
        around = self._around
        self._starts += 1
        self.process = around.process(f"archive#{self._starts}")
        consumer = self._consumer(around.network.store_of(self.process, around.store("")))
        self.process.spawn(self._work(consumer)).add_done_callback(self._ended)

    def dies(self) -> None:
        """Wherever it was."""
        if self.process is not None:
            self.process.halted = True
            self.process = None

    def catches_up(self) -> None:
        """The process dies for the last time; another archives whatever there is now."""
        self.dies()
        at_once(self._consumer(self._around.store("")).step())

    def _consumer(self, store: Store) -> ArchiveConsumer:
        return ArchiveConsumer(
            store,
            self._archive,
            HostClock(self._around.business, 0),
            stream_kept_ms=STREAM_KEPT,
            closed_kept_ms=CLOSED_KEPT_MS,
        )

    async def _work(self, consumer: ArchiveConsumer) -> None:
        while True:
            try:
                await consumer.step()
            except StoreUnavailableError:
                await asyncio.sleep(ARCHIVE_EVERY_S)
            await asyncio.sleep(ARCHIVE_EVERY_S)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and task.exception() is not None:
            self._around.defects.append(f"archive: {task.exception()!r}")
