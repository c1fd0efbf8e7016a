"""What a shard has to look at, and when: reminders by kind of entity, each on its time base."""

from dataclasses import dataclass, field
from typing import Final

from actors.club_events import CLUB_KEY_PREFIX
from actors.deadlines import Deadlines
from actors.ended import EndedSession
from actors.pc import PcState
from actors.store import ENDED_KEY_PREFIX, SESSION_KEY_PREFIX
from actors.turn import Now
from actors.workspace import PC_KEY_PREFIX, Entity
from billing_core.session import SessionState

NOTHING_DUE_MS: Final = 3_600_000


@dataclass(slots=True)
class Agenda:
    """Sessions, grants and ended sessions by business time, the rest by the monotonic clock.

    ``pcs`` and ``clubs`` are by id, everything else by entity key (``grants`` by PC).
    """

    sessions: Deadlines = field(default_factory=Deadlines)
    grants: Deadlines = field(default_factory=Deadlines)
    ended: Deadlines = field(default_factory=Deadlines)
    pcs: Deadlines = field(default_factory=Deadlines)
    clubs: Deadlines = field(default_factory=Deadlines)
    retries: Deadlines = field(default_factory=Deadlines)

    def wait_ms(self, now: Now, speed: float) -> int:
        """Real ms until something is due; 0 when something is due already."""
        wall = _earliest(self.sessions, self.grants, self.ended)
        mono = _earliest(self.pcs, self.retries, self.clubs)
        wall_wait_ms = int((wall - now.wall_ms) / speed) + 1 if wall is not None else NOTHING_DUE_MS
        mono_wait_ms = mono - now.mono_ms if mono is not None else NOTHING_DUE_MS
        return max(0, min(wall_wait_ms, mono_wait_ms))

    def look_when_due(self, key: str, state: Entity | None) -> None:
        """Look at an entity when its state says so."""
        if isinstance(state, SessionState):
            self.sessions.remind(key, state.due_at_ms)
        elif isinstance(state, EndedSession):
            self.ended.remind(key, state.wait_until_ms)
        elif isinstance(state, PcState):
            self.grants.remind(state.pc_id, state.look_at_ms)

    def look_now(self, key: str, now: Now) -> None:
        """Look at an entity in the next turn, whatever its state says; at a session, when it is
        due."""
        if key.startswith(ENDED_KEY_PREFIX):
            self.ended.remind(key, now.wall_ms)
        elif key.startswith(CLUB_KEY_PREFIX):
            self.clubs.remind(key.removeprefix(CLUB_KEY_PREFIX), now.mono_ms)
        elif not key.startswith(SESSION_KEY_PREFIX):
            self.pcs.remind(key.removeprefix(PC_KEY_PREFIX), now.mono_ms)


def _earliest(*deadlines: Deadlines) -> int | None:
    instants = [one.next_ms() for one in deadlines]
    return min((at for at in instants if at is not None), default=None)
