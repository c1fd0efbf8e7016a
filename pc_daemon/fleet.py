"""Many PCs in one process: the real agent with a null screen, each on its own connection.

``FleetSimulator`` runs inside a loop; ``run_fleet`` is a process that obeys one command a line
on standard input: ``unplug``, ``sever``, ``plug``, ``cut`` (power), ``boot``, ``freeze``,
``thaw``, each with a PC, and ``status``. A PC is named ``<club>/<pc>``, or by its id alone where
that is unique.
Every line is answered with one JSON object on standard output.
"""

import asyncio
import json
import signal
import ssl
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Final, TextIO

from pc_daemon.agent_state import AgentState, Identity
from pc_daemon.clock import ClockAnchor, MovedClock, PcClock, clock_for
from pc_daemon.fleet_faults import PROFILES, play_faults
from pc_daemon.hardware import MachineGauge
from pc_daemon.journal import MemoryJournal
from pc_daemon.lockers import NullLocker
from pc_daemon.machine import Machine
from pc_daemon.service import AgentService, LinkMaker, Surroundings
from pc_daemon.trust import MemoryKeys
from schemas.device import PcMode, PresenceReason
from schemas.link import GmqttLink
from schemas.link_port import BackoffPolicy, LinkSettings, parse_mqtt_url
from schemas.machine_facts import MachineFacts
from schemas.trust import KeysDocument

AGENT_VERSION: Final = "simulated"
START_BATCH: Final = 50
START_PAUSE_S: Final = 0.05
FLEET_OUTBOX: Final = 256
LOCALLY_ADMINISTERED: Final = 0x02
"""First byte of the address of a network card that no maker has given out."""


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """``pcs`` are (club, PC). With an ``anchor`` business time runs on its scale.

    ``reconnect_cap_s`` bounds how long a PC stays away after its connection broke. ``keys`` are
    what every PC was enrolled with; without them they believe everybody.
    """

    mqtt_url: str
    pcs: tuple[tuple[str, str], ...]
    anchor: ClockAnchor | None = None
    heartbeat_s: float = 10.0
    seed: int = 0
    reconnect_cap_s: float = 5.0
    keepalive_s: int = 15
    ca_file: Path | None = None
    """The authority of a broker with TLS; None: the system's."""
    keys: KeysDocument | None = None
    profile: str = "none"
    """What goes wrong meanwhile, see :mod:`pc_daemon.fleet_faults`."""
    tells_machine: bool = False
    """Each tells of this machine as if it were its own, with a network card of its own."""


@dataclass(frozen=True, slots=True)
class FleetCounts:
    """How the fleet is, now."""

    pcs: int
    connected: int
    unplugged: int
    off: int
    unlocked: int
    reconnects: int
    malformed: int


class UnknownPc(LookupError):  # noqa: N818 - what is wrong with the name that was given
    """No PC of that name, or more than one."""


@dataclass(slots=True)
class SimulatedPc:
    """One PC: what survives a power cut, and the agent while it runs."""

    club_id: str
    pc_id: str
    journal: MemoryJournal
    locker: NullLocker
    keys: MemoryKeys
    clock: MovedClock
    service: AgentService | None = None
    boots: int = 0
    plugged: bool = True
    frozen: bool = False


