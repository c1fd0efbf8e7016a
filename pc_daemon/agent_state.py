"""What an agent knows, what can happen to it, and what it may ask for. Values only."""

from dataclasses import dataclass, field

from pc_daemon.calendar_anchor import Calendar, Question
from pc_daemon.clock import Instant
from pc_daemon.lease import Grants
from pc_daemon.maintenance import Maintenance
from pc_daemon.trust import Trust
from pc_daemon.usage import Entry, Stretch, UsageBook
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
from schemas.hot_value import hot_value
from schemas.journal_events import JournalEventKind
from schemas.machine_facts import HardwareFacts, MachineFacts
from schemas.trust import KeysDocument, Welcome

MAX_REMEMBERED_COMMANDS = 256
FROZEN_AFTER_MS = 10_000
"""An agent looks at its PC every second; after a gap like this it was not running."""


@hot_value(frozen=True, slots=True)
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


@hot_value(frozen=True, slots=True)
class MemoryImage:
    """Everything that must survive the agent, the PC and the power, as of ``at``.

    ``boot_id`` tells whether the boot clock in it still counts. What the PC can prove is not in
    it but in the journal: ``next_seq`` is the first number this image knows nothing of.
    """

    boot_id: str
    at: Instant
    connection_epoch: int = 0
    document: DesiredDocument | None = None
    observed: DocumentVersion | None = None
    applied: DocumentVersion | None = None
    lease_fault: AgentFault | None = None
    grants: Grants = ()
    results: tuple[DeviceCommandResult, ...] = ()
    calendar: Calendar | None = None
    stretch: Stretch | None = None
    next_seq: int = 1
    dropped_count: int = 0


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this agent is, for as long as it runs."""

    club_id: str
    pc_id: str
    boot_id: str
    agent_version: str
    capabilities: tuple[str, ...] = ()
    chain_id: str | None = None
    """Where it is known, a lease of another chain is refused."""
    machine: MachineFacts | None = None


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A document that cannot be obeyed, or not yet; until then the one before it holds."""

    document: DesiredDocument
    fault: AgentFault


@hot_value(frozen=True, slots=True)
class AgentState:
    """The agent between two steps. ``mode`` and ``screen`` are what was last asked for."""

    identity: Identity
    calendar: Calendar
    trust: Trust = field(default_factory=Trust)
    question: Question | None = None
    floor: DocumentVersion | None = None
    """What the controller said is the newest document: older ones are old, whoever sends them."""
    held_back: HeldBack | None = None
    forgeries: tuple[str, ...] = ()
    """Kinds of forged message seen on this connection."""
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
    persisted: MemoryImage | None = None
    journaled_seq: int = 0
    """Entries below it are in the journal, as far as is known."""
    forgotten_seq: int = 0
    """The journal was told to forget what is below it."""
    stepped_at: Instant | None = None
    """When the agent last did anything."""
    frozen_after_ms: int = FROZEN_AFTER_MS
    maintenance: Maintenance | None = None


# What can happen ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Connecting:
    """A connection is about to be tried; its will and birth carry a new connection epoch."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The link is up and the PC's topics are subscribed. ``nonce`` was drawn for this."""

    nonce: str | None = None


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
class CarriedOut:
    """What was to be done for an order was tried; ``fault`` says why in vain."""

    cmd_id: str
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class WelcomeReceived:
    """The controller's answer to a nonce, and what the PC's wall clock said when it came."""

    welcome: Welcome
    wall_ms: int


@dataclass(frozen=True, slots=True)
class KeysReceived:
    """A newer list of keys."""

    document: KeysDocument


@dataclass(frozen=True, slots=True)
class Noticed:
    """The screen or the service saw something that belongs into the journal."""

    kind: JournalEventKind
    detail: str = ""


@dataclass(frozen=True, slots=True)
class CodeTyped:
    """Somebody typed a technician's code on the locked screen."""

    code: str


@dataclass(frozen=True, slots=True)
class UsageAcknowledged:
    """The controller has made usage records durable."""

    ack: UsageAck


@dataclass(frozen=True, slots=True)
class HeartbeatDue:
    """Time to say that we are here, and now and then how the machine is doing.

    ``nonce`` was drawn for this.
    """

    hardware: HardwareFacts | None = None
    nonce: str | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class ScreenChecked:
    """Whether the locker does what it was told."""

    ok: bool


@dataclass(frozen=True, slots=True)
class JournalChecked:
    """Whether the last image or entry was written."""

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
    | CarriedOut
    | UsageAcknowledged
    | WelcomeReceived
    | KeysReceived
    | Noticed
    | CodeTyped
    | HeartbeatDue
    | Tick
    | ScreenChecked
    | JournalChecked
    | Stopping
)


# What it may ask for -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Record:
    """Append to the journal before anything that follows it."""

    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Persist:
    """Write the image before anything that follows it."""

    image: MemoryImage


@dataclass(frozen=True, slots=True)
class Forget:
    """The journal may drop what is below ``before_seq``."""

    before_seq: int


@dataclass(frozen=True, slots=True)
class PinKeys:
    """Keep these keys for the starts to come."""

    document: KeysDocument


@dataclass(frozen=True, slots=True)
class Show:
    """Make the screen so; ``lock_after_ms`` of business time are left of the lease."""

    screen: Screen
    lock_after_ms: int | None


@dataclass(frozen=True, slots=True)
class Notify:
    """Show a line of text over whatever runs."""

    cmd_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Send:
    """Publish a message on its leaf."""

    message: UpMessage


@dataclass(frozen=True, slots=True)
class Reboot:
    """Restart the PC, after what was sent before it has left."""

    cmd_id: str


@dataclass(frozen=True, slots=True)
class PowerOff:
    """Switch the PC off, after what was sent before it has left."""

    cmd_id: str


@dataclass(frozen=True, slots=True)
class Identify:
    """Show for ``for_ms`` of business time which PC this is."""

    cmd_id: str
    for_ms: int


@dataclass(frozen=True, slots=True)
class Renew:
    """Ask the API now how this PC's secret stands."""


@dataclass(frozen=True, slots=True)
class Wake:
    """Wake the neighbour with this network card."""

    cmd_id: str
    mac: str


Action = (
    Record
    | Persist
    | Forget
    | PinKeys
    | Show
    | Notify
    | Send
    | Reboot
    | PowerOff
    | Identify
    | Wake
    | Renew
)
