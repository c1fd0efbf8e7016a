"""Orders, bookings, holds and guests over HTTP, through the owner of the club."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from api_under_test import CLUB, HELD, KEY, OTHER_KEY, serving, tariff_document
from whole_club import whole_club

from schemas.catalogue import ZoneDocument

SESSIONS = f"/clubs/{CLUB}/sessions"
ORDERS = f"/clubs/{CLUB}/orders"
HOURS = tariff_document(
    "hours", "Ten hours", type="HOURS", price_minor=10_000, hours=10, refund="CASH"
)
ZONE = (
    ZoneDocument(
        zone_id="std",
        club_id=CLUB,
        name="Standard",
        tariff_ids=("minute", "block", "hours"),
        default_tariff_id="minute",
    )
    .model_dump_json()
    .encode()
)


class Desk:
    """An operator whose every command has a key of its own."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self._keys = 0

    async def post(self, path: str, body: object = None, *, expected: int = 200) -> Any:
        self._keys += 1
        headers = {"Idempotency-Key": f"orders-{self._keys}"}
        answer = await self.client.post(path, json=body, headers=headers)
        assert answer.status_code == expected, answer.text
        return answer.json()

    async def get(self, path: str, *, expected: int = 200) -> Any:
        answer = await self.client.get(path)
        assert answer.status_code == expected, answer.text
        return answer.json()


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """A club that also sells ten hours, and money in one wallet."""
    headers = {"Authorization": f"Bearer {KEY}"}
    async with (
        whole_club(catalogue={"tariff:hours:1": HOURS, "zone:std": ZONE}) as club,
        serving(club.app) as address,
        httpx.AsyncClient(
            base_url=f"{address}/api/v1",
            headers=headers,
            trust_env=False,
            timeout=20,
            event_hooks=HELD,
        ) as client,
    ):
        made = Desk(client)
        top_up = f"/clubs/{CLUB}/players/anna/wallet/top-ups"
        await made.post(top_up, {"amountMinor": 50_000, "bonusMinor": 2_000}, expected=201)
        yield made


def paid(amount_minor: int, means: str = "cash") -> dict[str, object]:
    return {"means": means, "amountMinor": amount_minor}


async def test_an_order_is_made_paid_played_and_given_back(desk: Desk) -> None:
    body = {"playerId": "anna", "tariffIds": ["hours", "hours"]}
    order = await desk.post(ORDERS, body, expected=201)
    path = f"/orders/{order['orderId']}"
    assert (order["status"], order["due"]) == (
        "UNPAID",
        {"amountMinor": 20_000, "currency": "EUR"},
    )
    short = await desk.post(f"{path}/pay", {"payments": [paid(19_999)]}, expected=422)
    assert (short["code"], short["field"]) == ("amount-invalid", "payments")
    parts = [paid(10_000), paid(8_000, "balance"), paid(2_000, "bonus")]
    order = await desk.post(f"{path}/pay", {"payments": parts})
    assert (order["status"], order["due"]["amountMinor"]) == ("PAID", 0)
    assert await desk.get(path) == order
    pack = order["lines"][0]["playerTariffId"]

    playing = {"pcId": "pc-1", "playerId": "anna", "playerTariffId": pack, "start": True}
    session = await desk.post(SESSIONS, playing, expected=201)
    assert (session["orderId"], session["coverageCause"]) == (order["orderId"], "PACKAGE")
    owned = (await desk.get("/players/anna/tariffs"))["playerTariffs"]
    in_use = {one["playerTariffId"]: one["sessionId"] for one in owned}
    assert in_use == {pack: session["sessionId"], order["lines"][1]["playerTariffId"]: None}
    refused = await desk.post(f"{path}/refund", {"line": 0}, expected=409)
    assert refused["code"] == "player-tariff-in-use"
    await desk.post(f"/sessions/{session['sessionId']}/end")

    refunded = await desk.post(f"{path}/refund", {"line": 1})
    assert refunded["status"] == "PARTLY_REFUNDED"
    assert (await desk.post(f"{path}/refund", expected=409))["code"] == "nothing-to-refund"
    wallet = (await desk.get("/players/anna/wallet"))["balances"][0]
    total_minor = wallet["cash"]["amountMinor"] + wallet["bonus"]["amountMinor"]
    assert total_minor == 50_000 - 8_000 + 20_000 - 17, "all but the minute that was played"


