"""Runs an agent: link, journal, screen and timers around the pure core.

Everything happens in one event loop. Happenings are taken one at a time in order of arrival;
actions of one are carried out before the next is looked at.
"""

import asyncio
import contextlib
import logging
import subprocess
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from pc_daemon.agent import TICK_MS, begin, step, until_next_ms
from pc_daemon.agent_state import (
    FROZEN_AFTER_MS,
    Action,
    AgentState,
    CarriedOut,
    CodeTyped,
    CommandReceived,
    Connected,
    Connecting,
    Disconnected,
    DocumentReceived,
    Forget,
    Happening,
    HeartbeatDue,
    Identify,
    Identity,
    JournalChecked,
    KeysReceived,
    Noticed,
    Notify,
    Persist,
    PinKeys,
    PowerOff,
    Reboot,
    Record,
    Renew,
    Send,
    Show,
    Stopping,
    Tick,
    UsageAcknowledged,
    Wake,
    WelcomeReceived,
)
from pc_daemon.answers import presence
from pc_daemon.clock import PcClock
from pc_daemon.errands import Errands
from pc_daemon.hardware import MachineGauge
from pc_daemon.journal import Journal
from pc_daemon.lockers import ScreenHeard, ScreenLocker, ScreenNews
from pc_daemon.machine import Machine
from pc_daemon.screen_side import ScreenSide
from pc_daemon.trust import MemoryKeys, PinnedKeys, Trust
from schemas.codec import LEAF_OF_MESSAGE, MalformedMessage, UpMessage, decode, encode
from schemas.deliveries import pc_message, pc_will
from schemas.device import (
    DesiredDocument,
    DeviceCommand,
    PresenceReason,
    PresenceState,
    UsageAck,
)
from schemas.journal_events import JournalEventKind
from schemas.link_port import LinkHost, MqttLink, Will
from schemas.machine_facts import HardwareFacts
from schemas.topics import (
    DownLeaf,
    parse_pc_topic,
    pc_down_filter,
)
from schemas.trust import KeysDocument, Welcome

_logger = logging.getLogger("clubctl.pc")

HEARTBEAT_JITTER: Final = 0.2
FAREWELL_S: Final = 2.0
HARDWARE_EVERY_S: Final = 30.0
MAX_PENDING_HAPPENINGS: Final = 64
_SHORTEST_TICK_S: Final = 0.01
_SCREEN_AGAIN_MS: Final = 250
"""Real time until a screen that is not as it must be is tried again."""
_TAMPERING: Final = {
    ScreenNews.TAMPERED: "screen ended or hidden again and again",
    ScreenNews.HIDDEN: "something stays over the locked screen",
    ScreenNews.INPUT_HELD: "another program holds the input",
}


LinkMaker = Callable[[LinkHost, Callable[[], Will | None]], MqttLink]
"""Makes the link of a service: (who hears it, who is asked for the will)."""


@dataclass(slots=True)
class ServiceStats:
    """What a service has seen."""

    malformed: int = 0
    journal_failures: int = 0
    unsent: int = 0
    """Messages the link did not accept."""


def _no_secret() -> None:
    """Nobody keeps a secret here: this PC was not enrolled by a code."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an agent needs of its machine."""

    clock: PcClock
    random: Random
    journal: Journal
    locker: ScreenLocker
    make_link: LinkMaker
    machine: Machine = field(default_factory=Machine)
    heartbeat_s: float = 10.0
    gauge: MachineGauge | None = None
    """Reads how the machine is doing; None: nothing is told of it."""
    keys: PinnedKeys = field(default_factory=MemoryKeys)
    renew: Callable[[], None] = _no_secret


@dataclass(slots=True)
class _Timers:
    tick: asyncio.TimerHandle | None = None
    heartbeat: asyncio.TimerHandle | None = None
    hardware_due_s: float = 0.0
    pending: deque[Happening] = field(default_factory=lambda: deque(maxlen=MAX_PENDING_HAPPENINGS))
    busy: bool = False
    frozen: bool = False


