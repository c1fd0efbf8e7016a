"""An event loop that never waits: where nothing is to be done, the time until it is passes at once.

For what a service does by timers alone, with links in memory: hours of it take a moment.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Skipping(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(None if timeout is None else 0)
        if not ready and timeout is not None:
            self.now_s += timeout
        return ready


class SkippingLoop(asyncio.SelectorEventLoop):
    """Its ``time`` is that of its timers."""

    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.now_s


def lived(life: Coroutine[Any, Any, T]) -> T:
    """What comes of a life without waiting."""
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        return runner.run(life)
