"""A chain of two clubs on two hosts over a real server, behind two edges on real sockets.

Each host is a whole :class:`actors.host.Host` that owns one club's shard, and each edge an API of
its own: what one of them remembers, the other does not know.
"""

import asyncio
import os
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from api_under_test import dependencies, eventually, serving
from clubs_under_test import CHAIN, CLUBS, seed
from stores_under_test import running_server

from actors.clock import Clock, ClockAnchor, ScaledClock, SystemClock
from actors.host import Host, HostIdentity
from actors.local_host import LocalHost
from actors.placement import shard_of_club
from actors.store import ChainStream, Store
from actors.store_redis import RedisStore
from controller.api.app import create_app
from controller.api.auth import ApiKey, digest_of
from controller.archive import Archive
from controller.client import ClubctlClient, open_http
from schemas.commands import CommandEnvelope, CommandReply
from schemas.link_memory import MemoryBroker, MemoryLink
from schemas.link_port import LinkSettings, MqttLink

STAFF_KEY = "key-of-the-staff"
EDGES = 2
PAGE = 1_000


@dataclass
class TwoClubs:
    """``store`` looks on; ``addresses`` are of the edges."""

    store: RedisStore
    addresses: Sequence[str]
    clock: Clock

    @asynccontextmanager
    async def client(self, address: str, **changes: Any) -> AsyncIterator[ClubctlClient]:
        """A client of one edge (or of a proxy before it)."""
        async with open_http(address, STAFF_KEY) as http:
            yield ClubctlClient(http, **changes)

    async def transactions(self) -> list[dict[str, Any]]:
        """The whole ledger, in the order it came true."""
        return await whole_stream(self.store, ChainStream.LEDGER)

    async def events(self) -> list[dict[str, Any]]:
        """The whole outbox, in the order it came true."""
        return await whole_stream(self.store, ChainStream.OUTBOX)


async def whole_stream(store: Store, name: ChainStream) -> list[dict[str, Any]]:
    """Every entry of a chain's stream, decoded."""
    found: list[dict[str, Any]] = []
    after = "0-0"
    while page := await store.stream(CHAIN, name, after=after, count=PAGE):
        found += [orjson.loads(entry.payload) for entry in page]
        after = page[-1].entry_id
    return found


class OwnersOfClubs:
    """Sends a command to the host that owns its club."""

    def __init__(self, hosts: dict[str, LocalHost]) -> None:
        self._hosts = hosts

    async def execute(self, envelope: CommandEnvelope, *, timeout_ms: int = 8_000) -> CommandReply:
        return await self._hosts[envelope.club_id].execute(envelope, timeout_ms=timeout_ms)


@asynccontextmanager
async def two_clubs(
    folder: Path,
    *,
    speed: float = 1.0,
    pcs_per_zone: int = 2,
    players: tuple[str, ...] = ("ann", "bob"),
    archived: Archive | None = None,
) -> AsyncIterator[TwoClubs]:
    """Both clubs let a player play twice at once. Business time runs at ``speed``.

    With ``archived`` the edges read history from there; nobody writes it.
    """
    now_ms = SystemClock().wall_ms()
    clock = ScaledClock(ClockAnchor(now_ms, now_ms, speed))
    async with AsyncExitStack() as stack:
        server = stack.enter_context(running_server(folder))
        store = RedisStore.open(server.url)
        stack.push_async_callback(store.close)
        terms = {"allows_parallel_sessions": True}
        await seed(store, pcs_per_zone=pcs_per_zone, players=players, club_terms=terms)
        shards = {shard_of_club(CHAIN, club): f"host-{club}" for club in CLUBS}
        assert len(shards) == len(CLUBS)
        await store.assign(shards)
        broker = MemoryBroker(time.monotonic)
        hosts = {
            club: await stack.enter_async_context(_host(server.url, club, clock, broker))
            for club in CLUBS
        }
        gateway = OwnersOfClubs(hosts)
        key = ApiKey(CHAIN, "front-desk", digest_of(STAFF_KEY))
        addresses = []
        for _ in range(EDGES):
            given = dependencies(store, gateway, clock=clock, keys=[key])
            # Edges of one chain that drew the same would take each other's secrets for their own.
            given = replace(given, draw_id=lambda: uuid.uuid4().hex, archived=archived)
            given = replace(given, draw_secret=lambda: secrets.token_bytes(32))
            addresses.append(await stack.enter_async_context(serving(create_app(given))))
        yield TwoClubs(store, addresses, clock)


@asynccontextmanager
async def _host(
    url: str, club_id: str, clock: Clock, broker: MemoryBroker
) -> AsyncIterator[LocalHost]:
    name = f"host-{club_id}"
    view = RedisStore.open(url, host=name)
    identity = HostIdentity.of_process(name, pid=os.getpid(), release="test")
    host = Host(identity, store=view, clock=clock, connect=partial(_link, name, broker))
    running = asyncio.create_task(host.run())
    try:
        await eventually(lambda: host.owned)
        yield LocalHost(host)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await view.close()


def _link(name: str, broker: MemoryBroker, host: Host) -> MqttLink:
    return MemoryLink(LinkSettings("in-process", 1, name), host, broker=broker)
