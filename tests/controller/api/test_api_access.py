"""Every route for every role; what is another's looks as if it did not exist."""

import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from api_under_test import (
    CHAIN,
    CLUB,
    KEY,
    OTHER_KEY,
    ScriptedGateway,
    client_of,
    dependencies,
    seed_chain,
    serving,
    tariff_document,
)
from issuer_under_test import IssuerUnderTest
from whole_club import whole_club

from actors.store_memory import MemoryStore
from controller.api.access import OPERATION_PERMISSIONS, needed_of
from controller.api.app import create_app
from controller.api.auth import ApiKey, digest_of
from controller.api.export import access_markdown
from controller.api.openapi import describe
from schemas.access import ROLE_PERMISSIONS, Permission, Role
from schemas.catalogue import ZoneDocument
from schemas.commands import Channel

ROLES: Final = tuple(Role)
IN_THE_PATH: Final = {
    "clubId": CLUB,
    "playerId": "anna",
    "pcId": "pc-1",
    "sessionId": "no-such",
    "orderId": "no-such",
    "webhookId": "no-such",
    "zoneId": "std",
    "tariffId": "minute",
    "groupId": "no-such",
    "staffId": "no-such",
    "keyId": "no-such",
    "requestId": "no-such",
    "number": "0",
}


def operations() -> list[tuple[str, str, str]]:
    """(operation, method, path with ids) of everything the document lists."""
    document = describe(create_app(dependencies(MemoryStore(), ScriptedGateway())))
    return [
        (operation["operationId"], method, re.sub(r"{(\w+)}", lambda m: IN_THE_PATH[m[1]], path))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


OPERATIONS: Final = operations()


def test_every_operation_has_its_row_and_every_row_its_operation() -> None:
    assert {operation for operation, _, _ in OPERATIONS} == set(OPERATION_PERMISSIONS)


def test_the_committed_table_of_access_is_the_one_that_is_asked() -> None:
    """Regenerate it with ``python -m controller.api.export docs/access.md``."""
    committed = Path(__file__).parents[3] / "docs" / "access.md"
    assert committed.read_text() == access_markdown()


def test_an_owner_changes_nothing_and_a_player_reads_nobody_else() -> None:
    edits = {one for one in Permission if not one.value.endswith("Read")}
    assert not ROLE_PERMISSIONS[Role.OWNER] & edits
    staff_only = {Permission.HALL_READ, Permission.PLAYER_READ, Permission.AUDIT_READ}
    assert not ROLE_PERMISSIONS[Role.PLAYER] & staff_only
    assert Permission.SESSION_DELETE not in ROLE_PERMISSIONS[Role.CASHIER]


@pytest.fixture
async def issuer() -> IssuerUnderTest:
    return IssuerUnderTest()


@pytest.fixture
async def anybody(issuer: IssuerUnderTest) -> AsyncIterator[httpx.AsyncClient]:
    """A client that says itself who it is, of an API with every kind of caller."""
    store = MemoryStore()
    await seed_chain(store)
    keys = [
        ApiKey(
            CHAIN, "reader", digest_of("reads"), permissions=frozenset({Permission.SESSION_READ})
        ),
        ApiKey(CHAIN, "far-away", digest_of("far"), club_ids=frozenset({"club-9"})),
    ]
    given = dependencies(store, ScriptedGateway(), keys=keys, tokens=issuer.reader())
    async with client_of(given, key=None) as client:
        yield client


async def asked(
    client: httpx.AsyncClient, method: str, path: str, bearer: str | None
) -> httpx.Response:
    headers = {} if method == "get" else {"Idempotency-Key": "matrix"}
    if bearer is not None:
        headers["Authorization"] = f"Bearer {bearer}"
    async with client.stream(method, path, headers=headers) as answer:
        if answer.headers["content-type"].startswith("text/event-stream"):
            return answer
        await answer.aread()
        return answer


@pytest.mark.parametrize("role", ROLES)
async def test_each_route_is_open_to_a_role_exactly_as_the_table_says(
    anybody: httpx.AsyncClient, issuer: IssuerUnderTest, role: Role
) -> None:
    token = issuer.token("anna", role)
    for operation, method, path in OPERATIONS:
        answer = await asked(anybody, method, path, token)
        allowed = needed_of(operation, is_player=role is Role.PLAYER) in ROLE_PERMISSIONS[role]
        if allowed:
            assert answer.status_code not in (401, 403), (operation, answer.text)
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), operation


@pytest.mark.parametrize("bearer", [None, "nobody", "a.b.c"])
async def test_nobody_gets_past_any_route(anybody: httpx.AsyncClient, bearer: str | None) -> None:
    for operation, method, path in OPERATIONS:
        answer = await asked(anybody, method, path, bearer)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), operation
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_scoped_key_does_what_its_scopes_say(anybody: httpx.AsyncClient) -> None:
    for operation, method, path in OPERATIONS:
        answer = await asked(anybody, method, path, "reads")
        allowed = OPERATION_PERMISSIONS[operation] is Permission.SESSION_READ
        assert (answer.status_code == 403) is not allowed, operation


