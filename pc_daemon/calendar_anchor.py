"""What UTC is, as far as a PC can know it: told by the controller, then counted from boot. Pure.

Anyone may set a PC's wall clock. So it is asked once, when nothing better is known, and after
that it may only move the reading forward, which is to the player's disadvantage. A welcome,
signed for a nonce of this very connection, is better: it replaces the wall clock for this boot.
How far the wall clock was off then corrects the first reading of the next boot. Whatever the
reading, a lease never lasts longer than its own count on the boot clock allows.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pc_daemon.clock import Instant

PROOF_FRESH_MS: Final = 600_000
"""After this a PC asks again: two clocks drift apart by seconds a day."""
ANSWER_WITHIN_MS: Final = 20_000
"""A welcome that took longer says too little about now."""


class Source(StrEnum):
    """Where the calendar comes from."""

    WALL = "WALL"
    """The wall clock, which may still move it forward."""
    CORRECTED = "CORRECTED"
    """The wall clock when this boot was first seen, less what it was off in an earlier one."""
    PROVEN = "PROVEN"
    """The controller, in this boot."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """At boot-clock reading ``boot_ms`` it was ``at_ms``.

    ``skew_ms``: so much later the PC's wall clock was when that was last proven.
    """

    at_ms: int
    boot_ms: int
    skew_ms: int = 0
    source: Source = Source.WALL

    @classmethod
    def begun(cls, before: "Calendar | None", now: Instant, *, same_boot: bool) -> "Calendar":
        """The calendar of an agent that starts; ``now`` is as the machine says."""
        if before is None:
            return cls(now.wall_ms, now.boot_ms)
        if same_boot:
            return before
        source = Source.WALL if before.source is Source.WALL else Source.CORRECTED
        return cls(max(0, now.wall_ms - before.skew_ms), now.boot_ms, before.skew_ms, source)

    @property
    def proven(self) -> bool:
        """Whether the controller has said what the time is, in this boot."""
        return self.source is Source.PROVEN

    def read(self, now: Instant) -> Instant:
        """The instant ``now`` with UTC as it is believed to be."""
        counted_ms = self.at_ms + max(0, now.boot_ms - self.boot_ms)
        if self.source is Source.WALL:
            return Instant(now.boot_ms, max(counted_ms, now.wall_ms))
        return Instant(now.boot_ms, counted_ms)

    def is_stale(self, now: Instant) -> bool:
        """Whether the controller should be asked what the time is."""
        return not self.proven or now.boot_ms - self.boot_ms >= PROOF_FRESH_MS


@dataclass(frozen=True, slots=True)
class Question:
    """A nonce that was sent, and when by the boot clock. Its answer is good once."""

    nonce: str
    asked_boot_ms: int

    def answered(self, at_ms: int, now: Instant) -> Calendar | None:
        """The calendar by the controller's word for it; None when the answer took too long.

        The answer was true at some instant since the question. Taking it as old as can be makes
        leases look older than they are by no more than the journey, never younger.
        """
        travelled_ms = now.boot_ms - self.asked_boot_ms
        if not 0 <= travelled_ms <= ANSWER_WITHIN_MS:
            return None
        here_ms = at_ms + travelled_ms
        return Calendar(here_ms, now.boot_ms, now.wall_ms - here_ms, Source.PROVEN)