class FleetSimulator:
    """Starts, unplugs and powers simulated PCs. All methods belong to one running loop."""

    def __init__(self, settings: FleetSettings, *, make_link: "PcLinkMaker | None" = None) -> None:
        self._settings = settings
        self._clock = clock_for(settings.anchor)
        self._random = Random(settings.seed)  # noqa: S311 - simulation
        self._gauge = MachineGauge() if settings.tells_machine else None
        self._make_link = make_link or real_links(settings, self._clock, self._random)
        self._pcs = {
            (club_id, pc_id): SimulatedPc(
                club_id,
                pc_id,
                MemoryJournal(),
                NullLocker(),
                MemoryKeys(settings.keys),
                MovedClock(self._clock),
            )
            for club_id, pc_id in settings.pcs
        }

    async def start(self) -> None:
        """Boot every PC, a batch at a time so that the broker is not stormed."""
        for index, pc in enumerate(self._pcs.values(), start=1):
            self._boot(pc)
            if index % START_BATCH == 0:
                await asyncio.sleep(START_PAUSE_S)

    async def stop(self) -> None:
        """Shut every PC down with a goodbye."""
        running = [pc.service for pc in self._pcs.values() if pc.service is not None]
        for first in range(0, len(running), START_BATCH):
            batch = running[first : first + START_BATCH]
            await asyncio.gather(*(service.stop(PresenceReason.SHUTDOWN) for service in batch))
        for pc in self._pcs.values():
            pc.service = None

    async def unplug(self, name: str) -> None:
        """Pull the network cable: silence, which the broker has to notice; the agent runs on alone.

        Raises ``UnknownPc``.
        """
        pc = self._find(name)
        pc.plugged = False
        if pc.service is not None:
            await pc.service.link.silence()

    async def sever(self, name: str) -> None:
        """Break the connection so that the broker sees it at once, until ``plug``.

        Raises ``UnknownPc``.
        """
        pc = self._find(name)
        pc.plugged = False
        if pc.service is not None:
            await pc.service.link.abort()

    async def plug(self, name: str) -> None:
        """Put the cable back. Raises ``UnknownPc``."""
        pc = self._find(name)
        pc.plugged = True
        if pc.service is not None and not pc.frozen:
            pc.service.link.start()

    async def cut(self, name: str) -> None:
        """Cut the power: nothing is said and only the journal survives. Raises ``UnknownPc``."""
        pc = self._find(name)
        service, pc.service = pc.service, None
        if service is not None:
            await service.kill()

    async def boot(self, name: str) -> None:
        """Power on. Raises ``UnknownPc``."""
        pc = self._find(name)
        if pc.service is None:
            self._boot(pc)

    async def freeze(self, name: str) -> None:
        """Let the PC hang: it says, hears and does nothing. Raises ``UnknownPc``."""
        pc = self._find(name)
        if pc.service is not None and not pc.frozen:
            pc.frozen = True
            # Who hangs answers no ping either, and acknowledges nothing that it has not taken in.
            await pc.service.link.silence()
            pc.service.freeze()

    async def thaw(self, name: str) -> None:
        """Let a PC that hung go on. Raises ``UnknownPc``."""
        pc = self._find(name)
        if pc.service is not None and pc.frozen:
            pc.frozen = False
            pc.service.thaw()
            if pc.plugged:
                pc.service.link.start()

    def set_clock(self, name: str, moved_ms: int) -> None:
        """Set the PC's calendar off by so much business time. Raises ``UnknownPc``."""
        self._find(name).clock.moved_ms = moved_ms

    @property
    def names(self) -> tuple[str, ...]:
        """Every PC as ``<club>/<pc>``."""
        return tuple(f"{club_id}/{pc_id}" for club_id, pc_id in self._pcs)

    def state_of(self, name: str) -> AgentState | None:
        """The agent's state; None while the PC is off. Raises ``UnknownPc``."""
        pc = self._find(name)
        return None if pc.service is None else pc.service.state

    def counts(self) -> FleetCounts:
        """How many PCs are how."""
        pcs = list(self._pcs.values())
        services = [pc.service for pc in pcs if pc.service is not None]
        return FleetCounts(
            pcs=len(pcs),
            connected=sum(service.link.connected for service in services),
            unplugged=sum(not pc.plugged for pc in pcs),
            off=len(pcs) - len(services),
            unlocked=sum(service.state.mode is PcMode.UNLOCKED for service in services),
            reconnects=sum(max(0, service.link.stats.connects - 1) for service in services),
            malformed=sum(service.stats.malformed for service in services),
        )

    def _find(self, name: str) -> SimulatedPc:
        club_id, slash, pc_id = name.rpartition("/")
        found = [
            pc
            for pc in self._pcs.values()
            if pc.pc_id == pc_id and (not slash or pc.club_id == club_id)
        ]
        if len(found) != 1:
            raise UnknownPc(f"{name}: {len(found)} PCs of that name")
        return found[0]

    def _boot(self, pc: SimulatedPc) -> None:
        pc.boots += 1
        pc.frozen = False
        pc.clock.boot()
        identity = Identity(
            club_id=pc.club_id,
            pc_id=pc.pc_id,
            boot_id=f"sim-{self._random.getrandbits(48):012x}",
            agent_version=AGENT_VERSION,
            capabilities=("lock", "message", "usage"),
            machine=None if self._gauge is None else _machine_of(pc, self._gauge),
        )
        around = Surroundings(
            clock=pc.clock,
            random=self._random,
            journal=pc.journal,
            locker=pc.locker,
            make_link=self._make_link(pc.club_id, pc.pc_id),
            machine=Machine(restart=lambda: self._boot(pc)),
            heartbeat_s=self._settings.heartbeat_s,
            gauge=self._gauge,
            keys=pc.keys,
        )
        pc.service = AgentService(identity, around)
        pc.service.start(online=pc.plugged)