async def test_a_club_of_others_looks_like_no_club(anybody: httpx.AsyncClient) -> None:
    mine = (await asked(anybody, "get", "/api/v1/clubs", "far")).json()
    assert mine == {"clubs": [], "nextCursor": None}
    for operation, method, path in OPERATIONS:
        if f"/clubs/{CLUB}" not in path:
            continue
        theirs = await asked(anybody, method, path, "far")
        nothing = await asked(anybody, method, path.replace(CLUB, "club-0"), "far")
        assert theirs.status_code == 404, operation
        assert same(theirs, nothing), operation


def same(one: httpx.Response, other: httpx.Response) -> bool:
    """Nothing but the address asked for tells the two apart."""
    return {**one.json(), "instance": ""} == {**other.json(), "instance": ""}


BAD_TOKENS: Final[dict[str, dict[str, object]]] = {
    "expired": {"exp": int(time.time()) - 3_600},
    "without an end": {"exp": None},
    "of another issuer": {"iss": "https://elsewhere.example"},
    "for somebody else": {"aud": "shops"},
    "without a chain": {"chain_id": None},
    "of an unknown role": {"role": "emperor"},
    "without a subject": {"sub": None},
}


@pytest.mark.parametrize("changes", BAD_TOKENS.values(), ids=BAD_TOKENS)
async def test_bad_tokens_are_nobody(
    anybody: httpx.AsyncClient, issuer: IssuerUnderTest, changes: dict[str, object]
) -> None:
    token = issuer.token("anna", "administrator", **changes)
    answer = await asked(anybody, "get", "/api/v1/clubs", token)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


async def test_a_token_signed_with_another_key_is_nobody_and_keys_are_not_asked_for_each(
    anybody: httpx.AsyncClient, issuer: IssuerUnderTest
) -> None:
    good = issuer.token("anna", "administrator")
    assert (await asked(anybody, "get", "/api/v1/clubs", good)).status_code == 200
    issuer.rotate()
    for _ in range(5):
        forged = issuer.token("anna", "administrator")
        assert (await asked(anybody, "get", "/api/v1/clubs", forged)).status_code == 401
    assert issuer.reads == 1
    assert (await asked(anybody, "get", "/api/v1/clubs", good)).status_code == 200


@pytest.mark.parametrize("answer", [[], [1], "keys", {"keys": 1}, {"keys": [1]}, {}, 7])
async def test_an_issuer_that_answers_anything_but_keys_is_said_to_be_away(
    anybody: httpx.AsyncClient, issuer: IssuerUnderTest, answer: object
) -> None:
    token = issuer.token("anna", "administrator")
    issuer.answer = answer
    refused = await asked(anybody, "get", "/api/v1/clubs", token)
    assert (refused.status_code, refused.json()["code"]) == (503, "issuer-unavailable")


async def test_an_issuer_that_cannot_be_reached_is_said_to_be_so(
    anybody: httpx.AsyncClient, issuer: IssuerUnderTest
) -> None:
    issuer.down = True
    token = issuer.token("anna", "administrator")
    answer = await asked(anybody, "get", "/api/v1/clubs", token)
    assert (answer.status_code, answer.json()["code"]) == (503, "issuer-unavailable")
    assert (await asked(anybody, "get", "/api/v1/clubs", KEY)).status_code == 200


CATALOGUE: Final = {
    "tariff:desk-only:1": tariff_document("desk-only", "Desk", sales={"channels": ["crm"]}),
    "zone:std": ZoneDocument(zone_id="std", club_id=CLUB, name="Standard")
    .model_dump_json()
    .encode(),
}


@dataclass
class Club:
    """A club at work, and whoever asks."""

    client: httpx.AsyncClient
    issuer: IssuerUnderTest
    keys: int = 0

    async def ask(self, bearer: str, method: str, path: str, body: object = None) -> Any:
        self.keys += 1
        headers = {"Authorization": f"Bearer {bearer}", "Idempotency-Key": f"k{self.keys}"}
        return await self.client.request(method, path, json=body, headers=headers)

    def player(self, player_id: str) -> str:
        return self.issuer.token(player_id, "player")


