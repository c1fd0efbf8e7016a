"""A day of a club that is listed, from the store, from the archive or from both."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
from api_under_test import ScriptedGateway, dependencies, serving
from clubs_under_test import CHAIN, seed
from databases_under_test import Urls
from shard_under_test import MINUTE_MS, ShardUnderTest

from actors.store_memory import MemoryStore
from controller.api.app import create_app
from controller.api.auth import ApiKey, digest_of
from controller.archive import Archive, ArchiveConsumer, open_archive
from schemas.access import ROLE_PERMISSIONS, Role
from schemas.commands import (
    CancelSession,
    Command,
    CreateSession,
    EndSession,
    ReplyStatus,
    TopUpWallet,
)

KEYS = [
    ApiKey(CHAIN, "owner", digest_of("owner"), ROLE_PERMISSIONS[Role.OWNER]),
    ApiKey(
        CHAIN,
        "south",
        digest_of("south"),
        ROLE_PERMISSIONS[Role.OWNER],
        club_ids=frozenset({"south"}),
    ),
]


@dataclass
class Books:
    """A day of the north, an archive that may or may not have seen it, and the API over both."""

    shard: ShardUnderTest
    archive: Archive
    client: httpx.AsyncClient

    async def get(self, path: str, key: str = "owner", **query: Any) -> httpx.Response:
        return await self.client.get(
            f"/api/v1{path}", params=query, headers={"Authorization": f"Bearer {key}"}
        )

    async def ids(self, path: str = "/sessions", **query: Any) -> list[str]:
        answer = await self.get(path, **query)
        assert answer.status_code == 200, answer.text
        kind = path.removeprefix("/")
        return [one[f"{kind[:-1]}Id"] for one in answer.json()[kind]]

    async def archived(self) -> None:
        await ArchiveConsumer(self.shard.store, self.archive, self.shard.clock).step()

    async def forgotten(self) -> None:
        """The store keeps nothing of what is archived."""
        store = self.shard.store
        closed = {one.key: one.version for one in await store.closed_sessions(CHAIN)}
        await store.drop_closed(CHAIN, closed, behind={})
        documents = store._server.chain(CHAIN).documents
        for stored in await store.documents_by_prefix(CHAIN, "order:"):
            del documents[stored.key]


async def ok(shard: ShardUnderTest, command: Command) -> None:
    reply = await shard.command(command)
    assert reply.status is ReplyStatus.OK, reply


def created(session_id: str, pc_id: str, **changes: Any) -> CreateSession:
    fields = {"player_id": "ann", "tariff_id": "standard", "start": True} | changes
    return CreateSession(session_id=session_id, pc_id=pc_id, **fields)


async def lived(store: MemoryStore) -> ShardUnderTest:
    """Every status: s1 and s2 ended, s3 cancelled, s4 a guest's, s5 plays, s6 is booked."""
    await seed(store, club_terms={"allows_parallel_sessions": True})
    shard = await ShardUnderTest(store).take()
    await ok(shard, TopUpWallet(player_id="ann", amount_minor=900_00))
    await ok(shard, TopUpWallet(player_id="bob", amount_minor=900_00))
    await ok(shard, created("s1", "north-main-0"))
    await shard.wait(minutes=10)
    await ok(shard, EndSession(session_id="s1"))
    await ok(shard, created("s2", "north-vip-0", player_id="bob"))
    await shard.wait(minutes=5)
    await ok(shard, EndSession(session_id="s2"))
    await ok(shard, created("s3", "north-main-1", start=False))
    await ok(shard, CancelSession(session_id="s3"))
    guest = {"player_id": None, "guest_label": "Max", "paid_minor": 50_00}
    await ok(shard, created("s4", "north-main-1", **guest))
    await shard.wait(minutes=1)
    await ok(shard, EndSession(session_id="s4"))
    await ok(shard, created("s5", "north-vip-1", tariff_id="block"))
    ahead_ms = shard.now.wall_ms + 60 * MINUTE_MS
    await ok(
        shard,
        created("s6", "north-main-0", player_id="bob", start=False, planned_start_at_ms=ahead_ms),
    )
    await shard.wait(minutes=2)
    return shard


@asynccontextmanager
async def listing(sql_urls: Urls) -> AsyncIterator[Books]:
    """The day has been lived, and the API is open."""
    shard = await lived(MemoryStore())
    archive = open_archive(sql_urls("lists"))
    given = dependencies(shard.store, ScriptedGateway(), clock=shard.clock, keys=KEYS)
    given = replace(given, archived=archive)
    async with (
        serving(create_app(given)) as address,
        httpx.AsyncClient(base_url=address, trust_env=False, timeout=20) as client,
    ):
        yield Books(shard, archive, client)
    archive.close()
