"""Bad requests, one row each: what is sent, and the problem that names what is wrong."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import httpx
import pytest
from api_under_test import CLUB, KEY, OTHER_KEY, ScriptedGateway, dependencies

from actors.store_memory import MemoryStore
from controller.api.app import create_app
from controller.api.openapi import describe

SESSIONS = f"/api/v1/clubs/{CLUB}/sessions"
TOP_UPS = f"/api/v1/clubs/{CLUB}/players/anna/wallet/top-ups"
GOOD = {"pcId": "pc-1", "tariffId": "minute", "playerId": "anna", "start": True}
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Row:
    """A request and the problem it must end in."""

    name: str
    status: int
    code: str
    path: str = SESSIONS
    body: object = None
    content: bytes | None = None
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)
    key: str | None = "k-1"
    bearer: str | None = KEY
    wrong: str | None = None


ROWS = (
    Row("no key", 401, "unauthorized", body=GOOD, bearer=None),
    Row("a wrong key", 401, "unauthorized", body=GOOD, bearer="wrong"),
    Row("a key far too long", 401, "unauthorized", body=GOOD, bearer="x" * 5_000),
    Row("no key, nothing else right either", 401, "unauthorized", content=b"{", bearer=None),
    Row("another chain's key", 404, "club-not-found", body=GOOD, bearer=OTHER_KEY),
    Row("no idempotency key", 400, "idempotency-key-missing", body=GOOD, key=None),
    Row("an empty idempotency key", 400, "idempotency-key-missing", body=GOOD, key=""),
    Row("an endless idempotency key", 400, "idempotency-key-invalid", body=GOOD, key="k" * 129),
    Row("a key with a space in it", 400, "idempotency-key-invalid", body=GOOD, key="k 1"),
    Row("a club nobody has", 404, "club-not-found", path="/api/v1/clubs/no/sessions", body=GOOD),
    Row("an id that cannot be one", 422, "invalid-request", "/api/v1/clubs/../sessions", GOOD),
    Row("a session nobody has", 404, "session-not-found", "/api/v1/sessions/none/start"),
    Row("no body", 422, "invalid-request", wrong=""),
    Row("not JSON", 400, "malformed-body", content=b"{pc", headers=JSON),
    Row("JSON, but a list", 400, "malformed-body", body=[1]),
    Row("a form", 400, "malformed-body", content=b"pcId=pc-1"),
    Row("an unknown field", 422, "invalid-request", body=GOOD | {"pc": 1}, wrong="pc"),
    Row("snake case", 422, "invalid-request", body={"pc_id": "pc-1"}, wrong="pcId"),
    Row("text for a flag", 422, "invalid-request", body=GOOD | {"start": "yes"}, wrong="start"),
    Row("nobody plays", 422, "invalid-request", body={"pcId": "p", "tariffId": "t"}, wrong=""),
    Row("two play", 422, "invalid-request", body=GOOD | {"guestLabel": "Max"}, wrong=""),
    Row(
        "a local time",
        422,
        "invalid-request",
        body=GOOD | {"plannedStartAt": "2026-11-22T18:00:00"},
        wrong="plannedStartAt",
    ),
    Row(
        "a number for an instant",
        422,
        "invalid-request",
        body=GOOD | {"plannedStartAt": 1_780_000_000_000},
        wrong="plannedStartAt",
    ),
    Row(
        "a fraction of a cent",
        422,
        "invalid-request",
        TOP_UPS,
        {"amountMinor": 10.5},
        wrong="amountMinor",
    ),
    Row(
        "money as text", 422, "invalid-request", TOP_UPS, {"amountMinor": "5"}, wrong="amountMinor"
    ),
    Row("no money", 422, "invalid-request", TOP_UPS, {"amountMinor": 0}, wrong="amountMinor"),
    Row("money out", 422, "invalid-request", TOP_UPS, {"amountMinor": -1}, wrong="amountMinor"),
    Row(
        "unknown means",
        422,
        "invalid-request",
        TOP_UPS,
        {"amountMinor": 5, "means": "iou"},
        wrong="means",
    ),
    Row("a body too large", 413, "body-too-large", content=b"x" * 16_385, headers=JSON),
    Row("nothing here", 404, "not-found", path="/api/v1/nothing", body=GOOD),
    Row("a method too many", 405, "method-not-allowed", path="/api/v1/clubs", method="DELETE"),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_a_bad_request_ends_in_its_problem(
    client: httpx.AsyncClient, gateway: ScriptedGateway, row: Row
) -> None:
    del client.headers["Authorization"]
    headers = dict(row.headers)
    if row.bearer is not None:
        headers["Authorization"] = f"Bearer {row.bearer}"
    if row.key is not None:
        headers["Idempotency-Key"] = row.key
    path = row.path.replace("..", "%2E%2Ex")
    sent = {"content": row.content} if row.content is not None else {"json": row.body}
    if row.body is None and row.content is None:
        sent = {}
    response = await client.request(row.method, path, headers=headers, **sent)

    problem = response.json()
    assert (response.status_code, problem["code"]) == (row.status, row.code)
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["type"] == f"/problems/{row.code}"
    assert problem["status"] == row.status
    assert problem["title"]
    assert problem["detail"]
    if row.wrong:
        assert problem["field"] == row.wrong
        assert row.wrong in [each["field"] for each in problem["errors"]]
    assert gateway.seen == []


async def test_a_body_without_a_length_is_stopped_while_it_streams(
    client: httpx.AsyncClient, gateway: ScriptedGateway
) -> None:
    async def in_parts() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b" " * 4_096

    headers = JSON | {"Idempotency-Key": "k-1"}
    response = await client.post(SESSIONS, content=in_parts(), headers=headers)

    assert response.status_code == 413
    assert response.json()["code"] == "body-too-large"
    assert gateway.seen == []


async def test_a_body_without_an_end_is_cut_off(
    client: httpx.AsyncClient, gateway: ScriptedGateway
) -> None:
    sent_bytes = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent_bytes
        while True:
            sent_bytes += 65_536
            yield b" " * 65_536

    headers = JSON | {"Idempotency-Key": "k-1"}
    with suppress(httpx.TransportError):
        await client.post(SESSIONS, content=endless(), headers=headers)

    assert sent_bytes < 50_000_000
    assert gateway.seen == []


async def test_an_answer_of_401_says_how_to_ask(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/v1/clubs", headers={"Authorization": "Basic eDp5"})

    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")


async def test_every_response_carries_the_security_headers(client: httpx.AsyncClient) -> None:
    for path in ("/", "/api/v1/clubs", "/api/v1/nothing", "/livez", "/static/hall.js"):
        headers = (await client.get(path)).headers

        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe-inline" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "cache-control" in headers


@pytest.mark.parametrize(
    "path", ["/sessions?statsu=Ended", "/clubs?status=open", "/chain?x", "/audit?Target=a"]
)
async def test_a_parameter_nobody_knows_is_named(client: httpx.AsyncClient, path: str) -> None:
    """A filter whose name is mistyped would find everything."""
    answer = await client.get(f"/api/v1{path}")
    name = path.partition("?")[2].partition("=")[0]
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
    assert answer.json()["field"] == name
    assert answer.json()["detail"] == f"{name}: no such parameter"


def parameters() -> Iterator[tuple[str, str, bool]]:
    """(path, name, whether it takes several values) of everything a query may say."""
    document = describe(create_app(dependencies(MemoryStore(), ScriptedGateway())))
    for path, operations in document["paths"].items():
        for one in operations.get("get", {}).get("parameters", ()):
            if one["in"] == "query":
                kinds = (one["schema"], *one["schema"].get("anyOf", ()))
                is_list = any(kind.get("type") == "array" for kind in kinds)
                yield re.sub(r"{[^}]*}", CLUB, path), one["name"], is_list


async def test_a_parameter_of_one_value_is_not_given_twice(client: httpx.AsyncClient) -> None:
    """One of the two would be passed over, and whoever asked would not know which."""
    asked = list(parameters())
    assert ("/api/v1/sessions", "clubId", True) in asked
    assert ("/api/v1/sessions", "zoneId", False) in asked
    assert len(asked) > 60
    for path, name, is_list in asked:
        answer = await client.get(path, params=[(name, "a"), (name, "a")])
        twice = answer.status_code == 422 and answer.json()["detail"].endswith("more than once")
        assert twice is not is_list, (path, name, answer.text)
        assert not twice or answer.json()["field"] == name


async def test_a_list_takes_several_values(client: httpx.AsyncClient) -> None:
    both = await client.get("/api/v1/sessions", params={"status": ["Ended", "Wait"]})
    assert (both.status_code, both.json()["sessions"]) == (200, [])


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/v1/clubs", "GET, POST"),
        ("/api/v1/players/anna", "GET, PATCH"),
        ("/api/v1/webhooks/w1", "DELETE, GET, PATCH"),
        ("/api/v1/sessions/s1/end", "POST"),
    ],
)
async def test_an_address_names_every_method_it_takes(
    client: httpx.AsyncClient, path: str, methods: str
) -> None:
    answer = await client.request("PUT", path)
    assert (answer.status_code, answer.headers["allow"]) == (405, methods)
