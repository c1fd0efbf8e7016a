"""What somebody sends who wants to see the API break, against a real server behind it."""

from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path

import httpx
import orjson
import pytest
from api_under_test import (
    CHAIN,
    CLUB,
    HallOwner,
    ScriptedGateway,
    client_of,
    dependencies,
    seed_chain,
    sse_messages,
    tile,
)

from actors.store_redis import RedisStore
from controller.archive.audit_rows import AuditFilter
from controller.embedded import EmbeddedValkey
from controller.embedded.state import StateFolder
from controller.lists.cursors import query_of

pytestmark = pytest.mark.integration

STREAM = f"/api/v1/clubs/{CLUB}/hall/stream"
TOP_UP = f"/api/v1/clubs/{CLUB}/players/anna/wallet/top-ups"


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    with StateFolder(tmp_path, env="development") as state:
        server = EmbeddedValkey(state)
        server.start()
        store = RedisStore.open(server.url)
        await seed_chain(store)
        owner = HallOwner(store)
        await owner.show(tile("pc-1"))
        await owner.show(tile("pc-2"))
        try:
            async with client_of(dependencies(store, ScriptedGateway())) as client:
                yield client
        finally:
            await store.close()
            server.stop()


FORGED_IDS = (
    "1-99999999999999999999",
    f"1-{9 * (10**37)}",
    "18446744073709551616-0",
    "9223372036854775808-9223372036854775808",
    "00000000000000000000000000001-1",
    "-1-0",
    "1-1-1",
)


async def test_ids_that_no_stream_has_are_answered_with_a_snapshot(
    client: httpx.AsyncClient,
) -> None:
    for forged in FORGED_IDS:
        async with client.stream("GET", STREAM, headers={"Last-Event-ID": forged}) as response:
            assert response.status_code == 200, forged
            assert (await anext(sse_messages(response))).event == "snapshot", forged


def audit_cursor(path: str, at: int, entry_id: str) -> str:
    """A cursor of an audit as it is made, to any place."""
    wanted = AuditFilter(club_id=None if path == "/api/v1/audit" else CLUB)
    query = query_of(f"{CHAIN}\n{path}", asdict(wanted))
    raw = orjson.dumps(["-at", at, entry_id, query])
    return urlsafe_b64encode(raw).decode().rstrip("=")


@pytest.mark.parametrize("path", [f"/api/v1/clubs/{CLUB}/audit", "/api/v1/audit"])
async def test_places_that_no_audit_has_are_the_callers_fault(
    client: httpx.AsyncClient, path: str
) -> None:
    for forged in (*FORGED_IDS, "\u0661-\u0661", "1-0\n", "1", "2-0"):
        answer = await client.get(path, params={"cursor": audit_cursor(path, 1, forged)})
        assert (answer.status_code, answer.json()["code"]) == (422, "cursor-invalid"), forged
    for at, place in ((2**53, f"{2**53}-999999999999999999"), (1, "1-0"), (7, "007-0")):
        cursor = audit_cursor(path, at, place)
        assert (await client.get(path, params={"cursor": cursor})).status_code == 200, place


BODIES = {
    "deep": b"[" * 16_000,
    "deep objects": b'{"a":' * 2_700,
    "no number": b'{"amountMinor": NaN}',
    "endless": b'{"amountMinor": Infinity}',
    "beyond a float": b'{"amountMinor": 1e999}',
    "five thousand digits": b'{"amountMinor": ' + b"9" * 5_000 + b"}",
    "beyond 2^63": b'{"amountMinor": 9223372036854775808}',
    "half a character": b'{"amountMinor": 1, "means": "\\ud800"}',
    "no UTF-8": b"\xff\xfe",
    "a list": b"[]",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_bodies_that_are_none_are_refused(client: httpx.AsyncClient, body: bytes) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    answer = await client.post(TOP_UP, content=body, headers=headers)
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_nobody_is_led_to_where_a_host_header_says(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/clubs/", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert "location" not in answer.headers
