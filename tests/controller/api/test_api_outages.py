"""Outages over HTTP: staff sees what waits, gives it back or not, once; receipts carry proof."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import orjson
import pytest
from api_under_test import client_of, dependencies
from clubs_under_test import CHAIN, wallet_of
from outages_under_test import (
    Pc,
    ShardGateway,
    books_agree,
    credited,
    freeze,
    opened,
    pass_time,
    play,
    told,
)
from shard_under_test import ShardUnderTest

from actors.store import ChainStream
from actors.store_memory import MemoryStore
from billing_core.ledger import receivable
from controller.api.auth import ApiKey, digest_of
from schemas.access import Permission
from schemas.commands import EndSession, PaymentMode
from schemas.device import UsageEnd

OUTAGES = "/api/v1/clubs/north/outages"


Post = Callable[[str, str], Awaitable[httpx.Response]]


@pytest.fixture
async def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def policy() -> str:
    """What the club does about outages; tests that want another say so."""
    return "PROPOSE"


@pytest.fixture
async def shard(store: MemoryStore, policy: str) -> ShardUnderTest:
    return await opened(store, policy)


@pytest.fixture
async def desk(store: MemoryStore, shard: ShardUnderTest) -> AsyncIterator[httpx.AsyncClient]:
    keys = [
        ApiKey(CHAIN, "desk", digest_of("desk")),
        ApiKey(CHAIN, "till", digest_of("till"), permissions=frozenset({Permission.SESSION_EDIT})),
    ]
    given = dependencies(store, ShardGateway(shard), keys=keys)
    async with client_of(given, key="desk") as client:
        yield client


async def decide(desk: httpx.AsyncClient, path: str, key: str) -> httpx.Response:
    return await desk.post(f"{OUTAGES}/{path}", headers={"Idempotency-Key": key})


async def refund(desk: httpx.AsyncClient, amount_minor: int, key: str) -> httpx.Response:
    asked = {"amountMinor": amount_minor}
    headers = {"Idempotency-Key": key}
    return await desk.post("/api/v1/orders/s1/refund", json=asked, headers=headers)


async def test_staff_gives_proposed_minutes_back_once(
    desk: httpx.AsyncClient, shard: ShardUnderTest, store: MemoryStore
) -> None:
    await freeze(shard)
    assert await credited(shard) == {}
    (waiting,) = (await desk.get(OUTAGES)).json()["outages"]
    assert waiting["sessionId"] == "s1"
    assert (waiting["verdict"], waiting["link"], waiting["journal"]) == (
        "FROZEN",
        "SILENT",
        "FROZEN",
    )
    assert (waiting["status"], waiting["creditedMinutes"]) == ("PROPOSED", 12)
    assert waiting["playerLabel"] == "Ann"
    assert waiting["amount"] == {"amountMinor": 24_00, "currency": "EUR"}
    before = await wallet_of(store, "ann")
    first = await decide(desk, "s1/0/approve", "yes")
    again = await decide(desk, "s1/0/approve", "yes")
    assert first.json() == again.json()
    assert (first.json()["status"], first.json()["decidedBy"]) == ("CREDITED", "key:desk")
    late = await decide(desk, "s1/0/reject", "no")
    assert (late.status_code, late.json()["code"]) == (409, "outage-decided")
    assert (await desk.get(OUTAGES)).json()["outages"] == []
    assert sum((await credited(shard)).values()) == 24_00
    assert await wallet_of(store, "ann") == (before[0] + 24_00, 0)
    await books_agree(store)


async def test_what_waits_comes_in_pages(desk: httpx.AsyncClient, shard: ShardUnderTest) -> None:
    pc = await play(shard)
    for _ in range(4):
        pc.stop(UsageEnd.FROZEN)
        await pass_time(shard, 12 * 60, None)
        pc.serve()
        await pass_time(shard, 60, pc)
    whole = (await desk.get(OUTAGES)).json()["outages"]
    assert [one["number"] for one in whole] == [0, 1, 2, 3]
    seen, query = [], {"limit": 1, "sort": "-fromAt"}
    for _ in whole:
        page = (await desk.get(OUTAGES, params=query)).json()
        seen += page["outages"]
        query["cursor"] = page["nextCursor"]
    assert (seen, query["cursor"]) == (whole[::-1], None)
    for narrowed, count in (({"playerId": "ann"}, 4), ({"pcId": "north-vip-0"}, 0)):
        found = (await desk.get(OUTAGES, params=narrowed)).json()["outages"]
        assert len(found) == count, narrowed


async def test_what_staff_rejects_stays_charged_and_is_told(
    desk: httpx.AsyncClient, shard: ShardUnderTest, store: MemoryStore
) -> None:
    await freeze(shard)
    await shard.command(EndSession(session_id="s1"))
    answer = await decide(desk, "s1/0/reject", "no")
    assert (answer.status_code, answer.json()["status"]) == (200, "REJECTED")
    assert await credited(shard) == {}
    (event,) = await told(shard, "credit_rejected")
    assert event == {"outage": 0, "decided_by": "key:desk"}
    receipt = (await desk.get("/api/v1/sessions/s1/receipt")).json()
    assert [one["status"] for one in receipt["outages"]] == ["REJECTED"]
    await books_agree(store)


async def test_a_guest_is_handed_the_money_when_staff_gives_it_back(
    desk: httpx.AsyncClient, shard: ShardUnderTest, store: MemoryStore
) -> None:
    await freeze(shard, player_id=None, guest_label="Guest", paid_minor=100_00)
    await shard.command(EndSession(session_id="s1"))
    total = (await desk.get("/api/v1/sessions/s1/receipt")).json()["total"]["amountMinor"]
    answer = await decide(desk, "s1/0/approve", "yes")
    assert answer.json()["status"] == "CREDITED"
    assert (answer.json()["playerId"], answer.json()["playerLabel"]) == (None, "Guest")
    receipt = (await desk.get("/api/v1/sessions/s1/receipt")).json()
    assert receipt["total"]["amountMinor"] == total - 24_00
    (outage,) = receipt["outages"]
    assert outage["explanation"] == (
        "the PC was not heard; its journal shows that it was frozen: 12 min given back"
    )
    assert await wallet_of(store, "guest-s1") == (0, 0)
    await books_agree(store)


async def test_only_who_may_refund_decides(desk: httpx.AsyncClient, shard: ShardUnderTest) -> None:
    await freeze(shard)
    headers = {"Authorization": "Bearer till", "Idempotency-Key": "mine"}
    answer = await desk.post(f"{OUTAGES}/s1/0/approve", headers=headers)
    assert answer.status_code == 403
    assert (await desk.get(OUTAGES, headers=headers)).status_code == 403


@pytest.mark.parametrize("path", ["s1/7/approve", "nobody/0/approve", "nobody/0/reject"])
async def test_an_outage_that_is_not_there(
    desk: httpx.AsyncClient, shard: ShardUnderTest, path: str
) -> None:
    await freeze(shard)
    answer = await decide(desk, path, "k")
    assert (answer.status_code, answer.json()["code"]) == (404, "outage-not-found")


async def test_what_was_refunded_by_hand_is_not_given_back_again(
    desk: httpx.AsyncClient, shard: ShardUnderTest, store: MemoryStore
) -> None:
    await freeze(shard)
    await shard.command(EndSession(session_id="s1"))
    cost = (await desk.get("/api/v1/orders/s1")).json()["amount"]["amountMinor"]
    before = await wallet_of(store, "ann")
    assert (await refund(desk, cost, "all")).status_code == 200
    answer = await decide(desk, "s1/0/approve", "yes")
    assert (answer.status_code, answer.json()["code"]) == (409, "refund-too-large")
    assert await wallet_of(store, "ann") == (before[0] + cost, 0)
    assert (await decide(desk, "s1/0/reject", "no")).status_code == 200
    await books_agree(store)


async def test_an_outage_is_given_back_beside_a_small_refund_and_never_more_than_the_price(
    desk: httpx.AsyncClient, shard: ShardUnderTest, store: MemoryStore
) -> None:
    await freeze(shard)
    await shard.command(EndSession(session_id="s1"))
    cost = (await desk.get("/api/v1/orders/s1")).json()["amount"]["amountMinor"]
    before = await wallet_of(store, "ann")
    assert (await refund(desk, 1_00, "some")).status_code == 200
    assert (await decide(desk, "s1/0/approve", "yes")).json()["status"] == "CREDITED"
    assert (await refund(desk, cost - 24_00, "rest")).json()["code"] == "refund-too-large"
    assert await wallet_of(store, "ann") == (before[0] + 1_00 + 24_00, 0)
    await books_agree(store)


# ---- post-pay ------------------------------------------------------------------------------------


async def bill_of(desk: httpx.AsyncClient) -> dict[str, Any]:
    answer = await desk.get("/api/v1/orders/s1")
    assert answer.status_code == 200, answer.text
    bill: dict[str, Any] = answer.json()
    return bill


async def pays(desk: httpx.AsyncClient, amount_minor: int, key: str = "pay") -> httpx.Response:
    asked = {"payments": [{"means": "cash", "amountMinor": amount_minor}]}
    headers = {"Idempotency-Key": key}
    return await desk.post("/api/v1/orders/s1/pay", json=asked, headers=headers)


async def ended_while_frozen(shard: ShardUnderTest) -> Pc:
    """Thirteen minutes owed, twelve of them frozen; the PC has not been heard since."""
    pc = await play(shard, mode=PaymentMode.OPEN_ENDED)
    await pass_time(shard, 40, pc)
    pc.stop(UsageEnd.FROZEN)
    await pass_time(shard, 12 * 60, None)
    await shard.command(EndSession(session_id="s1"))
    return pc


async def comes_back(shard: ShardUnderTest, pc: Pc) -> None:
    pc.serve()
    await pass_time(shard, 60, pc)


async def receivable_of(store: MemoryStore) -> int:
    account = receivable("EUR", "s1")
    return (await store.balances(CHAIN, [account]))[account]


async def order_events(shard: ShardUnderTest) -> list[tuple[int, str]]:
    entries = await shard.store.stream(CHAIN, ChainStream.OUTBOX)
    events = [orjson.loads(entry.payload)["event"] for entry in entries]
    return [(one["seq"], one["kind"]) for one in events if one.get("order_id") == "s1"]


@pytest.mark.parametrize("policy", ["CREDIT"])
async def test_a_bill_that_is_due_is_lowered_by_what_the_pc_did_not_serve(
    desk: httpx.AsyncClient, shard: ShardUnderTest, store: MemoryStore
) -> None:
    pc = await ended_while_frozen(shard)
    whole = (await bill_of(desk))["due"]["amountMinor"]
    before = await wallet_of(store, "ann")
    await comes_back(shard, pc)
    back = sum((await credited(shard)).values())
    assert 20_00 <= back < whole
    bill = await bill_of(desk)
    receipt = (await desk.get("/api/v1/sessions/s1/receipt")).json()
    assert bill["amount"]["amountMinor"] == whole
    assert bill["due"] == receipt["total"] == {"amountMinor": whole - back, "currency": "EUR"}
    (noted,) = bill["refunds"]
    assert (noted["cash"]["amountMinor"], noted["outage"]) == (back, 0)
    assert await wallet_of(store, "ann") == before
    assert await receivable_of(store) == back - whole
    assert (await pays(desk, whole, "much")).json()["code"] == "amount-invalid"
    assert (await pays(desk, whole - back)).json()["due"]["amountMinor"] == 0
    assert await receivable_of(store) == 0
    kinds = ["order_created", "order_refunded", "order_paid"]
    assert await order_events(shard) == list(enumerate(kinds, start=1))
    await books_agree(store)


@pytest.mark.parametrize("policy", ["CREDIT"])
async def test_what_of_a_bill_was_paid_comes_back_to_the_wallet(
    desk: httpx.AsyncClient, shard: ShardUnderTest, store: MemoryStore
) -> None:
    pc = await ended_while_frozen(shard)
    whole = (await bill_of(desk))["due"]["amountMinor"]
    assert (await pays(desk, whole - 5_00)).status_code == 200
    cash, _ = await wallet_of(store, "ann")
    await comes_back(shard, pc)
    back = sum((await credited(shard)).values())
    assert (await bill_of(desk))["due"]["amountMinor"] == 0
    assert await wallet_of(store, "ann") == (cash + back - 5_00, 0)
    assert await receivable_of(store) == 0
    await books_agree(store)


async def test_staff_lowers_a_bill_by_an_outage_and_may_take_off_no_more_than_the_rest(
    desk: httpx.AsyncClient, shard: ShardUnderTest, store: MemoryStore
) -> None:
    pc = await ended_while_frozen(shard)
    await comes_back(shard, pc)
    whole = (await bill_of(desk))["due"]["amountMinor"]
    approved = await decide(desk, "s1/0/approve", "yes")
    back = approved.json()["amount"]["amountMinor"]
    assert (await bill_of(desk))["due"]["amountMinor"] == whole - back > 0
    assert (await refund(desk, whole - back + 1, "much")).json()["code"] == "refund-too-large"
    assert (await refund(desk, whole - back, "rest")).json()["status"] == "REFUNDED"
    assert await receivable_of(store) == 0
    assert await wallet_of(store, "ann") == (500_00, 0)
    await books_agree(store)


async def test_a_bill_paid_while_its_outage_waited_is_not_lowered(
    desk: httpx.AsyncClient, shard: ShardUnderTest, store: MemoryStore
) -> None:
    pc = await ended_while_frozen(shard)
    await comes_back(shard, pc)
    whole = (await bill_of(desk))["due"]["amountMinor"]
    assert (await pays(desk, whole)).status_code == 200
    back = (await decide(desk, "s1/0/approve", "yes")).json()["amount"]["amountMinor"]
    assert await wallet_of(store, "ann") == (500_00 + back, 0)
    assert await receivable_of(store) == 0
    await books_agree(store)
