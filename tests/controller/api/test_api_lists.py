"""Lists of sessions and orders over HTTP: filters, order, pages, who sees what, the archive."""

from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest
from clubs_under_test import CHAIN
from databases_under_test import Urls
from listed_day_under_test import Books, created, listing, ok
from shard_under_test import MINUTE_MS

from actors.orders import order_key
from controller.api import list_routes
from controller.lists.cursors import query_of
from schemas.commands import (
    CancelSession,
    CreateOrder,
    EndSession,
    OrderMeans,
    OrderPayment,
    PaymentMode,
    RefundOrder,
)

pytestmark = pytest.mark.integration


@pytest.fixture
async def books(sql_urls: Urls) -> AsyncIterator[Books]:
    async with listing(sql_urls) as opened:
        yield opened


STAGES = ("store", "both", "archive")


@pytest.fixture(params=STAGES)
async def staged(books: Books, request: pytest.FixtureRequest) -> Books:
    """The same history wherever it is."""
    if request.param != "store":
        await books.archived()
    if request.param == "archive":
        await books.forgotten()
    return books


async def test_sessions_by_every_filter(staged: Books) -> None:
    ids = staged.ids
    assert await ids() == ["s6", "s5", "s4", "s2", "s1"]
    assert await ids(status="Cancelled") == ["s3"]
    assert await ids(status=["Wait", "Active"]) == ["s6", "s5"]
    assert await ids(status="Ended", zoneId="north-main") == ["s4", "s1"]
    assert await ids(pcId="north-vip-0") == ["s2"]
    assert await ids(playerId="bob") == ["s6", "s2"]
    assert await ids(tariffId="block") == ["s5"]
    assert await ids(clubId="south") == []
    assert await ids(clubId=["north", "south"], search="s1") == ["s1"]
    assert await ids(search="ANN") == ["s5", "s1"]
    assert await ids(search="nobody") == []


async def test_sessions_by_how_they_are_covered_and_why_they_ended(staged: Books) -> None:
    """``s5`` has two hours of which two minutes are played; ``s6`` waits and is not counted yet."""
    await staged.shard.wait(minutes=111)
    ids = staged.ids
    rows = (await staged.get("/sessions")).json()["sessions"]
    said = {one["sessionId"]: (one["coverageStatus"], one["endedReason"]) for one in rows}
    by_hand = (None, "ManualByAdmin")
    assert said == {
        "s6": (None, None),
        "s5": ("ENDING_SOON", None),
        **dict.fromkeys(("s4", "s2", "s1"), by_hand),
    }
    assert await ids(coverageStatus="ENDING_SOON") == ["s5"]
    assert await ids(coverageStatus=["COVERED", "ENDING_SOON"], zoneId="north-vip") == ["s5"]
    assert await ids(coverageStatus="COVERED") == []
    assert await ids(coverageStatus="ENDING_SOON", status="Wait") == []
    assert await ids(endedReason="ManualByAdmin") == ["s4", "s2", "s1"]
    assert await ids(endedReason=["NoShow", "ManualByAdmin"], playerId="bob") == ["s2"]
    assert await ids(endedReason="NoShow") == []
    assert await ids(endedReason="ManualByAdmin", coverageStatus="ENDING_SOON") == []
    page = (await staged.get("/sessions", endedReason="ManualByAdmin", limit=2)).json()
    assert [one["sessionId"] for one in page["sessions"]] == ["s4", "s2"]
    more = {"cursor": page["nextCursor"], "limit": 2}
    assert await ids(endedReason="ManualByAdmin", **more) == ["s1"]
    for other in ({}, {"endedReason": "NoShow"}, {"coverageStatus": "EXPIRED"}):
        assert (await staged.get("/sessions", **other, **more)).json()["code"] == "cursor-invalid"
    unknown = await staged.get("/sessions", coverageStatus="FINE")
    assert (unknown.status_code, unknown.json()["field"]) == (422, "coverageStatus.0")


async def test_a_period_bounds_the_start(staged: Books) -> None:
    shown = (await staged.get("/sessions")).json()["sessions"]
    start_of = {one["sessionId"]: one["startAt"] for one in shown}
    assert await staged.ids(**{"from": start_of["s2"]}) == ["s6", "s5", "s4", "s2"]
    assert await staged.ids(to=start_of["s2"]) == ["s1"]
    local = datetime.fromisoformat(start_of["s2"]) + timedelta(milliseconds=1)
    assert await staged.ids(to=local.isoformat()) == ["s2", "s1"]
    bad = await staged.get("/sessions", to="yesterday")
    assert (bad.status_code, bad.json()["field"]) == (422, "to")


