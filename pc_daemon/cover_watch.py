"""Keeps watch over the covers of a locked PC: whether they are seen, and who is in their way."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from pc_daemon.cover_sight import Placed, Seen, Sight
from pc_daemon.screen_orders import Hindrance

LOOKS: Final = 10
"""How many looks back are judged."""
HIDDEN_LOOKS: Final = 5
"""That many of them must be bad: what comes up once is covered again by the next look."""
GONE_LOOKS: Final = 3
"""A new window may take a look or two to come up; then it is made anew."""


class CoverWatch:
    """Judges each look at the covers, and parts from the display who stays above them."""

    def __init__(self, sight: Sight | None, tell: Callable[[str], object]) -> None:
        self._sight = sight
        self._tell = tell
        self._bad: deque[bool] = deque(maxlen=LOOKS)
        self._gone_looks = 0

    def rest(self) -> None:
        """Nothing has to be covered."""
        self._bad.clear()
        self._gone_looks = 0

    def look(self, covers: Sequence[Placed]) -> Hindrance | None:
        """What keeps these covers from being seen. To be asked before they are raised again."""
        if self._sight is None or not covers:
            return None
        seen = self._sight.look(covers)
        self._bad.append(not seen.is_clean)
        self._gone_looks = self._gone_looks + 1 if seen.missing else 0
        if sum(self._bad) < HIDDEN_LOOKS:
            return None
        self._expel(seen)
        return Hindrance.HIDDEN

    @property
    def are_gone(self) -> bool:
        """A cover was taken off the display or moved: it must be made anew."""
        return self._gone_looks >= GONE_LOOKS

    def made_anew(self) -> None:
        """They were; the new ones have their time to come up."""
        self._gone_looks = 0

    def _expel(self, seen: Seen) -> None:
        assert self._sight is not None
        for window in seen.above:
            self._tell(f"screen: window {window:#x} stays over the lock: its program is cut off\n")
            self._sight.expel(window)