@pytest.fixture
async def club() -> AsyncIterator[Club]:
    issuer = IssuerUnderTest()
    kiosk = ApiKey(CHAIN, "kiosk", digest_of("kiosk"), channel=Channel.KIOSK)
    async with (
        whole_club(keys=[kiosk], tokens=issuer.reader(), catalogue=CATALOGUE) as running,
        serving(running.app) as address,
        httpx.AsyncClient(base_url=f"{address}/api/v1", trust_env=False, timeout=20) as client,
    ):
        made = Club(client, issuer)
        for player_id in ("anna", "boris"):
            path = f"/clubs/{CLUB}/players/{player_id}/wallet/top-ups"
            assert (await made.ask(KEY, "POST", path, {"amountMinor": 50_000})).status_code == 201
        yield made


async def test_a_player_starts_moves_and_ends_their_own_session(club: Club) -> None:
    anna = club.player("anna")
    hall = (await club.ask(anna, "GET", f"/clubs/{CLUB}/hall")).json()
    assert {tile["use"] for tile in hall["tiles"]} == {"FREE"}
    body = {"pcId": "pc-1", "tariffId": "minute", "playerId": "anna", "start": True}
    session = (await club.ask(anna, "POST", f"/clubs/{CLUB}/sessions", body)).json()
    path = f"/sessions/{session['sessionId']}"
    assert session["status"] == "STARTED"
    moved = await club.ask(anna, "POST", f"{path}/switch-device", {"pcId": "pc-2"})
    assert moved.status_code == 200
    ended = await club.ask(anna, "POST", f"{path}/end", {"endedReason": "ManualByAdmin"})
    assert ended.json()["endedReason"] == "ManualByPlayer"
    assert (await club.ask(anna, "GET", f"{path}/receipt")).status_code == 200


async def test_another_players_session_does_not_exist_for_a_player(club: Club) -> None:
    body = {"pcId": "pc-1", "tariffId": "minute", "playerId": "anna", "start": True}
    session = (await club.ask(KEY, "POST", f"/clubs/{CLUB}/sessions", body)).json()
    boris = club.player("boris")
    for method, path, sent in (
        ("GET", "/sessions/{}", None),
        ("GET", "/sessions/{}/receipt", None),
        ("POST", "/sessions/{}/start", None),
        ("POST", "/sessions/{}/extend", {"tariffId": "minute"}),
        ("POST", "/sessions/{}/switch-device", {"pcId": "pc-2"}),
        ("POST", "/sessions/{}/end", None),
        ("GET", "/orders/{}", None),
        ("POST", "/orders/{}/pay", {"payments": [{"means": "balance", "amountMinor": 1}]}),
    ):
        for stranger in (boris, OTHER_KEY):
            theirs = await club.ask(stranger, method, path.format(session["sessionId"]), sent)
            nothing = await club.ask(stranger, method, path.format("no-such"), sent)
            assert theirs.status_code == 404, (path, theirs.text)
            assert same(theirs, nothing), path
    hall = (await club.ask(boris, "GET", f"/clubs/{CLUB}/hall")).json()
    tile = next(each for each in hall["tiles"] if each["pcId"] == "pc-1")
    assert (tile["use"], tile["playerLabel"], tile["sessionId"]) == ("RUNNING", None, None)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"/clubs/{CLUB}/sessions", {"pcId": "pc-1", "tariffId": "minute", "playerId": "anna"}),
        (f"/clubs/{CLUB}/sessions", {"pcId": "pc-1", "tariffId": "minute", "guestLabel": "x"}),
        (f"/clubs/{CLUB}/orders", {"playerId": "anna", "tariffIds": ["block"]}),
        (
            f"/clubs/{CLUB}/orders",
            {
                "playerId": "boris",
                "tariffIds": ["block"],
                "payments": [{"means": "cash", "amountMinor": 20_000}],
            },
        ),
    ],
)
async def test_a_player_acts_in_no_other_name_and_with_no_cash(
    club: Club, path: str, body: dict[str, object]
) -> None:
    answer = await club.ask(club.player("boris"), "POST", path, body)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_only_the_desk_opens_sessions_on_credit(club: Club) -> None:
    path = f"/clubs/{CLUB}/sessions"
    body = {"pcId": "pc-1", "tariffId": "minute", "playerId": "anna", "mode": "OPEN_ENDED"}
    for caller in ("kiosk", club.player("anna")):
        answer = await club.ask(caller, "POST", path, body)
        assert (answer.status_code, answer.json()["code"]) == (409, "post-pay-not-allowed")
    assert (await club.ask(KEY, "POST", path, body)).status_code == 201


async def test_the_channel_of_the_caller_meets_the_sales_policy(club: Club) -> None:
    path = f"/clubs/{CLUB}/sessions"
    body = {"pcId": "pc-1", "tariffId": "desk-only", "playerId": "anna", "start": True}
    for caller in ("kiosk", club.player("anna")):
        answer = await club.ask(caller, "POST", path, body)
        assert (answer.status_code, answer.json()["code"]) == (409, "tariff-not-in-channel")
    assert (await club.ask(KEY, "POST", path, body)).status_code == 201
