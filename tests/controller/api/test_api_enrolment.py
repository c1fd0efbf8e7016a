"""Enrolment over HTTP: what a machine is answered, what staff see and do, who may not."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest
from api_under_test import (
    CHAIN,
    CLUB,
    OTHER_KEY,
    ScriptedGateway,
    client_of,
    dependencies,
    seed_chain,
)

from actors.clock import ManualClock
from actors.store_memory import MemoryStore
from actors.strangers import STRANGERS_SNAPSHOT, Strangers
from controller.enrolment.guesses import (
    WINDOW_MS,
    WRONG_PER_CLUB,
    WRONG_PER_ORIGIN,
    GuessLimit,
)
from controller.enrolment.terms import PcTerms
from schemas.enrolment import ENROLMENT_PATH, REFRESH_PATH

STAFF = f"/api/v1/clubs/{CLUB}"
TERMS = PcTerms("mqtts://broker.lan", "-----BEGIN CERTIFICATE-----")
WRONG = f"{CLUB}.0000-0000-0000"


def secret(name: str) -> str:
    return name.ljust(43, "_")


class Desk:
    """Staff with a key, and machines without one."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        store: MemoryStore,
        clock: ManualClock,
        *,
        guesses: GuessLimit,
    ) -> None:
        self.client = client
        self.store = store
        self.clock = clock
        self.guesses = guesses
        self._keys = 0

    async def post(self, path: str, body: object = None, **headers: str) -> httpx.Response:
        self._keys += 1
        headers = {"Idempotency-Key": f"k{self._keys}", **headers}
        return await self.client.post(f"{STAFF}{path}", json=body, headers=headers)

    async def get(self, path: str) -> Any:
        return (await self.client.get(f"{STAFF}{path}")).json()

    async def code(self, **wish: object) -> str:
        response = await self.post("/enrolment-codes", wish)
        assert response.status_code == 201, response.text
        text: str = response.json()["code"]
        return text

    async def ask(self, code: str, name: str, **asked: object) -> httpx.Response:
        body = {"code": code, "secret": secret(name), **asked}
        return await self.client.post(ENROLMENT_PATH, json=body, headers={"Authorization": ""})

    async def refresh(self, name: str, new: str | None = None) -> httpx.Response:
        body = {"club_id": CLUB, "pc_id": "pc-1", "secret": secret(name)}
        return await self.client.post(
            REFRESH_PATH, json=body | ({} if new is None else {"new_secret": secret(new)})
        )


@pytest.fixture
async def desk(store: MemoryStore, gateway: ScriptedGateway) -> AsyncIterator[Desk]:
    clock = ManualClock(1_800_000_000_000)
    given = replace(dependencies(store, gateway), pc_terms=TERMS, real_clock=clock)
    async with client_of(given) as client:
        yield Desk(client, store, clock, guesses=given.guesses)


async def test_a_machine_is_told_everything_it_needs(desk: Desk) -> None:
    answer = await desk.ask(await desk.code(), "a", pc_id="pc-1")
    assert answer.status_code == 200
    standing = answer.json()["standing"]
    assert standing["mqtt_url"] == TERMS.mqtt_url
    assert standing["username"] == f"{CLUB}.pc-1"
    assert standing["ca_pem"] == TERMS.ca_pem
    assert standing["pc_id"] == "pc-1"
    assert secret("a") not in answer.text
    listed = (await desk.get("/credentials"))["credentials"]
    assert [(one["pcId"], one["state"]) for one in listed] == [("pc-1", "ACTIVE")]