class AgentService:
    """One running agent."""

    def __init__(self, identity: Identity, around: Surroundings) -> None:
        self._identity = identity
        self._around = around
        self._timers = _Timers()
        self._going_down: asyncio.Task[None] | None = None
        self.stats = ServiceStats()
        self._screen = ScreenSide(around.locker, around.clock, self._timers.pending.append)
        self._errands = Errands(self._screen, around.machine, self._timers.pending.append)
        memory = around.journal.load()
        self._state = begin(
            identity,
            memory.image,
            around.clock.now(),
            entries=memory.entries,
            trust=Trust.of(around.keys.load()),
            frozen_after_ms=int(FROZEN_AFTER_MS * around.clock.speed),
        )
        self.link = around.make_link(self, self._will)
        self.link.subscribe(pc_down_filter(identity.club_id, identity.pc_id))

    @property
    def state(self) -> AgentState:
        """The agent as of its last step."""
        return self._state

    def start(self, *, online: bool = True) -> None:
        """Show what the journal allows, then connect unless not ``online``. Needs a loop."""
        loop = asyncio.get_running_loop()
        self._around.locker.attach(lambda heard: _call_in(loop, lambda: self._hear_screen(heard)))
        self._state = replace(self._state, screen=None)
        self._take(Tick())
        self._schedule_tick()
        self._schedule_heartbeat()
        if online:
            self.link.start()

    async def stop(self, reason: PresenceReason = PresenceReason.AGENT_STOPPED) -> None:
        """Say why, disconnect and let go; the screen stays as it is."""
        self._halt()
        if self.link.connected:
            self._take(Stopping(reason))
            await self.link.flush(FAREWELL_S)
        await self.link.close()
        self._around.locker.close()

    async def kill(self) -> None:
        """End as a power cut does: no goodbye, nothing written. For simulations and tests."""
        self._halt()
        await self.link.abort()

    def freeze(self) -> None:
        """Stop doing anything, as a PC that hangs does. For simulations."""
        self._halt()
        self._timers.frozen = True

    def thaw(self) -> None:
        """Go on with what has happened meanwhile."""
        self._timers.frozen = False
        self._schedule_heartbeat()
        self._on_tick()

    def on_message(self, topic: str, payload: bytes, retain: bool) -> None:  # noqa: ARG002, FBT001
        """Take one message from the controller; a malformed one is counted and dropped."""
        address = parse_pc_topic(topic)
        if address is None:
            self.stats.malformed += 1
            return
        if address.leaf is DownLeaf.DESIRED and not payload:
            self._take(DocumentReceived(None))
            return
        try:
            message = decode(address.leaf, payload)
        except MalformedMessage as error:
            self.stats.malformed += 1
            _logger.warning("%s: dropped: %s", topic, error)
            return
        match message:
            case DesiredDocument():
                self._take(DocumentReceived(message))
            case DeviceCommand():
                self._take(CommandReceived(message))
            case UsageAck():
                self._take(UsageAcknowledged(message))
            case Welcome():
                self._take(WelcomeReceived(message, self._around.clock.now().wall_ms))
            case KeysDocument():
                self._take(KeysReceived(message))

    def on_connected(self) -> None:
        """See ``LinkHost``."""
        self._take(Connected(self._nonce()))

    def on_disconnected(self, reason: str) -> None:
        """See ``LinkHost``."""
        _logger.info("%s: offline: %s", self._identity.pc_id, reason)
        self._take(Disconnected())

    def _will(self) -> Will:
        self._take(Connecting())
        lost = presence(self._state, PresenceState.OFFLINE, PresenceReason.CONNECTION_LOST)
        return pc_will(self._place, encode(lost))

    def _take(self, happening: Happening) -> None:
        timers = self._timers
        timers.pending.append(happening)
        if timers.busy or timers.frozen:
            return
        timers.busy = True
        try:
            while timers.pending:
                self._state, actions = step(
                    self._state, timers.pending.popleft(), self._around.clock.now()
                )
                for action in actions:
                    self._carry_out(action)
        finally:
            timers.busy = False

    def _carry_out(self, action: Action) -> None:
        match action:
            case Record() | Persist() | Forget() | PinKeys():
                self._write(action)
            case Show():
                self._screen.show(action, self._state)
            case Notify() | Identify() | Wake():
                self._errands.run(action)
            case Send(message=message):
                self._send(message)
            case Renew():
                self._around.renew()
            case Reboot() | PowerOff():
                leaving = self._leave(action)
                self._going_down = asyncio.get_running_loop().create_task(leaving)

    def _write(self, action: Record | Persist | Forget | PinKeys) -> None:
        journal = self._around.journal
        try:
            match action:
                case Record(entries=entries):
                    journal.append(entries)
                case Persist(image=image):
                    journal.save(image)
                case Forget(before_seq=before_seq):
                    journal.forget(before_seq)
                case PinKeys(document=document):
                    self._around.keys.save(document)
        except OSError as error:
            self.stats.journal_failures += 1
            _logger.warning("%s: journal: %s", self._identity.pc_id, error)
            self._note_journal(ok=False)
        else:
            self._note_journal(ok=True)

    def _note_journal(self, *, ok: bool) -> None:
        if self._state.journal_ok is not ok:
            self._timers.pending.append(JournalChecked(ok))

    def _hear_screen(self, heard: ScreenHeard) -> None:
        """A screen that died is looked at now, not with the next tick."""
        if heard.code is not None:
            self._take(CodeTyped(heard.code))
        elif heard.news is ScreenNews.DIED:
            self._screen.check(self._state)
            self._take(Noticed(JournalEventKind.SCREEN_RESTARTED))
            self._take(Tick())
        elif heard.news is not None:
            self._take(Noticed(JournalEventKind.TAMPER, _TAMPERING[heard.news]))

    def _send(self, message: UpMessage) -> None:
        leaf = LEAF_OF_MESSAGE[type(message)]
        accepted = self.link.publish(pc_message(self._place, leaf, encode(message)))
        self.stats.unsent += not accepted

    async def _leave(self, action: Reboot | PowerOff) -> None:
        is_reboot, machine = isinstance(action, Reboot), self._around.machine
        await self.stop(PresenceReason.REBOOT if is_reboot else PresenceReason.SHUTDOWN)
        try:
            (machine.restart if is_reboot else machine.power_off)()
        except (OSError, subprocess.SubprocessError) as error:
            _logger.exception("%s: refused to end, going on", self._identity.pc_id)
            self.start()
            self._take(CarriedOut(action.cmd_id, str(error)))

    def _nonce(self) -> str:
        return f"{self._around.random.getrandbits(128):032x}"

    @property
    def _place(self) -> tuple[str, str]:
        return self._identity.club_id, self._identity.pc_id

    def _halt(self) -> None:
        for timer in (self._timers.tick, self._timers.heartbeat):
            if timer is not None:
                timer.cancel()

    def _schedule_tick(self) -> None:
        around = self._around
        longest_ms = TICK_MS if self._state.ui_ok else _SCREEN_AGAIN_MS
        due_ms = until_next_ms(self._state, around.clock.now()) / around.clock.speed
        due_ms = min(due_ms, longest_ms)
        delay_s = max(_SHORTEST_TICK_S, due_ms / 1000)
        self._timers.tick = asyncio.get_running_loop().call_later(delay_s, self._on_tick)

    def _on_tick(self) -> None:
        try:
            self._screen.check(self._state)
            self._take(Tick())
        finally:
            self._schedule_tick()

    def _read_hardware(self) -> HardwareFacts | None:
        """How the machine is doing, not with every beat."""
        gauge, now_s = self._around.gauge, self._around.clock.real_s()
        if gauge is None or now_s < self._timers.hardware_due_s:
            return None
        self._timers.hardware_due_s = now_s + HARDWARE_EVERY_S
        return gauge.reading()

    def _schedule_heartbeat(self) -> None:
        spread = 1 + HEARTBEAT_JITTER * (2 * self._around.random.random() - 1)
        delay_s = self._around.heartbeat_s * spread
        loop = asyncio.get_running_loop()
        self._timers.heartbeat = loop.call_later(delay_s, self._on_heartbeat)

    def _on_heartbeat(self) -> None:
        try:
            self._take(HeartbeatDue(self._read_hardware(), self._nonce()))
        finally:
            self._schedule_heartbeat()


def _call_in(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    # The screen may outlive the loop by a moment, and then nobody needs its news.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call)
