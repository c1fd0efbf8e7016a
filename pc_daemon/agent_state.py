"""What an agent knows, what can happen to it, and what it may ask for. Values only."""

from dataclasses import dataclass, field

from pc_daemon.clock import Instant
from pc_daemon.lease import Grants
from pc_daemon.usage import UsageBook
from schemas.codec import UpMessage
from schemas.device import (
    AgentFault,
    DesiredDocument,
    DeviceCommand,
    DeviceCommandResult,
    DocumentVersion,
    LockReason,
    PcMode,
    PresenceReason,
    Reported,
    UsageAck,
    WarningLevel,
)
from schemas.machine_facts import HardwareFacts, MachineFacts

MAX_REMEMBERED_COMMANDS = 256
FROZEN_AFTER_MS = 10_000
"""An agent looks at its PC every second; after a gap like this it was not running."""


@dataclass(frozen=True, slots=True)
class Screen:
    """What the player sees. ``ends_at_ms`` is UTC business time.

    A renewed lease is a new screen, so that a screen process learns its new deadline.
    """

    mode: PcMode
    reason: LockReason | None = None
    """None: this PC has not heard of its club yet."""
    club: str = ""
    title: str = ""
    message: str = ""
    player_label: str = ""
    ends_at_ms: int | None = None
    warning: WarningLevel = WarningLevel.NONE
    lease_seq: int | None = None
    maintenance: bool = False


@dataclass(frozen=True, slots=True)
class JournalImage:
    """Everything that must survive the agent, the PC and the power, as of ``at``.

    ``boot_id`` tells whether the boot clock in it still counts.
    """

    boot_id: str
    at: Instant
    connection_epoch: int = 0
    document: DesiredDocument | None = None
    observed: DocumentVersion | None = None
    applied: DocumentVersion | None = None
    lease_fault: AgentFault | None = None
    grants: Grants = ()
    usage: UsageBook = field(default_factory=UsageBook)
    results: tuple[DeviceCommandResult, ...] = ()


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this agent is, for as long as it runs."""

    club_id: str
    pc_id: str
    boot_id: str
    agent_version: str
    capabilities: tuple[str, ...] = ()
    machine: MachineFacts | None = None


@dataclass(frozen=True, slots=True)
class AgentState:
    """The agent between two steps. ``mode`` and ``screen`` are what was last asked for."""

    identity: Identity
    connection_epoch: int = 0
    connected: bool = False
    document: DesiredDocument | None = None
    observed: DocumentVersion | None = None
    applied: DocumentVersion | None = None
    lease_fault: AgentFault | None = None
    grants: Grants = ()
    usage: UsageBook = field(default_factory=UsageBook)
    results: tuple[DeviceCommandResult, ...] = ()
    mode: PcMode = PcMode.LOCKED
    screen: Screen | None = None
    ui_ok: bool = True
    journal_ok: bool = True
    heartbeat_seq: int = 0
    reported: Reported | None = None
    usage_sent_beat: int | None = None
    persisted: JournalImage | None = None
    stepped_at: Instant | None = None
    """When the agent last did anything."""
    frozen_after_ms: int = FROZEN_AFTER_MS


# What can happen ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Connecting:
    """A connection is about to be tried; its will and birth carry a new connection epoch."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The link is up and the PC's topics are subscribed."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The link is down."""


@dataclass(frozen=True, slots=True)
class DocumentReceived:
    """A desired document, or None when the controller has withdrawn it."""

    document: DesiredDocument | None


@dataclass(frozen=True, slots=True)
class CommandReceived:
    """A one-shot order."""

    command: DeviceCommand


@dataclass(frozen=True, slots=True)
class UsageAcknowledged:
    """The controller has made usage records durable."""

    ack: UsageAck


@dataclass(frozen=True, slots=True)
class HeartbeatDue:
    """Time to say that we are here, and now and then how the machine is doing."""

    hardware: HardwareFacts | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class ScreenChecked:
    """Whether the locker does what it was told."""

    ok: bool


@dataclass(frozen=True, slots=True)
class JournalChecked:
    """Whether the last image was written."""

    ok: bool


@dataclass(frozen=True, slots=True)
class Stopping:
    """The agent ends on purpose."""

    reason: PresenceReason


Happening = (
    Connecting
    | Connected
    | Disconnected
    | DocumentReceived
    | CommandReceived
    | UsageAcknowledged
    | HeartbeatDue
    | Tick
    | ScreenChecked
    | JournalChecked
    | Stopping
)


# What it may ask for -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Persist:
    """Write the image before anything that follows it."""

    image: JournalImage


@dataclass(frozen=True, slots=True)
class Show:
    """Make the screen so; ``lock_after_ms`` of business time are left of the lease."""

    screen: Screen
    lock_after_ms: int | None


@dataclass(frozen=True, slots=True)
class Notify:
    """Show a line of text over whatever runs."""

    text: str


@dataclass(frozen=True, slots=True)
class Send:
    """Publish a message on its leaf."""

    message: UpMessage


@dataclass(frozen=True, slots=True)
class Reboot:
    """Restart the PC, after what was sent before it has left."""


Action = Persist | Show | Notify | Send | Reboot
