"""Messages between the controller and the agent on a gaming PC.

Club and PC are in the topic, never repeated in a body (a lease excepted: it names its PC, so that
a signature over it holds for one PC). ``epoch`` orders controllers (fencing),
``connection_epoch`` orders the connections of one PC. Instants are UTC milliseconds, durations
are milliseconds of business time.
Unknown fields are ignored, so that either end may be upgraded first.
"""

from enum import StrEnum
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from schemas.fields import (
    Counter,
    DurationMs,
    InstantMs,
    Nonce,
    Signature,
    Text,
    Title,
    Token,
    WireMessage,
)
from schemas.journal_events import JournalEvent
from schemas.machine_facts import HardwareFacts, MacAddress, MachineFacts
from schemas.pc_modes import LockReason as LockReason  # noqa: PLC0414 - ours to give out
from schemas.pc_modes import PcMode as PcMode  # noqa: PLC0414

MAX_USAGE_BATCH = 16
"""Records and events together, in one message."""
MAX_REPORTED_ERRORS = 8
MAX_TITLE_LENGTH = 80


class DocumentVersion(NamedTuple):
    """Order of desired documents: a newer controller beats any revision of an older one."""

    epoch: Counter
    rev: Counter


class WarningLevel(StrEnum):
    """How urgently the screen tells the player that paid time ends."""

    NONE = "NONE"
    ENDING_SOON = "ENDING_SOON"
    NEEDS_ATTENTION = "NEEDS_ATTENTION"


class PresenceState(StrEnum):
    """The PC's own word about its link."""

    ONLINE = "ONLINE"
    OFFLINE = "OFFLINE"


class PresenceReason(StrEnum):
    """Why the link is as it is."""

    CONNECTED = "CONNECTED"
    CONNECTION_LOST = "CONNECTION_LOST"
    """Said by the broker on the PC's behalf (the will)."""
    SHUTDOWN = "SHUTDOWN"
    REBOOT = "REBOOT"
    AGENT_STOPPED = "AGENT_STOPPED"


class AgentFault(StrEnum):
    """Why a PC does not show what was desired; stable codes."""

    LEASE_MISSING = "lease-missing"
    LEASE_FOREIGN = "lease-foreign"
    """The lease names another chain, club, PC, session or controller epoch."""
    LEASE_FORGED = "lease-forged"
    """No signature, or one that its key did not make over what the lease says."""
    LEASE_KEY_UNKNOWN = "lease-key-unknown"
    """Signed by a key this PC was never told of, or no longer trusts."""
    LEASE_REPLAYED = "lease-replayed"
    LEASE_ENDED = "lease-ended"
    TIME_UNPROVEN = "time-unproven"
    """The PC has lost its memory, so it waits for the controller's word before it opens."""
    ORDER_FORGED = "order-forged"
    """An order, a welcome or a list of keys that the controller did not sign was refused."""
    MAINTENANCE = "maintenance"
    """A technician has the PC open."""
    LOCKER_FAILED = "locker-failed"
    JOURNAL_FAILED = "journal-failed"


class DeviceCommandKind(StrEnum):
    """One-shot orders."""

    MESSAGE = "MESSAGE"
    """Show ``text``."""
    REBIRTH = "REBIRTH"
    """Introduce yourself again."""
    REBOOT = "REBOOT"
    SHUTDOWN = "SHUTDOWN"
    WAKE = "WAKE"
    """Send the magic packet that wakes the PC whose network card is ``mac``."""
    IDENTIFY = "IDENTIFY"
    """Show for ``duration_ms`` which PC this is."""
    MAINTENANCE = "MAINTENANCE"
    """For ``duration_ms`` whoever enters the technician's code may open the PC; zero ends it."""
    RENEW = "RENEW"
    """Ask now how things stand, and draw a new secret if staff want one."""


class CommandOutcome(StrEnum):
    """What became of a one-shot order."""

    DONE = "DONE"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"
    REFUSED = "REFUSED"
    """Not signed by the controller, incomplete, or beyond what this PC can do."""


