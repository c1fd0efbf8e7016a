"""The audit speaks in operation ids, whoever wrote an entry: a host, an edit, the edge."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, get_args

import httpx
import orjson
import pytest
from api_under_test import client_of, dependencies
from clubs_under_test import CHAIN, seed
from outages_under_test import ShardGateway
from shard_under_test import ShardUnderTest

from actors.clock import SystemClock
from actors.store_memory import MemoryStore
from controller.api.access import OPERATION_PERMISSIONS
from controller.api.auth import ApiKey, digest_of
from controller.archive import ArchiveConsumer, open_archive
from controller.archive.audit_operations import operation_id, stored_spellings
from schemas.commands import Command

SITS: Final = {"pcId": "north-main-0", "start": True, "tariffId": "standard"}
TOP_UPS: Final = "/clubs/north/players/ann/wallet/top-ups"
ASKED: Final[tuple[tuple[str, str, object, str, str], ...]] = (
    ("POST", TOP_UPS, {"amountMinor": 50_00}, "topUpWallet", "ok"),
    ("POST", TOP_UPS, {"amountMinor": 0}, "topUpWallet", "refused"),
    ("POST", "/clubs/north/sessions", {**SITS, "playerId": "ann"}, "createSession", "ok"),
    ("POST", "/sessions/ses-1/end", {}, "endSession", "ok"),
    ("POST", "/sessions/ses-1/end", {}, "endSession", "rejected"),
    ("POST", "/sessions/no-such/end", {}, "endSession", "refused"),
    ("POST", "/clubs/north/outages/ses-1/0/approve", None, "approveOutage", "rejected"),
    ("POST", "/clubs/north/outages/ses-1/0/reject", None, "rejectOutage", "rejected"),
    ("PATCH", "/players/ann", {"label": "Anna"}, "updatePlayer", "ok"),
    ("PATCH", "/players/nobody", {"label": "Anna"}, "updatePlayer", "rejected"),
    ("PATCH", "/players/ann", {"label": ""}, "updatePlayer", "refused"),
    ("POST", "/clubs/north/pcs/north-main-0/revoke", None, "revokePc", "rejected"),
)
"""(method, path, body, operation, result) of what hosts decide, edits decide, the edge refuses."""
TOLD: Final = [(operation, result) for *_, operation, result in ASKED][::-1]


@pytest.fixture(params=["store", "archive"])
async def client(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """A chain of which everything in ASKED was asked, in the store or all but one archived."""
    store = MemoryStore()
    await seed(store)
    shard = await ShardUnderTest(store).take()
    await shard.beat()
    archive = open_archive(f"sqlite:///{tmp_path / 'archive.db'}")
    desk = ApiKey(CHAIN, "desk", digest_of("desk"))
    given = replace(dependencies(store, ShardGateway(shard), keys=[desk]), archived=archive)
    async with client_of(given, "desk") as made:
        for number, (method, path, body, _, _) in enumerate(ASKED):
            headers = {"Idempotency-Key": f"k{number}", "If-Match": "*"}
            await made.request(method, f"/api/v1{path}", json=body, headers=headers)
        if request.param == "archive":
            await ArchiveConsumer(store, archive, SystemClock()).step()
            await store.trim_audit(CHAIN, before=(await store.audit(CHAIN, count=1))[0].entry_id)
        yield made
    archive.close()


async def _told(client: httpx.AsyncClient, **query: Any) -> list[tuple[str, str]]:
    answer = await client.get("/api/v1/audit", params={"limit": 200, **query})
    assert answer.status_code == 200, answer.text
    return [(one["operation"], one["result"]) for one in answer.json()["entries"]]


async def test_one_operation_has_one_name_whoever_wrote_of_it(client: httpx.AsyncClient) -> None:
    assert await _told(client) == TOLD


async def test_the_name_that_is_shown_is_the_one_to_ask_by(client: httpx.AsyncClient) -> None:
    for operation in {one for one, _ in TOLD}:
        expected = [one for one in TOLD if one[0] == operation]
        assert await _told(client, operation=operation) == expected, operation
    both = [one for one in TOLD if one[0] in ("rejectOutage", "endSession")]
    assert await _told(client, operation=["rejectOutage", "endSession"]) == both


async def test_refused_before_it_was_decided_is_a_result(client: httpx.AsyncClient) -> None:
    for result in ("ok", "rejected", "refused"):
        expected = [one for one in TOLD if one[1] == result]
        assert expected
        assert await _told(client, result=result) == expected


def test_every_command_is_audited_under_an_operation_of_the_api() -> None:
    (union, _) = get_args(Command)
    for command in get_args(union):
        kind = command.model_fields["kind"].default
        for is_approved in (True, False):
            asked = orjson.dumps({"approve": is_approved}).decode()
            shown = operation_id({"operation": kind, "asked": asked})
            assert shown in OPERATION_PERMISSIONS
            assert {kind, shown} <= stored_spellings([shown])
