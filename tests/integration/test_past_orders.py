"""Money is given back for what has left the store: the order comes back, and goes again."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import httpx
import orjson
import pytest
from api_under_test import dependencies, serving
from clubs_under_test import CHAIN, TWO_HOURS, seed, wallet_of
from databases_under_test import Urls
from shard_under_test import ShardUnderTest

from actors.store_memory import MemoryStore
from actors.turn import CommandInput
from controller.api.app import create_app
from controller.api.auth import ApiKey, digest_of
from controller.archive import Archive, ArchiveConsumer, open_archive
from controller.archive.leaving import Leaving
from controller.verify import verify
from schemas.commands import CommandEnvelope, CommandReply

pytestmark = pytest.mark.integration

DAY_MINUTES = 24 * 60
BLOCK_MINOR = 200_00
HOUR = replace(TWO_HOURS, id="hour", block_minutes=60, price_minor=100_00)


@dataclass
class ShardGateway:
    """Hands commands to a shard driven by hand."""

    shard: ShardUnderTest

    async def execute(
        self,
        envelope: CommandEnvelope,
        *,
        timeout_ms: int = 8_000,  # noqa: ARG002 - the port has it
    ) -> CommandReply:
        ticket = next(self.shard._tickets)
        await self.shard.turn(CommandInput(ticket, envelope, self.shard.now.mono_ms))
        return self.shard.replies[ticket]


@dataclass
class Desk:
    shard: ShardUnderTest
    archive: Archive
    client: httpx.AsyncClient
    _keys: "count[int]"

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        headers = {"Authorization": "Bearer desk", "Idempotency-Key": f"k{next(self._keys)}"}
        answer = await self.client.post(f"/api/v1{path}", json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()

    async def get(self, path: str) -> Any:
        answer = await self.client.get(f"/api/v1{path}", headers={"Authorization": "Bearer desk"})
        assert answer.is_success, answer.text
        return answer.json()

    async def a_day_later(self) -> None:
        """Everything that is over has left the store."""
        await self.shard.wait(minutes=DAY_MINUTES + 10)
        store, clock = self.shard.store, self.shard.clock
        await ArchiveConsumer(store, self.archive, clock).step()
        await Leaving(store, self.archive, clock).drop_orders(CHAIN)
        assert await store.closed_ids(CHAIN) == ()
        assert await store.documents_by_prefix(CHAIN, "order:") == ()


@pytest.fixture
async def desk(sql_urls: Urls) -> AsyncIterator[Desk]:
    store = MemoryStore()
    await seed(store)
    await store.put(CHAIN, {"tariff:hour:1": orjson.dumps(HOUR)})
    shard = await ShardUnderTest(store).take()
    archive = open_archive(sql_urls("past"))
    key = ApiKey(CHAIN, "desk", digest_of("desk"))
    given = dependencies(store, ShardGateway(shard), clock=shard.clock, keys=[key])
    given = replace(given, archived=archive)
    async with (
        serving(create_app(given)) as address,
        httpx.AsyncClient(base_url=address, trust_env=False, timeout=20) as client,
    ):
        yield Desk(shard, archive, client, count())
    archive.close()


async def test_the_bill_of_an_archived_session_is_refunded_twice(desk: Desk) -> None:
    await desk.post("/clubs/north/players/ann/wallet/top-ups", {"amountMinor": 20_00})
    session = await desk.post(
        "/clubs/north/sessions",
        {"pcId": "north-main-0", "tariffId": "standard", "playerId": "ann", "start": True},
    )
    path = f"/orders/{session['sessionId']}"
    await desk.shard.wait(minutes=5)
    await desk.post(f"/sessions/{session['sessionId']}/end", {})
    await desk.a_day_later()
    assert (await desk.get(path))["amount"]["amountMinor"] == 10_00
    order = await desk.post(f"{path}/refund", {"amountMinor": 4_00, "payout": "cash"})
    assert order["refunds"][0]["paidOut"]["amountMinor"] == 4_00
    await desk.a_day_later()
    order = await desk.post(f"{path}/refund", {"amountMinor": 6_00})
    assert order["refunded"]["amountMinor"] == 10_00
    await desk.a_day_later()
    assert await desk.get(path) == order
    assert await wallet_of(desk.shard.store, "ann") == (16_00, 0)
    report = await verify(desk.shard.store, desk.archive)
    assert report.ok, report.rows


async def test_what_a_session_cost_beside_its_pack_is_refunded_now_and_from_the_archive(
    desk: Desk,
) -> None:
    """An hour bought, half an hour more by the minute from the wallet."""
    await desk.post("/clubs/north/players/ann/wallet/top-ups", {"amountMinor": 1_000_00})
    payment = {"means": "balance", "amountMinor": 100_00}
    order = await desk.post(
        "/clubs/north/orders", {"playerId": "ann", "tariffIds": ["hour"], "payments": [payment]}
    )
    session = await desk.post(
        "/clubs/north/sessions",
        {
            "pcId": "north-main-0",
            "playerTariffId": order["lines"][0]["playerTariffId"],
            "playerId": "ann",
            "start": True,
        },
    )
    session_id = session["sessionId"]
    await desk.post(f"/sessions/{session_id}/extend", {"tariffId": "standard"})
    await desk.shard.wait(minutes=90)
    ended = await desk.post(f"/sessions/{session_id}/end", {})
    assert ended["orderId"] == order["orderId"]
    assert [(one["orderId"], one["amount"]["amountMinor"]) for one in ended["segments"]] == [
        (order["orderId"], 100_00),
        (session_id, 60_00),
    ]
    bill = await desk.post(f"/orders/{session_id}/refund", {"amountMinor": 10_00})
    assert (bill["amount"]["amountMinor"], bill["sessionId"]) == (60_00, session_id)
    await desk.a_day_later()
    assert await desk.get(f"/orders/{session_id}") == bill
    await desk.post(f"/orders/{session_id}/refund", {"amountMinor": 50_00, "payout": "cash"})
    assert await wallet_of(desk.shard.store, "ann") == (850_00, 0)
    report = await verify(desk.shard.store, desk.archive)
    assert report.ok, report.rows


async def test_a_purchase_that_has_left_the_store_is_given_back(desk: Desk) -> None:
    order = await desk.post(
        "/clubs/north/orders",
        {
            "playerId": "bob",
            "tariffIds": ["block"],
            "payments": [{"means": "card", "amountMinor": BLOCK_MINOR}],
        },
    )
    path = f"/orders/{order['orderId']}"
    await desk.a_day_later()
    assert await desk.get(path) == order
    back = await desk.post(f"{path}/refund", {})
    assert back["status"] == "REFUNDED"
    await desk.a_day_later()
    assert await desk.get(path) == back
    report = await verify(desk.shard.store, desk.archive)
    assert report.ok, report.rows


async def test_a_bill_left_open_is_paid_days_later(desk: Desk) -> None:
    session = await desk.post(
        "/clubs/north/sessions",
        {
            "pcId": "north-main-0",
            "tariffId": "standard",
            "playerId": "bob",
            "mode": "OPEN_ENDED",
            "start": True,
        },
    )
    await desk.shard.wait(minutes=3)
    await desk.post(f"/sessions/{session['sessionId']}/end", {})
    await desk.a_day_later()
    await desk.a_day_later()
    due = await desk.get(f"/orders/{session['sessionId']}")
    assert (due["status"], due["due"]["amountMinor"]) == ("UNPAID", 6_00)
    payment = {"payments": [{"means": "cash", "amountMinor": 6_00}]}
    paid = await desk.post(f"/orders/{session['sessionId']}/pay", payment)
    assert paid["status"] == "PAID"
    report = await verify(desk.shard.store, desk.archive)
    assert report.ok, report.rows
