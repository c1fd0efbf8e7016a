"""Whoever is refused something about a session or an order is in the audit of its club."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import orjson
import pytest
from api_under_test import client_of, dependencies
from clubs_under_test import CHAIN, seed
from outages_under_test import ShardGateway
from shard_under_test import ShardUnderTest

from actors.store_memory import MemoryStore
from controller.api.auth import ApiKey, digest_of
from controller.archive import Archive, ArchiveConsumer, open_archive
from controller.archive.consumer import DROP_ORDERS_EVERY_STEPS
from schemas.commands import CreateOrder, CreateSession, EndSession, ReplyStatus, TopUpWallet

KEYS = [
    ApiKey(CHAIN, "desk", digest_of("desk")),
    ApiKey(CHAIN, "south", digest_of("south"), club_ids=frozenset({"south"})),
]
TWO_DAYS_MS = 48 * 3_600_000


@dataclass
class Edge:
    shard: ShardUnderTest
    archive: Archive
    client: httpx.AsyncClient
    sent: int = 0

    async def refused(self, path: str, key: str = "desk", body: object = None) -> str:
        """The club of the entry about a request that cannot be taken."""
        self.sent += 1
        headers = {
            "Authorization": f"Bearer {key}",
            "Idempotency-Key": f"k{self.sent}",
            "If-Match": "no tag",
        }
        answer = await self.client.post(f"/api/v1{path}", json=body, headers=headers)
        assert 400 <= answer.status_code < 500, answer.text
        (newest,) = await self.shard.store.audit(CHAIN, count=1)
        told = orjson.loads(newest.payload)
        assert (told["result"], told["idempotency_key"]) == ("refused", f"k{self.sent}")
        return str(told["club_id"])


def _sits(session_id: str) -> CreateSession:
    return CreateSession(
        session_id=session_id,
        pc_id="north-main-0",
        player_id="ann",
        tariff_id="standard",
        start=True,
    )


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[Edge]:
    """A session that has ended in the north, one that runs there, and an order that is not paid."""
    store = MemoryStore()
    await seed(store)
    shard = await ShardUnderTest(store).take()
    await shard.beat()
    for command in (
        TopUpWallet(player_id="ann", amount_minor=50_00),
        _sits("old"),
        EndSession(session_id="old"),
        _sits("new"),
        CreateOrder(order_id="ord-1", player_id="ann", tariff_ids=("block",)),
    ):
        reply = await shard.command(command)
        assert reply.status is ReplyStatus.OK, reply
    archive = open_archive(f"sqlite:///{tmp_path / 'archive.db'}")
    given = replace(dependencies(store, ShardGateway(shard), keys=KEYS), archived=archive)
    async with client_of(given, None) as client:
        yield Edge(shard, archive, client)
    archive.close()


async def test_the_club_is_that_of_the_session_or_the_order(edge: Edge) -> None:
    for path in ("/sessions/new/end", "/sessions/old/start"):
        assert await edge.refused(path) == "north", path
    for order_id in ("ord-1", "new"):
        assert await edge.refused(f"/orders/{order_id}/pay", body={}) == "north", order_id


async def test_who_may_not_know_of_it_is_told_of_where_it_is(edge: Edge) -> None:
    assert await edge.refused("/sessions/new/end", "south") == "north"
    assert await edge.refused("/orders/ord-1/refund", "south", {}) == "north"


async def test_what_is_nowhere_is_no_clubs(edge: Edge) -> None:
    for name in ("no-such", "a%20b", "%00", "x" * 200):
        assert await edge.refused(f"/sessions/{name}/end") == "", name
        assert await edge.refused(f"/orders/{name}/pay", body={}) == "", name


async def test_a_session_that_has_left_the_store_is_still_its_clubs(edge: Edge) -> None:
    consumer = ArchiveConsumer(edge.shard.store, edge.archive, edge.shard.clock)
    await consumer.step()
    edge.shard.clock.advance(TWO_DAYS_MS)
    for _ in range(DROP_ORDERS_EVERY_STEPS):
        await consumer.step()
    assert await edge.shard.store.session(CHAIN, "old") is None
    assert await edge.shard.store.club_of_session(CHAIN, "old") is None
    assert await edge.refused("/sessions/old/end") == "north"
    assert await edge.refused("/orders/old/pay", body={}) == "north"