SORTED = {
    "startAt": ["s1", "s2", "s4", "s5", "s6"],
    "endAt": ["s1", "s2", "s4", "s5", "s6"],
    "-playedSeconds": ["s1", "s2", "s5", "s4", "s6"],
    "amount": ["s6", "s4", "s5", "s2", "s1"],
    "-pcId": ["s5", "s2", "s4", "s6", "s1"],
    "zoneId": ["s1", "s4", "s6", "s2", "s5"],
    "status": ["s5", "s1", "s2", "s4", "s6"],
    "tariffId": ["s5", "s1", "s2", "s4", "s6"],
}


@pytest.mark.parametrize("sort", SORTED)
async def test_sessions_in_every_order_page_by_page(staged: Books, sort: str) -> None:
    whole = await staged.ids(sort=sort)
    assert set(whole) == set(SORTED[sort])
    if sort not in ("amount",):
        assert whole == SORTED[sort]
    for limit in (1, 2, 4):
        seen: list[str] = []
        cursor = None
        for _ in range(8):
            query = {"sort": sort, "limit": limit} | ({"cursor": cursor} if cursor else {})
            page = (await staged.get("/sessions", **query)).json()
            assert len(page["sessions"]) <= limit
            seen += [one["sessionId"] for one in page["sessions"]]
            cursor = page["nextCursor"]
            if cursor is None:
                break
        assert seen == whole


async def test_what_a_row_says(staged: Books) -> None:
    rows = (await staged.get("/sessions")).json()["sessions"]
    by_id = {one["sessionId"]: one for one in rows}
    first, guest, running, booked = (by_id[name] for name in ("s1", "s4", "s5", "s6"))
    assert first["status"] == "Ended"
    assert (first["playerLabel"], first["oneTime"]) == ("Ann", False)
    assert (first["zoneName"], first["pcName"], first["tariffName"]) == (
        "Main",
        "main0",
        "Standard",
    )
    assert first["playedSeconds"] == 600
    assert first["amount"] == {"amountMinor": 20_00, "currency": "EUR"}
    assert first["endedReason"] == "ManualByAdmin"
    assert first["endAt"] > first["startAt"]
    assert (guest["oneTime"], guest["guestLabel"], guest["playerId"]) == (True, "Max", None)
    assert (running["status"], running["endAt"]) == ("Active", None)
    assert running["playedSeconds"] == 120
    assert running["coverageUntilAt"] > running["startAt"]
    assert (booked["status"], booked["actualStartAt"], booked["playedSeconds"]) == ("Wait", None, 0)


@pytest.mark.parametrize("stage", STAGES)
async def test_what_was_taken_back_before_it_began_ends_where_it_was_to_begin(
    books: Books, stage: str
) -> None:
    """One booking is cancelled, one is ended, both long before their time."""
    shard = books.shard
    for name, minutes in (("s8", 90), ("s9", 180)):
        at_ms = shard.now.wall_ms + minutes * MINUTE_MS
        booked = created(name, "north-vip-0", start=False, planned_start_at_ms=at_ms)
        await ok(shard, booked)
    await ok(shard, CancelSession(session_id="s8"))
    await ok(shard, EndSession(session_id="s9"))
    if stage != "store":
        await books.archived()
    if stage == "archive":
        await books.forgotten()
    every = {"status": ["Wait", "Active", "Ended", "Cancelled"]}
    rows = (await books.get("/sessions", **every)).json()["sessions"]
    by_id = {one["sessionId"]: one for one in rows}
    for one in rows:
        over = one["status"] in ("Ended", "Cancelled")
        assert (one["endAt"] is not None) is over, one
        assert not over or one["endAt"] >= one["startAt"], one
    for name in ("s8", "s9"):
        seen = (await books.get(f"/sessions/{name}")).json()
        assert seen["effectiveEndAt"] == seen["effectiveStartAt"] == seen["plannedStartAt"]
        assert by_id[name]["endAt"] == by_id[name]["startAt"] == seen["plannedStartAt"]
        assert by_id[name]["playedSeconds"] == 0
    in_order = ["s1", "s2", "s3", "s4", "s8", "s9", "s5", "s6"]
    assert await books.ids(sort="endAt", **every) == in_order
    first = (await books.get("/sessions", sort="endAt", limit=4, **every)).json()
    more = {"cursor": first["nextCursor"], **every}
    assert await books.ids(sort="endAt", **more) == in_order[4:]


async def test_cursors_fit_the_list_they_are_of(books: Books) -> None:
    cursor = (await books.get("/sessions", limit=1)).json()["nextCursor"]
    for query in (
        {"sort": "pcId", "cursor": cursor},
        {"status": "Ended", "cursor": cursor},
        {"search": "s", "cursor": cursor},
        {"cursor": "x"},
        {"cursor": cursor[:-3]},
    ):
        answer = await books.get("/sessions", **query)
        assert (answer.status_code, answer.json()["code"]) == (422, "cursor-invalid"), query
    assert (await books.get("/sessions", sort="price")).status_code == 422
    assert (await books.get("/sessions", limit=201)).status_code == 422


