"""Stores for tests: the in-memory twin, and real servers that every test finds empty."""

import asyncio
import shutil
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from actors.store import (
    ChainStream,
    Claim,
    EntityWrite,
    HallWrite,
    Idempotency,
    Ownership,
    Scope,
    ShardId,
    Store,
    Unit,
    UnitOutcome,
    UnitStatus,
    session_key,
)
from actors.store_memory import MemoryStore
from actors.store_redis import RedisStore
from controller.embedded import EmbeddedValkey, StateFolder

KINDS = ("memory", "valkey", "redis")
CHAIN = "north"
SHARD = ShardId(CHAIN, 7)


def binary_of(kind: str) -> Path | None:
    """None means the packaged Valkey."""
    if kind == "valkey":
        return None
    found = shutil.which("redis-server")
    assert found is not None, "install redis-server: the suite runs on it beside Valkey"
    return Path(found)


@contextmanager
def running_server(folder: Path, kind: str = "valkey") -> Iterator[EmbeddedValkey]:
    """A server of this kind with its data in ``folder``."""
    with StateFolder(folder, env="development") as state:
        server = EmbeddedValkey(state, binary=binary_of(kind))
        server.start()
        try:
            yield server
        finally:
            server.kill()


def tell(port: int, *command: str) -> bytes:
    """One command past the store, to disturb or to look."""
    request = f"*{len(command)}\r\n" + "".join(f"${len(c)}\r\n{c}\r\n" for c in command)
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(request.encode())
        return connection.recv(65_536)


@dataclass(frozen=True)
class StoreUnderTest:
    """``for_host`` opens another process's view of the same data; all are closed at the end."""

    kind: str
    store: Store
    views: list[Store]
    url: str | None = None

    def for_host(self, host: str) -> Store:
        view: Store
        if self.url is None:
            assert isinstance(self.store, MemoryStore)
            view = self.store.for_host(host)
        else:
            view = RedisStore.open(self.url, host=host)
        self.views.append(view)
        return view

    async def aclose(self) -> None:
        for view in (self.store, *self.views):
            await view.close()


async def owned(store: Store, shard: ShardId = SHARD, nonce: str = "n1") -> Ownership:
    return await store.acquire(shard, host="h1", nonce=nonce)


def session_write(session_id: str, version: int, blob: bytes | None = b"{}") -> EntityWrite:
    return EntityWrite(session_key(session_id), version, blob)


def player_write(player_id: str, version: int, blob: bytes = b"{}") -> EntityWrite:
    return EntityWrite(f"player:{player_id}", version, blob, Scope.CHAIN)


def wallet(player_id: str) -> str:
    return f"EUR:wallet:{player_id}:cash"


def top_up(player_id: str, amount_minor: int, number: int = 1) -> Unit:
    """Desk to wallet."""
    return Unit(
        deltas=((wallet(player_id), amount_minor), ("EUR:desk:c1:cash", -amount_minor)),
        transactions=(b'{"id":"command/%d"}' % number,),
    )


def charge(player_id: str, amount_minor: int, expected_minor: int, step: int) -> Unit:
    """Wallet to revenue, decided on the balance ``expected_minor``."""
    return Unit(
        expects=((wallet(player_id), expected_minor),),
        deltas=((wallet(player_id), -amount_minor), ("EUR:revenue:c1", amount_minor)),
        transactions=(b'{"id":"step/s1/0/%d"}' % step,),
    )


def tile(pc_id: str, text: bytes, club_id: str = "c1") -> HallWrite:
    return HallWrite(club_id, pc_id, text)


def playing(player_id: str, session_id: str) -> Claim:
    return Claim(f"playing/{player_id}", session_id)


APPLIED = UnitOutcome(UnitStatus.APPLIED)


async def everything(store: Store) -> tuple[object, ...]:
    """All a commit can change, to compare before and after."""
    return (
        sorted(await store.all_entities(CHAIN), key=lambda e: e.key),
        await store.documents_by_prefix(CHAIN, ""),
        await store.all_balances(CHAIN),
        [entry.payload for entry in await store.stream(CHAIN, ChainStream.LEDGER)],
        [entry.payload for entry in await store.stream(CHAIN, ChainStream.OUTBOX)],
        await store.all_claims(CHAIN),
        await store.all_sessions(CHAIN),
        await store.closed_sessions(CHAIN),
        await store.hall(CHAIN, "c1"),
    )


FULL = Unit(
    entities=(session_write("s1", 0, b'{"n":1}'), player_write("p1", 0, b'{"label":"Ada"}')),
    expects=((wallet("p1"), 0),),
    deltas=((wallet("p1"), 500), ("EUR:desk:c1:cash", -500)),
    transactions=(b'{"id":"t1"}', b'{"id":"t2"}'),
    events=(b'{"e":1}', '{"e":"Зал"}'.encode()),
    claims=(playing("p1", "s1"),),
    indexes=(("s1", "c1"),),
    hall=(tile("pc1", b'{"use":"RUNNING"}'),),
    idempotency=Idempotency("crm:k1", "digest", '{"ответ":1}'.encode()),
)


async def becomes(read: Callable[[], Awaitable[object]], expected: object) -> None:
    """Wait until what is read is what is expected; fail showing the difference."""
    for _ in range(250):
        if await read() == expected:
            return
        await asyncio.sleep(0.02)
    assert await read() == expected
