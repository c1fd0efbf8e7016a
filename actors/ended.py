"""A session that has ended while something about it is still open: its PC's journal, or staff's
word on an outage."""

from dataclasses import dataclass

from actors.store import ENDED_KEY_PREFIX
from billing_core.outage import OutageStatus
from billing_core.sale import Order
from billing_core.session import SessionState


def ended_key(session_id: str) -> str:
    """The entity key of such a session in its club's shard."""
    return ENDED_KEY_PREFIX + session_id


@dataclass(frozen=True, slots=True)
class EndedSession:
    """``state`` as it stands with what has come back since; ``document_version`` is that of its
    final document. ``wait_until_ms`` is when its PC is no longer waited for, None once it is
    not; ``refunded_minor`` is what staff have given back of its price meanwhile.

    ``bill`` is the session's order as last stored: by the time staff decides the archive may
    have taken it out of the store, and it must come back with what was paid and given back."""

    state: SessionState
    document_version: int
    wait_until_ms: int | None
    refunded_minor: int = 0
    bill: Order | None = None
    v: int = 2

    @property
    def session_id(self) -> str:
        """The session's id."""
        return self.state.session_id

    @property
    def is_settled(self) -> bool:
        """Nothing is open any more."""
        proposed = any(one.status is OutageStatus.PROPOSED for one in self.state.outages)
        return self.wait_until_ms is None and not proposed
