"""An agent on a bench: time is turned by hand, and what it asks for piles up."""

from dataclasses import dataclass, field, replace

from pc_daemon.agent import begin, step
from pc_daemon.agent_state import (
    Action,
    AgentState,
    Connected,
    Connecting,
    DocumentReceived,
    Forget,
    Happening,
    Identity,
    MemoryImage,
    Persist,
    Record,
    Send,
    Show,
    Tick,
    UsageAcknowledged,
)
from pc_daemon.clock import Instant
from pc_daemon.trust import Trust
from pc_daemon.usage import Entry
from schemas.device import (
    AgentFault,
    CoverageLease,
    DesiredDocument,
    PcMode,
    UsageAck,
)

MINUTE_MS = 60_000
START = Instant(boot_ms=5_000_000, wall_ms=1_800_000_000_000)
IDENTITY = Identity(club_id="club", pc_id="pc1", boot_id="boot-1", agent_version="1")


def lease(*, seq: int = 1, minutes: int = 30, **changes: object) -> CoverageLease:
    values: dict[str, object] = {
        "lease_id": "s1",
        "pc_id": "pc1",
        "session_id": "s1",
        "seq": seq,
        "epoch": 1,
        "issued_at_ms": START.wall_ms,
        "duration_ms": minutes * MINUTE_MS,
        "hard_stop_at_ms": START.wall_ms + minutes * MINUTE_MS,
    }
    return CoverageLease.model_validate(values | changes)


def unlocked(rev: int, granted: CoverageLease, **changes: object) -> DesiredDocument:
    values: dict[str, object] = {
        "epoch": 1,
        "rev": rev,
        "mode": PcMode.UNLOCKED,
        "session_id": granted.session_id,
        "lease": granted,
    }
    return DesiredDocument.model_validate(values | changes)


def locked(rev: int, epoch: int = 1) -> DesiredDocument:
    return DesiredDocument(epoch=epoch, rev=rev, mode=PcMode.LOCKED)


@dataclass
class Bench:
    """An agent on a bench: time is turned by hand, actions pile up."""

    now: Instant = START
    identity: Identity = IDENTITY
    image: MemoryImage | None = None
    entries: tuple[Entry, ...] = ()
    """What is in the journal."""
    trust: Trust = field(default_factory=Trust)
    frozen_after_ms: int = 1_000 * MINUTE_MS
    """The bench ticks once per wait, however long: that is no agent that hung."""
    actions: list[Action] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state: AgentState = begin(
            self.identity,
            self.image,
            self.now,
            entries=self.entries,
            trust=self.trust,
            frozen_after_ms=self.frozen_after_ms,
        )
        self.take(Tick())
        if self.image is None or not self.state.usage.records:
            self.acknowledge()

    def acknowledge(self) -> None:
        """The controller has what there is: the news that the agent has started."""
        if self.state.usage.entries:
            last = self.state.usage.entries[-1]
            self.take(UsageAcknowledged(UsageAck(boot_id=last.boot_id, seq=last.seq)))

    def take(self, happening: Happening) -> list[Action]:
        self.state, actions = step(self.state, happening, self.now)
        self.actions.extend(actions)
        for action in actions:
            if isinstance(action, Persist):
                self.image = action.image
            elif isinstance(action, Record):
                self.entries += action.entries
            elif isinstance(action, Forget):
                kept = (one for one in self.entries if one.seq >= action.before_seq)
                self.entries = tuple(kept)
        return list(actions)

    def online(self) -> list[Action]:
        return self.take(Connecting()) + self.take(Connected())

    def document(self, document: DesiredDocument | None) -> list[Action]:
        return self.take(DocumentReceived(document))

    def wait(self, ms: int) -> list[Action]:
        self.now = Instant(self.now.boot_ms + ms, self.now.wall_ms + ms)
        return self.take(Tick())

    def rebooted(self, off_ms: int, boot_id: str = "boot-2") -> "Bench":
        now = Instant(boot_ms=20_000, wall_ms=self.now.wall_ms + off_ms)
        identity = replace(self.identity, boot_id=boot_id)
        return self.restarted(now, identity)

    def restarted(self, now: Instant, identity: Identity | None = None) -> "Bench":
        """The agent that follows, with what this one has written down."""
        return Bench(
            now=now,
            identity=identity or self.identity,
            image=self.image,
            entries=self.entries,
            trust=self.state.trust,
        )

    @property
    def mode(self) -> PcMode:
        return self.state.mode

    @property
    def faults(self) -> tuple[AgentFault, ...]:
        assert self.state.reported is not None
        return self.state.reported.errors


def sent(actions: list[Action], kind: type) -> list[object]:
    return [a.message for a in actions if isinstance(a, Send) and isinstance(a.message, kind)]


def shown(actions: list[Action]) -> list[Show]:
    return [action for action in actions if isinstance(action, Show)]