async def test_a_booking_on_an_order_shows_the_order_and_how_long_it_is_for(desk: Desk) -> None:
    bought = {"playerId": "anna", "tariffIds": ["hours"], "payments": [paid(10_000)]}
    order = await desk.post(ORDERS, bought, expected=201)
    (line,) = order["lines"]
    tomorrow = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    booking = {
        "pcId": "pc-1",
        "playerId": "anna",
        "playerTariffId": line["playerTariffId"],
        "plannedStartAt": tomorrow.isoformat(),
    }
    made = await desk.post(SESSIONS, booking, expected=201)
    for shown in (made, await desk.get(f"/sessions/{made['sessionId']}")):
        assert (shown["status"], shown["orderId"]) == ("PENDING", order["orderId"])
        (segment,) = shown["segments"]
        assert segment["orderId"] == order["orderId"]
        assert segment["playerTariffId"] == line["playerTariffId"]
        ends = datetime.fromisoformat(shown["effectiveEndAt"])
        assert ends - tomorrow == timedelta(hours=10)
        assert segment["plannedEndAt"] == shown["effectiveEndAt"]
    (row,) = (await desk.get("/sessions?status=Wait"))["sessions"]
    assert row["orderId"] == order["orderId"]
    into_it = tomorrow + timedelta(hours=9)
    other = {"pcId": "pc-1", "guestLabel": "Max", "tariffId": "minute"}
    refused = {**other, "plannedStartAt": into_it.isoformat()}
    problem = await desk.post(SESSIONS, refused, expected=409)
    assert (problem["code"], problem["field"]) == ("pc-reserved", "plannedStartAt")


async def test_an_order_paid_by_twenty_at_once_is_paid_once(desk: Desk) -> None:
    order = await desk.post(ORDERS, {"playerId": "anna", "tariffIds": ["hours"]}, expected=201)
    path = f"/orders/{order['orderId']}/pay"
    body = {"payments": [paid(10_000, "balance")]}
    same = {"Idempotency-Key": "one-key"}
    first = [desk.client.post(path, json=body, headers=same) for _ in range(20)]
    answers = await asyncio.gather(*first)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    again = [
        desk.client.post(path, json=body, headers={"Idempotency-Key": f"key-{number}"})
        for number in range(20)
    ]
    assert {answer.json()["code"] for answer in await asyncio.gather(*again)} == {"order-paid"}
    wallet = (await desk.get("/players/anna/wallet"))["balances"][0]
    assert wallet["cash"]["amountMinor"] == 40_000
    assert len((await desk.get("/players/anna/tariffs"))["playerTariffs"]) == 1


async def test_twenty_payments_of_one_order_race_and_one_wins(desk: Desk) -> None:
    order = await desk.post(ORDERS, {"playerId": "anna", "tariffIds": ["hours"]}, expected=201)
    path = f"/orders/{order['orderId']}/pay"
    body = {"payments": [paid(10_000, "balance")]}
    racing = [
        desk.client.post(path, json=body, headers={"Idempotency-Key": f"race-{number}"})
        for number in range(20)
    ]
    answers = await asyncio.gather(*racing)
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 19
    wallet = (await desk.get("/players/anna/wallet"))["balances"][0]
    assert wallet["cash"]["amountMinor"] == 40_000


async def test_a_post_pay_session_is_settled_after_its_end(desk: Desk) -> None:
    body = {
        "pcId": "pc-1",
        "tariffId": "minute",
        "guestLabel": "Max",
        "mode": "OPEN_ENDED",
        "start": True,
    }
    session = await desk.post(SESSIONS, body, expected=201)
    path = f"/orders/{session['orderId']}"
    assert (session["coverageCause"], session["coverageUntilAt"]) == ("OPEN_ENDED", None)
    so_far = await desk.get(path)
    assert (so_far["status"], so_far["due"]) == ("UNPAID", session["amount"])
    early = await desk.post(f"{path}/pay", {"payments": [paid(200, "card")]}, expected=409)
    assert early["code"] == "order-not-due"
    await desk.post(f"/sessions/{session['sessionId']}/end")
    order = await desk.get(path)
    assert (order["status"], order["sessionId"]) == ("UNPAID", session["sessionId"])
    due_minor = order["due"]["amountMinor"]
    assert due_minor == 200
    settled = await desk.post(f"{path}/pay", {"payments": [paid(due_minor, "card")]})
    assert settled["status"] == "PAID"
    again = await desk.post(f"{path}/pay", {"payments": [paid(1)]}, expected=409)
    assert again["code"] == "order-paid"