class UsageEnd(StrEnum):
    """Why a stretch of unlocked time on a PC came to its end."""

    DOCUMENT = "DOCUMENT"
    """A newer desired document locked the PC or gave it to another session."""
    LEASE_ENDED = "LEASE_ENDED"
    INTERRUPTED = "INTERRUPTED"
    """The agent or the PC stopped; the end is the last instant the journal proves."""
    FROZEN = "FROZEN"
    """The agent did not run for a while and then went on: the PC hung or slept. The end is the
    last instant before."""


class CoverageLease(WireMessage):
    """The right to stay unlocked for ``duration_ms``, counted by the PC on its boot clock.

    ``hard_stop_at_ms`` is compared with the PC's calendar and can only shorten. Within a
    ``lease_id``, ``seq`` rises with every grant; a grant replaces the one before it.
    ``offline_max_ms`` is set when less is granted than is covered, because a PC may not be
    without the controller for longer. ``signature`` is by key ``kid`` over everything else
    (``schemas/signing.py``); a PC with pinned keys obeys no lease without one.
    """

    lease_id: Token
    chain_id: Token | None = None
    club_id: Token | None = None
    pc_id: Token
    session_id: Token
    seq: Counter
    epoch: Counter
    issued_at_ms: InstantMs
    duration_ms: DurationMs
    hard_stop_at_ms: InstantMs
    offline_max_ms: DurationMs | None = None
    kid: Token | None = None
    signature: Signature | None = None


class DesiredDocument(WireMessage):
    """The whole target state of one PC; level-triggered, retained, newest version wins.

    UNLOCKED needs a session and its lease. ``ends_at_ms`` is what the player is told; the lease
    is what is enforced.
    """

    v: Literal[1] = 1
    epoch: Counter
    rev: Counter
    mode: PcMode
    session_id: Token | None = None
    reason: LockReason = LockReason.FREE
    """Of a LOCKED document."""
    club_name: Title = ""
    title: Title = ""
    """The PC's name, as on its case."""
    message: Text = ""
    player_label: Annotated[str, Field(max_length=64)] = ""
    ends_at_ms: InstantMs | None = None
    warning: WarningLevel = WarningLevel.NONE
    warn_before_ms: Annotated[tuple[DurationMs, ...], Field(max_length=4)] = (600_000, 180_000)
    """Local warnings: how much before the lease ends the PC itself speaks up."""
    lease: CoverageLease | None = None

    @property
    def version(self) -> DocumentVersion:
        """The document's place in the order of all documents of this PC."""
        return DocumentVersion(self.epoch, self.rev)

    @model_validator(mode="after")
    def _unlocked_names_its_session(self) -> Self:
        if self.mode is PcMode.UNLOCKED and (self.session_id is None or self.lease is None):
            raise ValueError("UNLOCKED needs session_id and lease")
        return self


class Serving(WireMessage):
    """Where a PC's boot clock and its book of served time stand as this is said.

    It ties the PC's own clock to the controller's, so that stretches of service can be placed
    without believing the PC's calendar. ``since_boot_ms`` is when the stretch that runs began,
    None while the PC is locked; ``unsent_usage_count`` are finished ones not acknowledged yet.
    """

    boot_id: Token
    boot_ms: Counter
    since_boot_ms: Counter | None = None
    unsent_usage_count: Counter = 0


class Birth(WireMessage):
    """First word of every connection: who speaks, since when, and what it holds.

    ``nonce`` asks for a welcome; ``keys_version`` is that of the keys the PC trusts.
    """

    v: Literal[1] = 1
    boot_id: Token
    connection_epoch: Counter
    agent_version: Token
    capabilities: Annotated[tuple[Token, ...], Field(max_length=16)] = ()
    observed: DocumentVersion | None = None
    applied: DocumentVersion | None = None
    mode: PcMode
    session_id: Token | None = None
    lease_remaining_ms: DurationMs | None = None
    unsent_usage_count: Counter = 0
    dropped_usage_count: Counter = 0
    """Records and events lost because the journal was full."""
    serving: Serving | None = None
    nonce: Nonce | None = None
    keys_version: Counter | None = None
    machine: MachineFacts | None = None


