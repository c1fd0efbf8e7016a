"""What a MemoryStore's processes share: chains, hosts, channels."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from actors.store_memory_chain import MemoryChain
from actors.store_values import HostRecord, ShardId

CHANNEL_BACKLOG_MAX = 10_000


def _loop_ms() -> int:
    return int(asyncio.get_running_loop().time() * 1_000)


class MemoryServer:
    """The shared state; ``now_ms`` says when hosts and snapshots expire (the loop's time)."""

    def __init__(self, now_ms: Callable[[], int] = _loop_ms) -> None:
        self.now_ms = now_ms
        self.configured: set[str] = set()
        self.clubs: dict[str, str] = {}
        self.hosts: dict[str, tuple[int, HostRecord]] = {}
        self.assignments: dict[ShardId, str] = {}
        self.snapshots: dict[str, tuple[int | None, bytes]] = {}
        self._chains: dict[str, MemoryChain] = {}
        self._listeners: dict[str, dict[asyncio.Queue[str], None]] = {}
        self._changed = asyncio.Condition()

    def chain(self, chain_id: str) -> MemoryChain:
        """The chain's data, empty when new."""
        found = self._chains.get(chain_id)
        if found is None:
            found = self._chains[chain_id] = MemoryChain()
        return found

    def publish(self, channel: str, message: str) -> None:
        """Tell the listeners; one that does not keep up misses messages, as on a real server."""
        for queue in self._listeners.get(channel, ()):
            if not queue.full():
                queue.put_nowait(message)

    async def listen(
        self, channel: str, listening: Callable[[], Awaitable[None]]
    ) -> AsyncGenerator[str, None]:
        """Messages from now on; ``listening`` is awaited first."""
        queue: asyncio.Queue[str] = asyncio.Queue(CHANNEL_BACKLOG_MAX)
        listeners = self._listeners.setdefault(channel, {})
        listeners[queue] = None
        try:
            await listening()
            while True:
                yield await queue.get()
        finally:
            del listeners[queue]

    async def wake(self) -> None:
        """A commit happened: whoever waits for a live stream looks again."""
        async with self._changed:
            self._changed.notify_all()

    async def wait_until(self, condition: Callable[[], bool], *, timeout_ms: int) -> None:
        """Return when ``condition`` holds after a commit, or when the time is over."""
        async with self._changed:
            try:
                async with asyncio.timeout(timeout_ms / 1_000):
                    await self._changed.wait_for(condition)
            except TimeoutError:
                return
