"""Wrong guesses are few: so many per address and per club, then a pause.

The count is this process's own. A code has 60 bits and lives for minutes, so a limit per process
is enough, and nobody can shut a club out of every process at once.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

WINDOW_MS: Final = 60_000
WRONG_PER_ORIGIN: Final = 10
WRONG_PER_CLUB: Final = 60
NAMES_MAX: Final = 4_096
"""Addresses and clubs remembered; the oldest is forgotten first."""


@dataclass(slots=True)
class GuessLimit:
    """Wrong guesses of the last minute, by name."""

    _wrong: OrderedDict[str, deque[int]] = field(default_factory=OrderedDict)

    def pause_ms(self, *, origin: str, club_id: str, now_ms: int) -> int:
        """How long this caller has to wait before the next guess is looked at; 0 for not at all."""
        waits = (
            self._wait_ms(name, limit, now_ms)
            for name, limit in (
                (f"origin {origin}", WRONG_PER_ORIGIN),
                (f"club {club_id}", WRONG_PER_CLUB),
            )
        )
        return max(waits)

    def wrong(self, *, origin: str, club_id: str, now_ms: int) -> None:
        """Count a wrong guess."""
        for name in (f"origin {origin}", f"club {club_id}"):
            recent = self._wrong.setdefault(name, deque(maxlen=WRONG_PER_CLUB))
            recent.append(now_ms)
            self._wrong.move_to_end(name)
        while len(self._wrong) > NAMES_MAX:
            self._wrong.popitem(last=False)

    def _wait_ms(self, name: str, limit: int, now_ms: int) -> int:
        recent = [at for at in self._wrong.get(name, ()) if at > now_ms - WINDOW_MS]
        return 0 if len(recent) < limit else recent[-limit] + WINDOW_MS - now_ms
