"""What goes into a shard's turn and what leaves after it: inputs and effects, plain values."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from actors.evidence import ClockTie
from actors.presence import Signal
from actors.store import Claim, Idempotency
from actors.wallets import WalletKey
from billing_core.hot_value import hot_value
from billing_core.wallet import Wallet
from schemas.commands import (
    CommandEnvelope,
    CommandReply,
    ConvertGuest,
    CreateOrder,
    CreateSession,
    HoldPc,
    PayOrder,
    RefundOrder,
    ResolveOutage,
    SessionCommand,
    SwitchSessionDevice,
    TopUpWallet,
)
from schemas.device import (
    AgentFault,
    CommandOutcome,
    DesiredDocument,
    DeviceCommand,
    UsageAck,
    UsageRecord,
)
from schemas.journal_events import JournalEvent


@hot_value(frozen=True, slots=True)
class Now:
    """The instant of a turn: business time (UTC ms) and this host's monotonic ms."""

    wall_ms: int
    mono_ms: int


DAY_MS: Final = 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class CommandInput:
    """A caller's command. ``ticket`` names the waiting caller; ``denied`` are claims refused."""

    ticket: int
    envelope: CommandEnvelope
    received_mono_ms: int
    attempts: int = 0
    denied: tuple[Claim, ...] = ()

    def named(self, at_ms: int) -> str:
        """Names what the command causes when it is decided at ``at_ms``: its key and the day.

        Keys are remembered for two days. One that is used again later asks for something new,
        which must not bear the old names. A slash of the key is written ``~1``, so that what is
        put behind this name stays apart from what another key ends with.
        """
        key = self.envelope.idempotency_key.replace("~", "~0").replace("/", "~1")
        return f"{key}@{at_ms // DAY_MS}"

    @property
    def player_id(self) -> str | None:
        """The player the command names, if its kind names one."""
        command = self.envelope.command
        if isinstance(command, CreateSession | ConvertGuest | CreateOrder | TopUpWallet):
            return command.player_id
        return None

    @property
    def session_id(self) -> str | None:
        """The session the command is about, if it is about one that exists."""
        command = self.envelope.command
        return command.session_id if isinstance(command, SessionCommand) else None

    @property
    def pc_id(self) -> str | None:
        """The PC the command names, if its kind names one."""
        command = self.envelope.command
        if isinstance(command, CreateSession | SwitchSessionDevice | HoldPc):
            return command.pc_id
        return None

    @property
    def order_id(self) -> str | None:
        """The order the command is about, if it is about one that exists; the bill of a session
        goes by the session's id."""
        command = self.envelope.command
        if isinstance(command, ResolveOutage):
            return command.session_id
        return command.order_id if isinstance(command, PayOrder | RefundOrder) else None


@dataclass(frozen=True, slots=True)
class AppliedTarget:
    """What a PC says it obeys: the document's (epoch, rev), and whether its screen is locked."""

    version: tuple[int, int] | None
    locked: bool


@dataclass(frozen=True, slots=True)
class DeviceAnswer:
    """What a PC says became of a one-shot order."""

    command_id: str
    outcome: CommandOutcome
    detail: str = ""


@hot_value(frozen=True, slots=True)
class PcInput:
    """Something heard from, or about, one PC. ``applied`` None: it said nothing of that.

    ``wants_desired`` asks for the document again (a birth). A will or goodbye of an older
    ``connection_epoch`` than the newest heard is ignored.
    """

    club_id: str
    pc_id: str
    signal: Signal
    received_mono_ms: int
    applied: AppliedTarget | None = None
    wants_desired: bool = False
    connection_epoch: int | None = None
    usage: tuple[UsageRecord, ...] = ()
    answers: tuple[DeviceAnswer, ...] = ()
    mac: str | None = None
    tie: ClockTie | None = None
    """The PC's clock against ours, if it told it."""
    ui_ok: bool | None = None
    """Whether the PC's screen does what it should, if it said so."""
    faults: tuple[AgentFault, ...] | None = None
    """Everything that keeps the PC from what was desired, if it said so."""
    journal: tuple[JournalEvent, ...] = ()
    """What else its journal tells; numbered together with ``usage``."""

    @property
    def entries(self) -> tuple[UsageRecord | JournalEvent, ...]:
        """Everything it brought from its journal."""
        return (*self.usage, *self.journal)


class LinkEvent(StrEnum):
    """This host's own sight of the broker."""

    LOST = "lost"
    REGAINED = "regained"


@dataclass(frozen=True, slots=True)
class LinkInput:
    """The host's link to the broker was lost or regained."""

    event: LinkEvent


@dataclass(frozen=True, slots=True)
class WalletInput:
    """A wallet changed elsewhere; balances as read from the store."""

    key: WalletKey
    wallet: Wallet


@dataclass(frozen=True, slots=True)
class PlayerInput:
    """A player was edited elsewhere; the document is read again for the turn that takes this."""

    player_id: str


@dataclass(frozen=True, slots=True)
class CarriedOut:
    """What became of an order that this host carried out itself."""

    club_id: str
    answer: DeviceAnswer


Input = CommandInput | PcInput | LinkInput | WalletInput | PlayerInput | CarriedOut


@dataclass(frozen=True, slots=True)
class PublishDesired:
    """Send a PC its whole desired document, retained. ``changed`` false: it is sent again."""

    club_id: str
    pc_id: str
    document: DesiredDocument
    changed: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer a waiting caller."""

    ticket: int
    reply: CommandReply


@dataclass(frozen=True, slots=True)
class AcknowledgeUsage:
    """Tell a PC that its usage records are durable, so that it forgets them."""

    club_id: str
    pc_id: str
    ack: UsageAck


@dataclass(frozen=True, slots=True)
class CommandDevice:
    """Send a PC a one-shot order."""

    club_id: str
    pc_id: str
    command: DeviceCommand


@dataclass(frozen=True, slots=True)
class WakePc:
    """Send the magic packet for a network card into the club's network, from here."""

    club_id: str
    mac: str
    command_id: str


DeviceEffect = PublishDesired | AcknowledgeUsage | CommandDevice
Effect = DeviceEffect | WakePc | Answer


def retried(cause: CommandInput, denied: Claim | None = None) -> CommandInput:
    """The same command for the next turn, remembering a refused claim."""
    claims = cause.denied if denied is None else (*cause.denied, denied)
    return replace(cause, attempts=cause.attempts + 1, denied=claims)


def stored_answer(envelope: CommandEnvelope, reply: CommandReply) -> Idempotency:
    """The record that makes a second sending of the command give the first answer."""
    return Idempotency(
        envelope.idempotency_key, envelope.fingerprint, reply.model_dump_json().encode()
    )
