"""A technician at the PC: a window the controller opened, and a code that opens the screen. Pure.

Nothing of it survives the agent: after a restart the PC is locked again. A session that starts
ends it, and so do too many wrong codes.
"""

from dataclasses import dataclass, replace
from typing import Final

from pc_daemon.clock import Instant
from schemas.technician import is_code

MAX_WRONG_CODES: Final = 5


@dataclass(frozen=True, slots=True)
class Maintenance:
    """``opened_at`` None: nobody has typed the code yet. Ends by the boot clock."""

    code_hash: str
    until_boot_ms: int
    opened_at: Instant | None = None
    wrong_codes: int = 0

    def is_over(self, now: Instant) -> bool:
        """The window has closed."""
        return now.boot_ms >= self.until_boot_ms or self.wrong_codes >= MAX_WRONG_CODES

    def typed(self, code: str, now: Instant) -> "Maintenance":
        """Take what was typed at the PC."""
        if self.is_over(now) or self.opened_at is not None:
            return self
        if is_code(code, self.code_hash):
            return replace(self, opened_at=now)
        return replace(self, wrong_codes=self.wrong_codes + 1)

    def left_ms(self, now: Instant) -> int:
        """How long the screen may stay open."""
        return max(0, self.until_boot_ms - now.boot_ms)


def opened(code_hash: str, duration_ms: int, now: Instant) -> Maintenance:
    """The window, from now on."""
    return Maintenance(code_hash, now.boot_ms + duration_ms)
