"""Every operation over HTTP through the owner of the club, and every refusal by name."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from api_under_test import CLUB, HELD, KEY, serving
from whole_club import whole_club

SESSIONS = f"/clubs/{CLUB}/sessions"


class Desk:
    """An operator: every command has a key of its own unless the test gives one."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self._keys = 0

    async def post(self, path: str, body: object = None, key: str | None = None) -> httpx.Response:
        self._keys += 1
        headers = {"Idempotency-Key": key or f"desk-{self._keys}"}
        return await self.client.post(path, json=body, headers=headers)

    async def get(self, path: str) -> Any:
        return (await self.client.get(path)).json()

    async def top_up(self, player_id: str, amount_minor: int) -> httpx.Response:
        return await self.post(
            f"/clubs/{CLUB}/players/{player_id}/wallet/top-ups", {"amountMinor": amount_minor}
        )

    async def play(self, pc_id: str = "pc-1", player_id: str = "anna", **more: object) -> Any:
        body = {"pcId": pc_id, "tariffId": "minute", "playerId": player_id, "start": True, **more}
        answer = await self.post(SESSIONS, body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def cash_minor(self, player_id: str) -> int:
        wallet = await self.get(f"/players/{player_id}/wallet")
        return int(wallet["balances"][0]["cash"]["amountMinor"])

    async def tile(self, pc_id: str) -> Any:
        hall = await self.get(f"/clubs/{CLUB}/hall")
        return next(tile for tile in hall["tiles"] if tile["pcId"] == pc_id)

    async def until_tile(self, pc_id: str, **wanted: object) -> Any:
        async with asyncio.timeout(10):
            while True:
                tile = await self.tile(pc_id)
                if {name: tile[name] for name in wanted} == wanted:
                    return tile
                await asyncio.sleep(0.05)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """A club at work, with money in two wallets."""
    headers = {"Authorization": f"Bearer {KEY}"}
    async with (
        whole_club() as club,
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
        for player_id in ("anna", "boris"):
            assert (await made.top_up(player_id, 50_000)).status_code == 201
        yield made


async def test_the_whole_way_of_a_session(desk: Desk) -> None:
    session = await desk.play()
    path = f"/sessions/{session['sessionId']}"
    assert (session["status"], session["pcId"], session["coverageCause"]) == (
        "STARTED",
        "pc-1",
        "BALANCE",
    )
    tile = await desk.until_tile("pc-1", use="RUNNING", link="ONLINE", locked=False)
    assert (tile["playerLabel"], tile["tariffName"]) == ("Anna K.", "Per minute")
    assert tile["sessionId"] == session["sessionId"]

    extended = await desk.post(f"{path}/extend", {"tariffId": "block"})
    assert extended.status_code == 200, extended.text
    moved = (await desk.post(f"{path}/switch-device", {"pcId": "pc-2"})).json()
    assert (moved["pcId"], moved["version"] > session["version"]) == ("pc-2", True)
    await desk.until_tile("pc-1", use="FREE", locked=True)
    await desk.until_tile("pc-2", use="RUNNING", locked=False)
    assert (await desk.client.get(f"{path}/receipt")).json()["code"] == "receipt-not-found"

    ended = (await desk.post(f"{path}/end", {"endedReason": "ManualByAdmin"})).json()
    assert (ended["status"], ended["endedReason"]) == ("ENDED", "ManualByAdmin")
    await desk.until_tile("pc-2", use="FREE", locked=True, sessionId=None)
    receipt = await desk.get(f"{path}/receipt")
    assert receipt == ended["receipt"]
    total_minor = receipt["total"]["amountMinor"]
    assert total_minor == sum(each["amount"]["amountMinor"] for each in receipt["segments"])
    for segment in receipt["segments"]:
        lines = [line["amount"]["amountMinor"] for line in segment["lines"]]
        assert sum(lines) == segment["amount"]["amountMinor"]
    assert await desk.cash_minor("anna") == 50_000 - total_minor
    stored = await desk.get(path)
    assert {name: ended[name] for name in stored} == stored


async def test_a_session_that_waits_is_started_or_cancelled(desk: Desk) -> None:
    body = {"pcId": "pc-1", "tariffId": "minute", "playerId": "anna"}
    waiting = (await desk.post(SESSIONS, body)).json()
    assert waiting["status"] in {"PENDING", "ACTIVE"}
    await desk.until_tile("pc-1", use="WAIT")
    started = await desk.post(f"/sessions/{waiting['sessionId']}/start")
    assert started.json()["status"] == "STARTED"

    other = (await desk.post(SESSIONS, body | {"pcId": "pc-2", "playerId": "boris"})).json()
    cancelled = await desk.post(f"/sessions/{other['sessionId']}/cancel")
    assert cancelled.json()["status"] == "CANCELLED"
    await desk.until_tile("pc-2", use="FREE")
    assert await desk.cash_minor("boris") == 50_000
    receipt = await desk.client.get(f"/sessions/{other['sessionId']}/receipt")
    assert (receipt.status_code, receipt.json()["code"]) == (404, "receipt-not-found")


async def test_a_guest_pays_at_the_desk_and_has_no_wallet(desk: Desk) -> None:
    body = {"pcId": "pc-3", "tariffId": "minute", "guestLabel": "Max", "start": True}
    nothing_paid = await desk.post(SESSIONS, body)
    assert (nothing_paid.status_code, nothing_paid.json()["code"]) == (402, "insufficient-funds")
    paid = body | {"payment": {"amountMinor": 2_000, "means": "card"}}
    session = (await desk.post(SESSIONS, paid)).json()
    assert (session["status"], session["guestLabel"], session["playerId"]) == (
        "STARTED",
        "Max",
        None,
    )
    tile = await desk.until_tile("pc-3", use="WARNING")
    assert tile["playerLabel"] == "Max"
    ended = (await desk.post(f"/sessions/{session['sessionId']}/end")).json()
    assert ended["amount"] == {"amountMinor": 400, "currency": "EUR"}


@dataclass(frozen=True)
class Refused:
    """A command that must be refused, after what was done before it."""

    name: str
    path: str
    status: int
    code: str
    body: dict[str, object] = field(default_factory=dict)
    field: str | None = None


def creation(**changes: object) -> dict[str, object]:
    return {"pcId": "pc-2", "tariffId": "minute", "playerId": "boris", "start": True} | changes


ON_CREATION = (
    Refused("unknown PC", SESSIONS, 404, "pc-not-found", creation(pcId="pc-99"), "pcId"),
    Refused(
        "unknown tariff", SESSIONS, 404, "tariff-not-found", creation(tariffId="x"), "tariffId"
    ),
    Refused(
        "unknown player", SESSIONS, 404, "player-not-found", creation(playerId="x"), "playerId"
    ),
    Refused("no money", SESSIONS, 402, "insufficient-funds", creation(playerId="poor")),
    Refused("taken PC", SESSIONS, 409, "pc-busy", creation(pcId="pc-1"), "pcId"),
    Refused("plays already", SESSIONS, 409, "player-already-playing", creation(playerId="anna")),
    Refused(
        "a player pays at the desk",
        SESSIONS,
        422,
        "amount-invalid",
        creation(payment={"amountMinor": 500}),
        "payment.amountMinor",
    ),
    Refused(
        "top-up of nobody",
        f"/clubs/{CLUB}/players/nobody/wallet/top-ups",
        404,
        "player-not-found",
        {"amountMinor": 100},
        "playerId",
    ),
)
ON_A_RUNNING_SESSION = (
    Refused("start again", "start", 409, "session-already-started"),
    Refused("cancel", "cancel", 409, "session-already-started"),
    Refused("extend by nothing known", "extend", 404, "tariff-not-found", {"tariffId": "x"}),
    Refused("move nowhere", "switch-device", 404, "pc-not-found", {"pcId": "x"}, "pcId"),
    Refused("stay", "switch-device", 409, "same-device", {"pcId": "pc-1"}),
)
ON_AN_ENDED_SESSION = tuple(
    Refused(f"{path} after the end", path, 409, "session-finished", body)
    for path, body in (
        ("start", {}),
        ("extend", {"tariffId": "minute"}),
        ("switch-device", {"pcId": "pc-2"}),
        ("end", {"endedReason": "ManualByAdmin"}),
        ("cancel", {}),
    )
)


async def refused(desk: Desk, path: str, row: Refused) -> None:
    answer = await desk.post(path, row.body or None)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (row.status, row.code), problem
    if row.field is not None:
        assert problem["field"] == row.field


async def test_every_refusal_of_a_new_session_changes_nothing(desk: Desk) -> None:
    await desk.play("pc-1", "anna")
    before = await desk.tile("pc-2")
    for row in ON_CREATION:
        await refused(desk, row.path, row)
    assert await desk.cash_minor("boris") == 50_000
    after = await desk.tile("pc-2")
    assert (after["use"], after["sessionId"]) == (before["use"], None) == ("FREE", None)


async def test_every_refusal_for_a_running_session(desk: Desk) -> None:
    session = await desk.play()
    for row in ON_A_RUNNING_SESSION:
        await refused(desk, f"/sessions/{session['sessionId']}/{row.path}", row)
    await desk.play("pc-2", "boris")
    taken = Refused("move onto another", "switch-device", 409, "pc-busy", {"pcId": "pc-2"}, "pcId")
    await refused(desk, f"/sessions/{session['sessionId']}/switch-device", taken)
    assert (await desk.get(f"/sessions/{session['sessionId']}"))["status"] == "STARTED"


async def test_an_ended_session_takes_no_command_and_blocks_no_pc(desk: Desk) -> None:
    session = await desk.play()
    await desk.post(f"/sessions/{session['sessionId']}/end")
    for row in ON_AN_ENDED_SESSION:
        await refused(desk, f"/sessions/{session['sessionId']}/{row.path}", row)
    await desk.play("pc-1", "boris")


async def test_a_retry_gives_the_first_answer_and_charges_once(desk: Desk) -> None:
    body = creation()
    first = await desk.post(SESSIONS, body, key="once")
    cash_minor = await desk.cash_minor("boris")
    again = await desk.post(SESSIONS, body, key="once")

    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert await desk.cash_minor("boris") == cash_minor == 50_000 - 200
    other = await desk.post(SESSIONS, creation(pcId="pc-4"), key="once")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")


async def test_a_refusal_is_the_first_answer_too(desk: Desk) -> None:
    body = creation(playerId="poor")
    first = await desk.post(SESSIONS, body, key="poor-1")
    await desk.top_up("poor", 1_000)
    again = await desk.post(SESSIONS, body, key="poor-1")
    fresh = await desk.post(SESSIONS, body, key="poor-2")

    assert (first.status_code, again.content) == (402, first.content)
    assert fresh.status_code == 201


async def test_twenty_sendings_at_once_are_one_top_up(desk: Desk) -> None:
    path = f"/clubs/{CLUB}/players/poor/wallet/top-ups"
    answers = await asyncio.gather(
        *(desk.post(path, {"amountMinor": 700, "bonusMinor": 70}, key="twenty") for _ in range(20))
    )

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert await desk.cash_minor("poor") == 700


async def test_a_key_used_again_for_something_else_is_in_the_audit(desk: Desk) -> None:
    """The store keeps nothing of what it refuses for its key, so the edge notes it."""
    path = f"/clubs/{CLUB}/players/anna/wallet/top-ups"
    assert (await desk.post(path, {"amountMinor": 100}, key="again")).status_code == 201
    refused = await desk.post(path, {"amountMinor": 200}, key="again")
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency-key-reused")
    entries = (await desk.get(f"/clubs/{CLUB}/audit?operation=topUpWallet"))["entries"]
    said = [(one["result"], one["code"]) for one in entries[:2]]
    assert said == [("refused", "idempotency-key-reused"), ("ok", None)]
