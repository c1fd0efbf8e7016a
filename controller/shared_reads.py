"""One read for many who ask at a time.

Whoever comes while something is being read waits for the next read, together with all others who
came meanwhile. So a thing is read at most one time after another, however many ask for it, and
nobody is answered from before they asked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class SharedReads(Generic[K, T]):
    """Reads by what they are of. What a read raises is raised to all who waited for it."""

    def __init__(self, read: Callable[[K], Awaitable[T]]) -> None:
        self._read = read
        self._reading: dict[K, asyncio.Task[T]] = {}
        self._next: dict[K, asyncio.Task[T]] = {}

    async def answer(self, key: K) -> T:
        """What ``key`` is, read after this call."""
        task = self._next.get(key)
        if task is None:
            task = asyncio.create_task(self._after(key, self._reading.get(key)), name="shared-read")
            task.add_done_callback(_seen)
            self._next[key] = task
        # Whoever gives up waiting leaves the others theirs.
        return await asyncio.shield(task)

    async def _after(self, key: K, before: "asyncio.Task[T] | None") -> T:
        if before is not None:
            await asyncio.wait({before})
        task = self._reading[key] = self._next.pop(key)
        try:
            return await self._read(key)
        finally:
            if self._reading.get(key) is task:
                del self._reading[key]


def _seen(task: "asyncio.Task[T]") -> None:
    """Nobody may be left to hear of a failure, when all who waited have gone."""
    if not task.cancelled():
        task.exception()
