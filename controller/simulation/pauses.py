"""The time somebody takes between one deed and the next."""

import asyncio
from random import Random
from typing import Final


class Pauses:
    """Pauses of random length; the one that lasts ends as soon as it is time to leave."""

    def __init__(self, random: Random) -> None:
        self._random: Final = random
        self._lasting: asyncio.Future[None] | None = None
        self.over = False
        """Whether it is time to leave."""

    async def pause(self, mean_s: float) -> None:
        """Take so many simulated seconds on average."""
        loop = asyncio.get_running_loop()
        if not self.over:
            self._lasting = loop.create_future()
            timer = loop.call_later(self._random.expovariate(1 / mean_s), self._end)
            await self._lasting
            timer.cancel()

    def leave(self) -> None:
        """There are no pauses any more."""
        self.over = True
        self._end()

    def _end(self) -> None:
        if self._lasting is not None and not self._lasting.done():
            self._lasting.set_result(None)
