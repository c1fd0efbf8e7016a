"""API processes that start together sign cookies with the same secret."""

import asyncio

from actors.store_memory import MemoryStore
from actors.store_memory_server import MemoryServer
from controller.api.serve import COOKIE_SECRET_BYTES, cookie_secret
from controller.settings import load_settings


class Late(MemoryStore):
    """A process whose store calls take their time: what it read is old when it gets it."""

    async def snapshots(self, prefix: str) -> dict[str, bytes]:
        found = await super().snapshots(prefix)
        await asyncio.sleep(0.05)
        return found

    async def add_snapshot(self, name: str, payload: bytes) -> bytes:
        await asyncio.sleep(0.05)
        return await super().add_snapshot(name, payload)


async def test_two_that_start_together_agree() -> None:
    server, settings = MemoryServer(), load_settings()
    stores = (Late(server), MemoryStore(server))
    first, second = await asyncio.gather(*(cookie_secret(settings, store) for store in stores))
    assert first == second
    assert len(first) == COOKIE_SECRET_BYTES
    assert await cookie_secret(settings, MemoryStore(server)) == first