def query_of_all() -> str:
    """What stands for all sessions in a cursor."""
    filters = ("clubs", "statuses", "coverage", "ended", "zone", "pc", "player", "tariff", "search")
    wanted = {**dict.fromkeys(filters), "start": (None, None)}
    return query_of(f"{CHAIN}\n/api/v1/sessions", wanted)


def forged(*parts: object) -> str:
    parts = (*parts, query_of_all())
    return urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        forged("-startAt", 2**64 - 1, "x"),
        forged("-startAt", True, "x"),
        forged("-startAt", "abc", "x"),
        forged("-startAt", 1, "a\0"),
        urlsafe_b64encode(b"5").decode(),
    ],
)
async def test_a_forged_cursor_is_the_callers_fault(books: Books, cursor: str) -> None:
    answer = await books.get("/sessions", cursor=cursor)
    assert (answer.status_code, answer.json()["code"]) == (422, "cursor-invalid")


async def test_a_cursor_as_it_is_made_is_taken(books: Books) -> None:
    """What the forged ones differ from in one thing only."""
    assert await books.ids(cursor=forged("-startAt", 2**53, "x")) == await books.ids()


async def test_nobody_is_called_nul(books: Books) -> None:
    answer = await books.get("/sessions", search="\0")
    assert (answer.status_code, answer.json()["field"]) == (422, "search")


async def test_a_search_that_matches_too_many_players_is_refused(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With some of them left out the page would be wrong, and nobody could tell."""
    assert (await books.get("/sessions", search="n")).status_code == 200
    monkeypatch.setattr(list_routes, "PLAYERS_FOUND_MAX", 0)
    answer = await books.get("/sessions", search="n")
    assert (answer.status_code, answer.json()["code"]) == (422, "search-too-broad")
    assert (await books.get("/sessions", search="zzz")).status_code == 200


async def test_a_key_of_one_club_sees_that_club_only(books: Books) -> None:
    assert (await books.get("/sessions", key="south")).json()["sessions"] == []
    hidden = await books.get("/sessions", key="south", clubId="north")
    unknown = await books.get("/sessions", key="south", clubId="nowhere")
    assert hidden.status_code == unknown.status_code == 404
    assert hidden.json() == unknown.json()


async def orders(books: Books) -> None:
    paid = (OrderPayment(means=OrderMeans.CARD, amount_minor=200_00),)
    shard = books.shard
    made = {"player_id": "ann", "tariff_ids": ("block",)}
    await ok(shard, CreateOrder(order_id="o1", payments=paid, **made))
    await shard.wait(minutes=1)
    await ok(shard, CreateOrder(order_id="o2", **made))
    await shard.wait(minutes=1)
    await ok(
        shard, CreateOrder(order_id="o3", player_id="bob", tariff_ids=("block",), payments=paid)
    )
    await ok(shard, RefundOrder(order_id="o3"))
    await ok(shard, created("s7", "north-vip-0", player_id="bob", mode=PaymentMode.OPEN_ENDED))
    await shard.wait(minutes=1)
    await ok(shard, EndSession(session_id="s7"))


@pytest.mark.parametrize("stage", STAGES)
async def test_orders_by_filter_and_page(books: Books, stage: str) -> None:
    await orders(books)
    if stage != "store":
        await books.archived()
    if stage == "archive":
        await books.forgotten()

    async def ids(**query: Any) -> list[str]:
        return await books.ids("/orders", **query)

    assert await ids() == ["s7", "o3", "o2", "o1"]
    assert await ids(status="UNPAID") == ["s7", "o2"]
    assert await ids(status=["PAID", "REFUNDED"], sort="createdAt") == ["o1", "o3"]
    assert await ids(playerId="bob") == ["s7", "o3"]
    assert await ids(sessionId="s7") == ["s7"]
    assert await ids(sort="-due", limit=1) == ["o2"]
    page = (await books.get("/orders", limit=2)).json()
    assert [one["orderId"] for one in page["orders"]] == ["s7", "o3"]
    rest = (await books.get("/orders", limit=2, cursor=page["nextCursor"])).json()
    assert [one["orderId"] for one in rest["orders"]] == ["o2", "o1"]
    assert rest["nextCursor"] is None
    shown = (await books.get("/orders/o3")).json()
    assert shown == page["orders"][1]


async def test_an_order_that_changes_after_it_was_archived_is_shown_as_it_is(books: Books) -> None:
    await orders(books)
    await books.archived()
    await ok(books.shard, RefundOrder(order_id="o1"))
    assert await books.ids("/orders", status="REFUNDED") == ["o3", "o1"]
    assert await books.ids("/orders", status="PAID") == []
    stored = await books.shard.store.documents(CHAIN, [order_key("o1")])
    assert len(stored) == 1
