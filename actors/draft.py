"""What a turn produces: drafts, each one unit for the store and what to install with it."""

from dataclasses import dataclass, field
from enum import StrEnum

from actors.store import Unit
from actors.turn import Effect, Input
from actors.wallets import WalletKey
from actors.workspace import KnownHolder, Versioned
from billing_core.hot_value import hot_value
from billing_core.wallet import Wallet
from schemas.views import HallTile


class TickResult(StrEnum):
    """What an advance did, for the counter of ticks."""

    BILLED = "billed"
    ENDED = "ended"


@hot_value(frozen=True, slots=True)
class TickReport:
    """One advance: how late it ran (business ms) and how many steps it posted."""

    session_id: str
    club_id: str
    lateness_ms: int
    steps: int
    result: TickResult


@dataclass(slots=True)
class Draft:
    """One decision on its way to the store: the unit, and what to install once it is applied."""

    unit: Unit
    cause: Input | None
    installs: dict[str, Versioned] = field(default_factory=dict)
    wallets: dict[WalletKey, Wallet] = field(default_factory=dict)
    tiles: dict[str, HallTile] = field(default_factory=dict)
    holders: dict[str, KnownHolder] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    tick: TickReport | None = None
    subject: str = ""
    """The entity that is to blame if the store cannot take it."""


@dataclass(slots=True)
class Turn:
    """Everything one turn decided. ``immediate`` effects change nothing and need no commit."""

    drafts: list[Draft] = field(default_factory=list)
    immediate: list[Effect] = field(default_factory=list)

    @property
    def units(self) -> list[Unit]:
        """What to commit, in the order it was decided."""
        return [draft.unit for draft in self.drafts]
