"""What a command is decided in: who asked, of which club, into which draft, when."""

from dataclasses import dataclass

from actors.club import ClubSupervisor
from actors.drafting import Drafting
from actors.session import SessionActor
from actors.turn import CommandInput, Now


@dataclass(frozen=True, slots=True)
class CommandContext:
    """One command's surroundings."""

    cause: CommandInput
    club: ClubSupervisor
    drafting: Drafting
    now: Now

    @property
    def name(self) -> str:
        """Names the transactions the command causes."""
        return self.cause.named(self.now.wall_ms)

    @property
    def sessions(self) -> SessionActor:
        """The club's sessions within this draft."""
        return SessionActor(self.club.setup, self.drafting, self.now)