def later(instant: str, minutes: int) -> str:
    moved = datetime.fromisoformat(instant) + timedelta(minutes=minutes)
    return moved.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def test_a_booking_shortens_what_plays_and_what_is_added(desk: Desk) -> None:
    """Two hours play from now on; somebody books in three hours, then in one."""
    playing = {"pcId": "pc-1", "tariffId": "block", "playerId": "anna", "start": True}
    session = await desk.post(SESSIONS, playing, expected=201)
    path, until = f"/sessions/{session['sessionId']}", session["coverageUntilAt"]
    booking = {"pcId": "pc-1", "tariffId": "minute", "playerId": "boris"}
    in_three = later(until, 60)
    far = await desk.post(SESSIONS, booking | {"plannedStartAt": in_three}, expected=201)
    extended = await desk.post(f"{path}/extend", {"tariffId": "block"})
    assert extended["coverageUntilAt"] == in_three
    (left,) = (await desk.get("/players/anna/wallet"))["balances"]
    left_minor = left["cash"]["amountMinor"] + left["bonus"]["amountMinor"]
    assert left_minor == 52_000 - 20_000 - 10_000, "an hour is paid of the two there would be"
    await desk.post(f"/sessions/{far['sessionId']}/cancel")
    in_one = later(until, -60)
    await desk.post(SESSIONS, booking | {"plannedStartAt": in_one}, expected=201)
    shortened = await desk.get(path)
    assert (shortened["coverageUntilAt"], shortened["coverageCause"]) == (in_one, "BOOKING")


async def test_nothing_is_added_where_the_next_one_begins(desk: Desk) -> None:
    now = (await desk.get(f"/clubs/{CLUB}/hall"))["now"]
    at = f"{int(now[:4]) + 1}{now[4:]}"
    playing = {"pcId": "pc-1", "tariffId": "block", "playerId": "anna", "start": True}
    session = await desk.post(SESSIONS, playing, expected=201)
    far = {"pcId": "pc-1", "tariffId": "minute", "playerId": "boris", "plannedStartAt": at}
    refused = await desk.post(SESSIONS, far, expected=422)
    assert (refused["code"], refused["field"]) == ("planned-time-invalid", "plannedStartAt")
    until = session["coverageUntilAt"]
    booked = await desk.post(SESSIONS, far | {"plannedStartAt": until}, expected=201)
    assert booked["status"] == "PENDING"
    refused = await desk.post(
        f"/sessions/{session['sessionId']}/extend", {"tariffId": "block"}, expected=409
    )
    assert refused["code"] == "booking-too-close"
    await desk.post(f"/sessions/{booked['sessionId']}/cancel")
    await desk.post(f"/sessions/{session['sessionId']}/extend", {"tariffId": "block"})


async def test_a_pc_is_held_and_released(desk: Desk) -> None:
    path = f"/clubs/{CLUB}/pcs/pc-1"
    tile = await desk.post(f"{path}/hold", {"reason": "new fan"})
    assert (tile["use"], tile["holdReason"], tile["holdUntilAt"]) == ("HOLD", "new fan", None)
    playing = {"pcId": "pc-1", "tariffId": "minute", "playerId": "anna", "start": True}
    assert (await desk.post(SESSIONS, playing, expected=409))["code"] == "pc-on-hold"
    assert (await desk.post(f"{path}/release"))["use"] == "FREE"
    assert (await desk.post(f"{path}/release", expected=409))["code"] == "pc-not-on-hold"
    await desk.post(SESSIONS, playing, expected=201)


async def test_a_guest_becomes_a_player(desk: Desk) -> None:
    body = {
        "pcId": "pc-1",
        "tariffId": "minute",
        "guestLabel": "Max",
        "start": True,
        "payment": {"amountMinor": 2_000},
    }
    session = await desk.post(SESSIONS, body, expected=201)
    path = f"/sessions/{session['sessionId']}/convert-guest"
    converted = await desk.post(path, {"playerId": "anna"})
    assert (converted["playerId"], converted["guestLabel"]) == ("anna", None)
    wallet = (await desk.get("/players/anna/wallet"))["balances"][0]
    assert wallet["cash"]["amountMinor"] == 50_000 + 2_000 - 200
    again = await desk.post(path, {"playerId": "boris"}, expected=409)
    assert again["code"] == "already-a-player"


