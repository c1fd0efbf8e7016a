"""One server of each kind per worker; every test finds it empty."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest
from stores_under_test import KINDS, StoreUnderTest, running_server, tell

from actors.store_memory import MemoryStore
from actors.store_redis import RedisStore
from controller.embedded import EmbeddedValkey


class Servers:
    """Started when first asked for."""

    def __init__(self, stack: ExitStack, folders: pytest.TempPathFactory) -> None:
        self._stack = stack
        self._folders = folders
        self._running: dict[str, EmbeddedValkey] = {}

    def empty(self, kind: str) -> EmbeddedValkey:
        if kind not in self._running:
            folder = self._folders.mktemp(kind)
            self._running[kind] = self._stack.enter_context(running_server(folder, kind))
        server = self._running[kind]
        assert tell(server.port, "FLUSHALL") == b"+OK\r\n"
        return server


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(stack, tmp_path_factory)


@pytest.fixture(params=KINDS)
async def sut(request: pytest.FixtureRequest, servers: Servers) -> AsyncIterator[StoreUnderTest]:
    if request.param == "memory":
        made = StoreUnderTest("memory", MemoryStore(host="h1"), [])
    else:
        server = servers.empty(request.param)
        store = RedisStore.open(server.url, host="h1")
        made = StoreUnderTest(request.param, store, [], server.url)
    yield made
    await made.aclose()