async def test_the_same_request_is_told_the_same_code_and_the_store_knows_none(
    desk: Desk,
) -> None:
    key = {"Idempotency-Key": "same"}
    one = (await desk.post("/enrolment-codes", {"uses": 1}, **key)).json()
    assert (await desk.post("/enrolment-codes", {"uses": 1}, **key)).json() == one
    other = await desk.post("/enrolment-codes", {"uses": 2}, **key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert (await desk.ask(one["code"], "a", pc_id="pc-1")).status_code == 200
    again = (await desk.post("/enrolment-codes", {"uses": 1}, **key)).json()
    assert again == one, "used up, it stays so"
    assert (await desk.ask(one["code"], "b")).json()["code"] == "enrolment-code-refused"
    characters = one["code"].rpartition(".")[2].replace("-", "")
    kept = await desk.store.answer(CHAIN, "api:key:front-desk:same")
    assert kept is not None
    assert characters not in kept.reply.decode().replace("-", "").upper()


async def test_staff_see_who_waits_and_place_or_reject_them(desk: Desk) -> None:
    code = await desk.code(uses=2)
    first = await desk.ask(code, "a", facts={"hostname": "DESKTOP-1", "mac": "02:00:00:00:00:01"})
    second = await desk.ask(code, "b", pc_id="pc-1")
    third = await desk.code(uses=1)
    thief = await desk.ask(third, "c", pc_id="pc-1")
    assert [first.status_code, second.status_code, thief.status_code] == [202, 200, 202]
    assert first.json()["retry_after_s"] > 0

    waiting = (await desk.get("/quarantine"))["waiting"]
    assert {one["reason"] for one in waiting} == {"NO_SUCH_PC", "PC_TAKEN"}
    by_reason = {one["reason"]: one for one in waiting}
    assert by_reason["NO_SUCH_PC"]["machine"]["hostname"] == "DESKTOP-1"

    unplaced = by_reason["NO_SUCH_PC"]["requestId"]
    assert (await desk.post(f"/enrolments/{unplaced}/approve", {})).json()["code"] == (
        "enrolment-needs-pc"
    )
    placed = await desk.post(f"/enrolments/{unplaced}/approve", {"pcId": "pc-2"})
    assert placed.json()["pcId"] == "pc-2"
    rejected = by_reason["PC_TAKEN"]["requestId"]
    assert (await desk.post(f"/enrolments/{rejected}/reject")).status_code == 200

    assert (await desk.ask(code, "a")).json()["standing"]["pc_id"] == "pc-2"
    assert (await desk.ask(third, "c")).json()["code"] == "enrolment-rejected"
    assert (await desk.get("/quarantine"))["waiting"] == []


async def test_wrong_codes_are_few(desk: Desk) -> None:
    for _ in range(WRONG_PER_ORIGIN):
        assert (await desk.ask(WRONG, "a")).json()["code"] == "enrolment-code-refused"
    refused = await desk.ask(WRONG, "a")
    assert (refused.status_code, refused.json()["code"]) == (429, "too-many-guesses")
    assert int(refused.headers["Retry-After"]) == WINDOW_MS // 1_000
    assert (await desk.refresh("a")).status_code == 429

    desk.clock.advance(WINDOW_MS)
    assert (await desk.ask(WRONG, "a")).json()["code"] == "enrolment-code-refused"
    assert (await desk.refresh("a")).json()["code"] == "credentials-refused"


async def test_nobody_locks_a_club_out_by_guessing(desk: Desk) -> None:
    """Who has a good code or a PC's secret is let in, whoever else behind their address or for
    their club was wrong, and however often."""
    code = await desk.code()
    assert (await desk.ask(code, "old", pc_id="pc-1")).status_code == 200
    code = await desk.code(uses=2)
    for _ in range(WRONG_PER_ORIGIN + 2):
        last = await desk.ask(WRONG, "x")
    for number in range(WRONG_PER_CLUB):
        desk.guesses.wrong(origin=f"198.51.100.{number}", club_id=CLUB, now_ms=desk.clock.mono_ms())
    assert last.status_code == 429
    assert (await desk.ask(code, "b", pc_id="pc-2")).status_code == 200
    assert (await desk.ask(code, "b", pc_id="pc-2")).status_code == 200
    assert (await desk.refresh("old", "new")).status_code == 200
    assert (await desk.refresh("new")).status_code == 200
    assert (await desk.refresh("old")).status_code == 429


async def test_a_wrong_code_costs_a_look_at_the_book_and_nothing_more(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many who guess for one club are looked at together."""
    looks = 0
    read = desk.store.enrolment

    async def counted(chain_id: str, club_id: str) -> dict[str, bytes]:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0.1)
        return await read(chain_id, club_id)

    async def never(_chain_id: str) -> dict[str, bytes]:
        raise AssertionError("nobody who guesses makes us read a catalogue")

    monkeypatch.setattr(desk.store, "enrolment", counted)
    monkeypatch.setattr(desk.store, "catalogue", never)
    answers = await asyncio.gather(*(desk.ask(WRONG, f"m{number}") for number in range(24)))
    assert {answer.json()["code"] for answer in answers} == {
        "enrolment-code-refused",
        "too-many-guesses",
    }
    assert looks <= 4


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::1", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.8", False),
        ("", "testclient", False),
    ],
)
def test_addresses_one_machine_may_have_count_as_one(one: str, other: str, *, same: bool) -> None:
    limit = GuessLimit()
    for _ in range(WRONG_PER_ORIGIN):
        limit.wrong(origin=one, club_id="a", now_ms=0)
    assert (limit.pause_ms(origin=other, club_id="b", now_ms=1) > 0) is same


async def test_a_club_nobody_has_answers_like_a_wrong_code(desk: Desk) -> None:
    answers = [
        (await desk.ask(code, "a")).json()
        for code in (WRONG, "nobody.0000-0000-0000", "no code", "ж.0000-0000-0000")
    ]
    assert all(answer == answers[0] for answer in answers)


async def test_a_known_pc_learns_how_things_stand(desk: Desk) -> None:
    await desk.ask(await desk.code(), "old", pc_id="pc-1")
    assert (await desk.refresh("old")).json()["renew_wanted"] is False
    wanted = (await desk.post("/pcs/pc-1/rotate")).json()
    assert (wanted["renewWanted"], wanted["renewBy"] > wanted["enrolledAt"]) == (True, True)
    assert (await desk.refresh("old")).json()["renew_wanted"] is True
    assert (await desk.refresh("old", "new")).json()["renew_wanted"] is False
    assert (await desk.refresh("old")).json()["code"] == "credentials-refused"
    assert (await desk.post("/pcs/pc-1/revoke")).json()["state"] == "REVOKED"
    assert (await desk.refresh("new")).json()["code"] == "credentials-refused"
    assert [one["pcId"] for one in (await desk.get("/quarantine"))["shutOut"]] == ["pc-1"]
    assert (await desk.post("/pcs/pc-1/rotate")).json()["code"] == "pc-not-enrolled"


async def test_names_nobody_knows_on_the_broker_are_listed(desk: Desk) -> None:
    heard = Strangers()
    heard.heard(CLUB, "pc-77", 1_800_000_000_000)
    heard.heard("elsewhere", "pc-1", 1_800_000_000_000)
    await desk.store.put_snapshot(f"{STRANGERS_SNAPSHOT}h1", heard.snapshot(), ttl_ms=None)
    heard.heard(CLUB, "pc-77", 1_800_000_001_000)
    await desk.store.put_snapshot(f"{STRANGERS_SNAPSHOT}h2", heard.snapshot(), ttl_ms=None)
    assert (await desk.get("/quarantine"))["strangers"] == [
        {"pcId": "pc-77", "messages": 2, "lastSeenAt": "2027-01-15T08:00:01.000Z"}
    ]


async def test_another_chain_sees_no_club(store: MemoryStore, gateway: ScriptedGateway) -> None:
    async with client_of(dependencies(store, gateway), OTHER_KEY) as client:
        for path in ("/quarantine", "/credentials"):
            assert (await client.get(f"{STAFF}{path}")).json()["code"] == "club-not-found"
        made = await client.post(
            f"{STAFF}/enrolment-codes", json={}, headers={"Idempotency-Key": "k"}
        )
        assert made.json()["code"] == "club-not-found"
    assert await store.enrolment(CHAIN, CLUB) == {}


async def test_where_enrolment_is_not_configured_it_is_said(client: httpx.AsyncClient) -> None:
    asked = {"code": WRONG, "secret": secret("a")}
    answer = await client.post(ENROLMENT_PATH, json=asked)
    assert (answer.status_code, answer.json()["code"]) == (503, "enrolment-not-configured")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"code": WRONG},
        {"code": WRONG, "secret": "short"},
        {"code": "x" * 97, "secret": secret("a")},
        {"code": WRONG, "secret": secret("a"), "pc_id": "../pc"},
        {"code": WRONG, "secret": secret("a"), "facts": {"hostname": "x" * 65}},
    ],
)
async def test_what_is_no_request_is_refused_by_name(desk: Desk, body: dict[str, object]) -> None:
    answer = await desk.client.post(ENROLMENT_PATH, content=orjson.dumps(body))
    assert answer.status_code in (400, 422)
    answer = await desk.client.post(ENROLMENT_PATH, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
    assert secret("a") not in answer.text


async def test_a_seeded_chain_has_an_empty_quarantine() -> None:
    store = MemoryStore()
    await seed_chain(store)
    async with client_of(dependencies(store, ScriptedGateway())) as client:
        view = (await client.get(f"{STAFF}/quarantine")).json()
    assert view == {"waiting": [], "strangers": [], "shutOut": []}