async def test_another_chain_finds_neither_order_nor_player(desk: Desk) -> None:
    order = await desk.post(ORDERS, {"playerId": "anna", "tariffIds": ["hours"]}, expected=201)
    desk.client.headers["Authorization"] = f"Bearer {OTHER_KEY}"
    path = f"/orders/{order['orderId']}"
    unknown = await desk.get("/orders/ord-nothing", expected=404)
    for problem in (
        await desk.get(path, expected=404),
        await desk.post(f"{path}/pay", {"payments": [paid(1)]}, expected=404),
        await desk.post(f"{path}/refund", expected=404),
    ):
        assert {**problem, "instance": ""} == {**unknown, "instance": ""}
    assert (await desk.get("/players/anna/tariffs", expected=404))["code"] == "player-not-found"


async def test_what_was_bought_in_another_club_is_not_shown(desk: Desk) -> None:
    body = {"playerId": "anna", "tariffIds": ["hours"], "payments": [paid(10_000)]}
    await desk.post(ORDERS, body, expected=201)
    assert len((await desk.get("/players/anna/tariffs"))["playerTariffs"]) == 1
    club = {"clubId": "chain-a-9", "name": "Nine", "timezone": "UTC", "currency": "EUR"}
    await desk.post("/clubs", club, expected=201)
    key = {"name": "Nine's", "role": "cashier", "clubIds": ["chain-a-9"]}
    secret = (await desk.post("/api-keys", key, expected=201))["secret"]
    theirs = await desk.client.get(
        "/players/anna/tariffs", headers={"Authorization": f"Bearer {secret}"}
    )
    assert theirs.json()["playerTariffs"] == []


async def test_a_session_has_its_order_from_the_beginning(desk: Desk) -> None:
    """What it has come to so far; paid as it runs, and nothing to pay or give back yet."""
    seat = {"pcId": "pc-1", "tariffId": "minute", "playerId": "anna", "start": True}
    session = await desk.post(SESSIONS, seat, expected=201)
    path = f"/orders/{session['orderId']}"
    order = await desk.get(path)
    assert order["orderId"] == order["sessionId"] == session["sessionId"] == session["orderId"]
    assert order["amount"] == session["amount"] != {"amountMinor": 0, "currency": "EUR"}
    assert order["status"] == "PAID"
    listed = await desk.get(f"/orders?sessionId={session['sessionId']}")
    assert listed == {"orders": [order], "nextCursor": None}
    refused = await desk.post(f"{path}/refund", {"amountMinor": 1}, expected=409)
    assert refused["code"] == "order-not-due"
    await desk.post(f"/sessions/{session['sessionId']}/end")
    listed = await desk.get(f"/orders?sessionId={session['sessionId']}")
    assert [one["orderId"] for one in listed["orders"]] == [session["sessionId"]]


async def test_the_orders_of_a_session_are_its_bill_and_what_it_drew_on(desk: Desk) -> None:
    bought = {"playerId": "anna", "tariffIds": ["hours"], "payments": [paid(10_000)]}
    order = await desk.post(ORDERS, bought, expected=201)
    pack = order["lines"][0]["playerTariffId"]
    seat = {"pcId": "pc-1", "playerTariffId": pack, "playerId": "anna", "start": True}
    session = await desk.post(SESSIONS, seat, expected=201)
    path = f"/orders?sessionId={session['sessionId']}"
    assert [one["orderId"] for one in (await desk.get(path))["orders"]] == [order["orderId"]]
    assert (await desk.get(f"{path}&status=UNPAID"))["orders"] == []
    assert (await desk.get("/orders?sessionId=nobody"))["orders"] == []
    one = await desk.get(f"{path}&limit=1")
    assert one["nextCursor"] is None


async def test_a_guest_is_told_what_the_desk_hands_back(desk: Desk) -> None:
    seat = {
        "pcId": "pc-1",
        "tariffId": "minute",
        "guestLabel": "Guest",
        "start": True,
        "payment": paid(5_000, "card"),
    }
    session = await desk.post(SESSIONS, seat, expected=201)
    assert session["handedBack"] is None
    ended = await desk.post(f"/sessions/{session['sessionId']}/end")
    back = ended["handedBack"]
    assert back["cash"]["amountMinor"] == 0
    assert back["card"]["amountMinor"] == 5_000 - ended["amount"]["amountMinor"] > 0
    receipt = await desk.get(f"/sessions/{session['sessionId']}/receipt")
    assert receipt["handedBack"] == back
    assert receipt["forfeits"] == []
    order = await desk.get(f"/orders/{session['sessionId']}")
    assert [one["means"] for one in order["payments"]] == ["card"] * bool(order["amount"])
