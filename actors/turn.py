"""What goes into a shard's turn and what comes out: inputs, drafts, effects. Plain values."""

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from actors.presence import Signal
from actors.store import Claim, Idempotency, Unit
from billing_core.wallet import Wallet
from schemas.commands import CommandEnvelope, CommandReply
from schemas.device import DesiredDocument


@dataclass(frozen=True, slots=True)
class Now:
    """The instant of a turn: business time (UTC ms) and this host's monotonic ms."""

    wall_ms: int
    mono_ms: int


@dataclass(frozen=True, slots=True)
class CommandInput:
    """A caller's command. ``ticket`` names the waiting caller; ``denied`` are claims refused."""

    ticket: int
    envelope: CommandEnvelope
    received_mono_ms: int
    attempts: int = 0
    denied: tuple[Claim, ...] = ()

    @property
    def entity(self) -> Hashable:
        """What a failure of this input counts against."""
        return ("command", self.envelope.idempotency_key)


@dataclass(frozen=True, slots=True)
class AppliedTarget:
    """What a PC says it obeys: the document's order, and whether its screen is locked."""

    epoch: int
    rev: int
    locked: bool
    session_id: str | None


@dataclass(frozen=True, slots=True)
class PcInput:
    """Something heard from, or about, one PC. ``applied`` None: it said nothing of that.

    ``wants_desired`` asks for the document again (a birth).
    """

    club_id: str
    pc_id: str
    signal: Signal
    received_mono_ms: int
    applied: AppliedTarget | None = None
    wants_desired: bool = False


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
    """A player's wallet changed elsewhere; balances as read from the store."""

    player_id: str
    wallet: Wallet


Input = CommandInput | PcInput | LinkInput | WalletInput


@dataclass(frozen=True, slots=True)
class PublishDesired:
    """Send a PC its whole desired document, retained."""

    club_id: str
    pc_id: str
    document: DesiredDocument


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer a waiting caller."""

    ticket: int
    reply: CommandReply


Effect = PublishDesired | Answer


class TickResult(StrEnum):
    """What an advance did, for the counter of ticks."""

    BILLED = "billed"
    IDLE = "idle"
    ENDED = "ended"
    CONFLICT = "conflict"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TickReport:
    """One advance: how late it ran (business ms) and how many steps it posted."""

    session_id: str
    lateness_ms: int
    steps: int
    result: TickResult


@dataclass(slots=True)
class Draft:
    """One decision on its way to the store: the unit, and what to install once it is applied."""

    unit: Unit
    cause: Input | None
    installs: dict[str, tuple[object | None, int]] = field(default_factory=dict)
    wallets: dict[str, Wallet] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    tick: TickReport | None = None
    session_id: str | None = None


@dataclass(slots=True)
class Turn:
    """Everything one turn decided. ``immediate`` effects change nothing and need no commit."""

    drafts: list[Draft] = field(default_factory=list)
    immediate: list[Effect] = field(default_factory=list)

    @property
    def units(self) -> list[Unit]:
        """What to commit, in the order it was decided."""
        return [draft.unit for draft in self.drafts]


def retried(cause: CommandInput, denied: Claim | None = None) -> CommandInput:
    """The same command for the next turn, remembering a refused claim."""
    claims = cause.denied if denied is None else (*cause.denied, denied)
    return replace(cause, attempts=cause.attempts + 1, denied=claims)


def stored_answer(envelope: CommandEnvelope, reply: CommandReply) -> Idempotency:
    """The record that makes a second sending of the command give the first answer."""
    return Idempotency(
        envelope.idempotency_key, envelope.fingerprint, reply.model_dump_json().encode()
    )
