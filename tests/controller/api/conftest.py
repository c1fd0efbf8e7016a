"""What the API's tests share: a seeded store, a gateway that answers as told, a client."""

from collections.abc import AsyncIterator

import httpx
import pytest
from api_under_test import ScriptedGateway, client_of, dependencies, seed_chain

from actors.store_memory import MemoryStore


@pytest.fixture
async def store() -> MemoryStore:
    """A chain with one club."""
    seeded = MemoryStore()
    await seed_chain(seeded)
    return seeded


@pytest.fixture
def gateway() -> ScriptedGateway:
    """Answers as told."""
    return ScriptedGateway()


@pytest.fixture
async def client(store: MemoryStore, gateway: ScriptedGateway) -> AsyncIterator[httpx.AsyncClient]:
    """The API over both, with the chain's key."""
    async with client_of(dependencies(store, gateway)) as client:
        yield client