def _machine_of(pc: SimulatedPc, gauge: MachineGauge) -> MachineFacts:
    drawn = blake2b(f"{pc.club_id}/{pc.pc_id}".encode(), digest_size=5).digest()
    mac = bytes([LOCALLY_ADMINISTERED, *drawn]).hex(":")
    return gauge.facts().model_copy(update={"hostname": pc.pc_id[:64], "mac": mac})


PcLinkMaker = Callable[[str, str], LinkMaker]
"""(club, PC) -> what makes that PC's links."""


def real_links(settings: FleetSettings, clock: PcClock, random: Random) -> PcLinkMaker:
    """Links of simulated PCs to a real broker."""
    address = parse_mqtt_url(settings.mqtt_url)
    tls = ssl.create_default_context(cafile=settings.ca_file) if address.tls else None

    def of_pc(club_id: str, pc_id: str) -> LinkMaker:
        link_settings = LinkSettings(
            host=address.host,
            port=address.port,
            client_id=f"{club_id}.{pc_id}",
            credentials=address.credentials,
            tls=tls,
            keepalive_s=settings.keepalive_s,
            max_outbox=FLEET_OUTBOX,
            backoff=BackoffPolicy(cap_s=settings.reconnect_cap_s),
        )
        return lambda host, will: GmqttLink(
            link_settings, host, mono_s=clock.real_s, random=random, will=will
        )

    return of_pc


def run_fleet(settings: FleetSettings, *, follow_stdin: bool = True) -> None:
    """Run a fleet until SIGTERM or Ctrl-C, and with ``follow_stdin`` until its input ends."""
    asyncio.run(_serve(settings, follow_stdin=follow_stdin))


async def _serve(settings: FleetSettings, *, follow_stdin: bool) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    fleet = FleetSimulator(settings)
    await fleet.start()
    answer(sys.stdout, {"event": "started", "pcs": len(settings.pcs)})
    random = Random(settings.seed)  # noqa: S311 - simulation
    tasks = [asyncio.create_task(play_faults(fleet, PROFILES[settings.profile], random))]
    if follow_stdin:
        tasks.append(asyncio.create_task(_obey_stdin(fleet, ended)))
    await ended.wait()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await fleet.stop()


async def _obey_stdin(fleet: FleetSimulator, ended: asyncio.Event) -> None:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    try:
        while line := await reader.readline():
            answer(sys.stdout, await obey(fleet, line.decode(errors="replace")))
    finally:
        transport.close()
        ended.set()


async def obey(fleet: FleetSimulator, line: str) -> dict[str, object]:
    """Carry out one command line and return its answer; a bad line changes nothing."""
    orders: dict[str, Callable[[str], Awaitable[None]]] = {
        "unplug": fleet.unplug,
        "sever": fleet.sever,
        "plug": fleet.plug,
        "cut": fleet.cut,
        "boot": fleet.boot,
        "freeze": fleet.freeze,
        "thaw": fleet.thaw,
    }
    match line.split():
        case ["status"]:
            return {"ok": True, **asdict(fleet.counts())}
        case [word, name] if word in orders:
            try:
                await orders[word](name)
            except UnknownPc as error:
                return {"ok": False, "error": str(error)}
            return {"ok": True, "command": word, "pc": name}
        case _:
            return {
                "ok": False,
                "error": "expected: status | unplug|sever|plug|cut|boot|freeze|thaw <pc>",
            }


def answer(stream: TextIO, document: dict[str, object]) -> None:
    """Write one line of JSON and let it go at once."""
    stream.write(json.dumps(document) + "\n")
    stream.flush()
