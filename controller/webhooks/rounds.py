"""Rounds of sending that go on beside the loop that starts them, each for itself."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any

import structlog

ChainWebhook = tuple[str, str]
"""(chain id, webhook id)."""

log = structlog.get_logger(__name__)


class Rounds:
    """One of a webhook at a time. One that fails is logged, and ends no other."""

    def __init__(self) -> None:
        self._under_way: dict[ChainWebhook, asyncio.Task[None]] = {}

    def under_way(self) -> frozenset[ChainWebhook]:
        """Whose rounds have not ended."""
        return frozenset(self._under_way)

    def start(self, of: ChainWebhook, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begin ``work`` unless this webhook's is under way; waits for nothing."""
        if of in self._under_way:
            return
        task = asyncio.create_task(work(), name="webhook-round")
        self._under_way[of] = task
        task.add_done_callback(partial(self._over, of))

    async def end(self, ending: Iterable[ChainWebhook]) -> None:
        """Cancel these, and return when they are over."""
        tasks = [self._under_way[of] for of in ending if of in self._under_way]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def over(self) -> None:
        """Return when no round is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way.values())

    def _over(self, of: ChainWebhook, task: asyncio.Task[None]) -> None:
        del self._under_way[of]
        error = None if task.cancelled() else task.exception()
        if error is not None:
            chain_id, webhook_id = of
            log.error("webhook_round_failed", chain=chain_id, webhook=webhook_id, exc_info=error)