class Heartbeat(WireMessage):
    """I am here, and this is what I show. ``nonce`` and ``keys_version`` as in a birth."""

    v: Literal[1] = 1
    seq: Counter
    connection_epoch: Counter
    applied: DocumentVersion | None = None
    mode: PcMode
    ui_ok: bool = True
    lease_remaining_ms: DurationMs | None = None
    serving: Serving | None = None
    nonce: Nonce | None = None
    keys_version: Counter | None = None
    hardware: HardwareFacts | None = None
    """Sent at a slower rate than beats are; None says nothing."""


class Reported(WireMessage):
    """What the PC did with the newest document it saw; sent on every change, retained."""

    v: Literal[1] = 1
    connection_epoch: Counter
    observed: DocumentVersion | None = None
    applied: DocumentVersion | None = None
    mode: PcMode
    session_id: Token | None = None
    lease_seq: Counter | None = None
    errors: Annotated[tuple[AgentFault, ...], Field(max_length=MAX_REPORTED_ERRORS)] = ()
    at_ms: InstantMs
    """The PC's own wall clock: informational, never judged by."""


class Presence(WireMessage):
    """Online or offline; one of an older connection than the newest known does not count."""

    v: Literal[1] = 1
    state: PresenceState
    reason: PresenceReason
    connection_epoch: Counter


class UsageRecord(WireMessage):
    """A stretch in which the PC provably served a session, on its own clocks.

    Keyed by (PC, ``boot_id``, ``seq``). ``started_boot_ms`` and ``ended_boot_ms`` are boot-clock
    readings of that boot; the wall instants are informational.
    """

    boot_id: Token
    seq: Counter
    session_id: Token
    lease_id: Token
    started_boot_ms: Counter
    ended_boot_ms: Counter
    started_at_ms: InstantMs
    ended_at_ms: InstantMs
    end: UsageEnd


class UsageBatch(WireMessage):
    """What the journal holds unacknowledged, oldest first; at most ``MAX_USAGE_BATCH`` in all."""

    v: Literal[1] = 1
    connection_epoch: Counter
    records: Annotated[tuple[UsageRecord, ...], Field(max_length=MAX_USAGE_BATCH)] = ()
    events: Annotated[tuple[JournalEvent, ...], Field(max_length=MAX_USAGE_BATCH)] = ()

    @property
    def newest(self) -> tuple[str, int]:
        """(``boot_id``, ``seq``) of the youngest: acknowledging it acknowledges all."""
        entries: tuple[UsageRecord | JournalEvent, ...] = (*self.records, *self.events)
        last = max(entries, key=lambda entry: entry.seq)
        return last.boot_id, last.seq

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not 1 <= len(self.records) + len(self.events) <= MAX_USAGE_BATCH:
            raise ValueError(f"a batch holds 1 to {MAX_USAGE_BATCH} records and events")
        return self


class UsageAck(WireMessage):
    """All records and events up to (``boot_id``, ``seq``) are durable at the controller."""

    v: Literal[1] = 1
    boot_id: Token
    seq: Counter


class DeviceCommand(WireMessage):
    """A one-shot order; a repeated ``cmd_id`` gets the first answer again.

    ``not_after_ms`` is UTC; the PC answers EXPIRED when its calendar is past it. Every order is
    signed for one PC; a PC with pinned keys answers REFUSED to one that is not.
    """

    v: Literal[1] = 1
    cmd_id: Token
    kind: DeviceCommandKind
    not_after_ms: InstantMs
    text: Text = ""
    duration_ms: DurationMs | None = None
    mac: MacAddress | None = None
    code_hash: Annotated[str, Field(max_length=200)] | None = None
    """What the technician's code is checked against; never the code."""
    kid: Token | None = None
    signature: Signature | None = None


class DeviceCommandResult(WireMessage):
    """The answer to one order."""

    v: Literal[1] = 1
    cmd_id: Token
    outcome: CommandOutcome
    detail: Text = ""


class ControllerState(WireMessage):
    """Retained word of one controller process; an older epoch than the newest does not count."""

    v: Literal[1] = 1
    epoch: Counter
    online: bool


class Echo(WireMessage):
    """A canary on the ingest connection: it must come back."""

    v: Literal[1] = 1
    seq: Counter
    sent_mono_ms: Counter
