"""The right to be unlocked, counted on the PC's own clocks. Pure.

A grant runs from the moment it was issued, served or not. The boot clock decides; the calendar
can only shorten (it carries the age of a late delivery and the hard stop).
"""

from collections.abc import Iterable
from typing import Final

from pc_daemon.clock import Instant
from schemas.device import AgentFault, CoverageLease
from schemas.hot_value import hot_value, replace

MAX_REMEMBERED_GRANTS: Final = 8
PERSIST_EVERY_MS: Final = 10_000
"""How often consumed time is written, and so how much of it a power cut may forget."""


@hot_value(frozen=True, slots=True)
class Grant:
    """One accepted lease. ``consumed_ms`` was used up at boot-clock reading ``counted_boot_ms``."""

    lease_id: str
    session_id: str
    seq: int
    issued_at_ms: int
    duration_ms: int
    hard_stop_at_ms: int
    consumed_ms: int
    counted_boot_ms: int
    epoch: int = 0

    def remaining_ms(self, now: Instant) -> int:
        """Business milliseconds left; 0 when it is over."""
        if self.consumed_ms >= self.duration_ms:
            return 0
        by_boot_ms = self.duration_ms - self.consumed_ms - self._elapsed_ms(now)
        return max(0, min(by_boot_ms, self.hard_stop_at_ms - now.wall_ms))

    def settled(self, now: Instant) -> "Grant":
        """The same grant counted up to ``now``; one that has ended stays ended for good."""
        if self.remaining_ms(now) == 0:
            return replace(self, consumed_ms=self.duration_ms, counted_boot_ms=now.boot_ms)
        consumed_ms = self.consumed_ms + self._elapsed_ms(now)
        return replace(self, consumed_ms=consumed_ms, counted_boot_ms=now.boot_ms)

    def resumed(self, now: Instant, *, same_boot: bool) -> "Grant":
        """The grant as memory gives it back: the boot clock of another boot says nothing.

        What may have been consumed since the last writing counts as consumed, so that cutting
        the power again and again wins nothing, whatever the calendar says.
        """
        if same_boot:
            return self.settled(now)
        unwritten_ms = self.consumed_ms + PERSIST_EVERY_MS
        consumed_ms = max(unwritten_ms, now.wall_ms - self.issued_at_ms)
        return replace(
            self, consumed_ms=min(consumed_ms, self.duration_ms), counted_boot_ms=now.boot_ms
        )

    def _elapsed_ms(self, now: Instant) -> int:
        return max(0, now.boot_ms - self.counted_boot_ms)


Grants = tuple[Grant, ...]


def find(grants: Iterable[Grant], lease_id: str) -> Grant | None:
    """The grant of a lease, if remembered."""
    return next((grant for grant in grants if grant.lease_id == lease_id), None)


def is_held(grants: Iterable[Grant], lease: CoverageLease) -> bool:
    """Whether the lease, or a newer one of its name, is remembered already."""
    held = find(grants, lease.lease_id)
    return held is not None and lease.seq <= held.seq


def admit(grants: Grants, lease: CoverageLease, now: Instant) -> tuple[Grants, AgentFault | None]:
    """Remember a lease that has arrived.

    The same grant again changes nothing, so it can never start over; an older one is refused
    (``LEASE_REPLAYED``) and the newer goes on, unless a later owner of the club granted it: the
    newer one is then lost history. The longest forgotten drop out.
    """
    held = find(grants, lease.lease_id)
    if held is not None and lease.seq == held.seq:
        return grants, None
    if held is not None and lease.seq < held.seq and lease.epoch <= held.epoch:
        return grants, AgentFault.LEASE_REPLAYED
    age_ms = max(0, now.wall_ms - lease.issued_at_ms)
    grant = Grant(
        lease_id=lease.lease_id,
        session_id=lease.session_id,
        seq=lease.seq,
        issued_at_ms=lease.issued_at_ms,
        duration_ms=lease.duration_ms,
        hard_stop_at_ms=lease.hard_stop_at_ms,
        consumed_ms=min(age_ms, lease.duration_ms),
        counted_boot_ms=now.boot_ms,
        epoch=lease.epoch,
    )
    others = tuple(other for other in grants if other.lease_id != lease.lease_id)
    return (*others, grant)[-MAX_REMEMBERED_GRANTS:], None
