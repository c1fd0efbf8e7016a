"""The controller's voice in tests of an agent: documents, welcomes, orders and keys, signed.

``Club`` knows the true time; an agent on the bench knows only what its machine says.
"""

from dataclasses import dataclass, field, replace

from agent_bench import IDENTITY, MINUTE_MS, START, Bench, lease, unlocked

from actors.signing_keys import SigningKeys, new_signing_keys
from pc_daemon.agent_state import (
    Action,
    CommandReceived,
    Connected,
    Connecting,
    HeartbeatDue,
    KeysReceived,
    Tick,
    WelcomeReceived,
)
from pc_daemon.clock import Instant
from pc_daemon.trust import Trust
from schemas.device import CoverageLease, DesiredDocument, DeviceCommand, DeviceCommandKind
from schemas.ed25519 import SigningKey
from schemas.signing import lease_bytes, order_bytes, welcome_bytes
from schemas.trust import KeysDocument, Welcome

CLUB, PC = "club", "pc1"


def signed_lease(granted: CoverageLease, key: SigningKey) -> CoverageLease:
    named = granted.model_copy(update={"kid": key.kid})
    return named.model_copy(update={"signature": key.sign(lease_bytes(named))})


def signed_order(order: DeviceCommand, key: SigningKey, pc_id: str = PC) -> DeviceCommand:
    named = order.model_copy(update={"kid": key.kid})
    said = order_bytes(named, club_id=CLUB, pc_id=pc_id)
    return named.model_copy(update={"signature": key.sign(said)})


@dataclass
class Club:
    """A controller with keys, and one PC that was enrolled with them."""

    keys: SigningKeys = field(default_factory=new_signing_keys)
    now_ms: int = START.wall_ms
    """The true time, UTC."""
    bench: Bench = field(init=False)
    nonces: int = 0
    newest: tuple[int, int] = (1, 0)

    def __post_init__(self) -> None:
        self.bench = Bench(
            identity=replace(IDENTITY, chain_id="orbit"), trust=Trust.of(self.keys.public)
        )

    def wait(self, ms: int, *, clock_set_by_ms: int = 0) -> list[Action]:
        """Real time passes, and somebody may set the PC's wall clock meanwhile."""
        self.now_ms += ms
        now = self.bench.now
        self.bench.now = Instant(now.boot_ms + ms, now.wall_ms + ms + clock_set_by_ms)
        return self.bench.take(Tick())

    def play(self, ms: int, step_ms: int = 1_000) -> int:
        """Let time pass in small steps; for how many milliseconds the PC was open."""
        return sum(
            step_ms
            for _ in range(ms // step_ms)
            if (self.wait(step_ms), self.bench.state.mode)[1] == "UNLOCKED"
        )

    def reboots(self, off_ms: int, *, clock_set_by_ms: int = 0, keeps_memory: bool = True) -> None:
        """The power fails and comes back with a new boot clock."""
        self.now_ms += off_ms
        boots = int(self.bench.identity.boot_id.rpartition("-")[2]) + 1
        identity = replace(self.bench.identity, boot_id=f"boot-{boots}")
        wall_ms = self.bench.now.wall_ms + off_ms + clock_set_by_ms
        now = Instant(10_000, wall_ms)
        if keeps_memory:
            self.bench = self.bench.restarted(now, identity)
        else:
            self.bench = Bench(now=now, identity=identity, trust=self.bench.state.trust)

    def connects(self, *, welcomes: bool = True) -> list[Action]:
        """The link is up; the controller answers the birth unless somebody keeps the answer."""
        self.nonces += 1
        nonce = f"{self.nonces:032x}"
        actions = self.bench.take(Connecting()) + self.bench.take(Connected(nonce))
        return actions + self.welcomes(nonce) if welcomes else actions

    def beats(self) -> list[Action]:
        """A heartbeat that asks what the time is, if the agent wants to know."""
        self.nonces += 1
        nonce = f"{self.nonces:032x}"
        return self.bench.take(HeartbeatDue(nonce=nonce)) + self.welcomes(nonce)

    def welcome(self, nonce: str, key: SigningKey | None = None) -> Welcome:
        """The signed answer to a nonce, as of now."""
        key = key or self.keys.signing
        epoch, rev = self.newest
        welcome = Welcome(nonce=nonce, at_ms=self.now_ms, epoch=epoch, rev=rev, kid=key.kid)
        said = welcome_bytes(welcome, club_id=CLUB, pc_id=PC)
        return welcome.model_copy(update={"signature": key.sign(said)})

    def welcomes(self, nonce: str) -> list[Action]:
        """The answer arrives at once."""
        return self.hears(self.welcome(nonce))

    def hears(self, welcome: Welcome) -> list[Action]:
        """A welcome arrives, from whomever."""
        return self.bench.take(WelcomeReceived(welcome, self.bench.now.wall_ms))

    def grants(self, rev: int, minutes: int = 10, **changes: object) -> DesiredDocument:
        """An unlocking document, granted now and signed; it is the newest."""
        values: dict[str, object] = {
            "chain_id": "orbit",
            "club_id": CLUB,
            "seq": rev,
            "minutes": minutes,
            "issued_at_ms": self.now_ms,
            "hard_stop_at_ms": self.now_ms + minutes * MINUTE_MS,
            **changes,
        }
        granted = signed_lease(lease(**values), self.keys.signing)  # type: ignore[arg-type]
        self.newest = (1, rev)
        return unlocked(rev, granted)

    def orders(self, kind: DeviceCommandKind, **changes: object) -> list[Action]:
        """A signed order of now arrives."""
        order = DeviceCommand(cmd_id="c1", kind=kind, not_after_ms=self.now_ms + 30_000)
        signed = signed_order(order.model_copy(update=changes), self.keys.signing)
        return self.bench.take(CommandReceived(signed))

    def sends_keys(self, document: KeysDocument) -> list[Action]:
        """A list of keys arrives, from whomever."""
        return self.bench.take(KeysReceived(document))


def open_club() -> Club:
    """A PC that is connected, welcomed and open for ten minutes."""
    club = Club()
    club.connects()
    club.bench.document(club.grants(1))
    return club
