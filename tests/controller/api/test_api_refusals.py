"""Who is turned away at the edge is in the audit; who only looks, and who is nobody, is not."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from api_under_test import (
    CHAIN,
    CLUB,
    KEY,
    OTHER_CHAIN,
    OTHER_KEY,
    START_MS,
    ScriptedGateway,
    dependencies,
    seed_chain,
    serving,
)

from actors.clock import ManualClock, SystemClock
from actors.store_memory import MemoryStore
from controller.api.app import create_app
from controller.api.auth import ApiKey, digest_of
from controller.api.refusals import (
    ENTRIES_OF_ONE_PER_MINUTE,
    ENTRIES_PER_MINUTE,
    MINUTE_MS,
)
from controller.archive import ArchiveConsumer, open_archive
from schemas.access import ROLE_PERMISSIONS, Role
from schemas.commands import CommandReply, ReplyStatus

OWNER = ApiKey(CHAIN, "owner", digest_of("owner"), ROLE_PERMISSIONS[Role.OWNER])
CROWD = [ApiKey(CHAIN, f"one-{number}", digest_of(f"one-{number}")) for number in range(5)]
TOP_UPS = f"/api/v1/clubs/{CLUB}/players/anna/wallet/top-ups"
BODY = {"amountMinor": 500}


class Edge:
    def __init__(self, store: MemoryStore, client: httpx.AsyncClient) -> None:
        self.store = store
        self.client = client

    async def post(self, path: str, body: object, *, key: str = KEY, name: str = "k") -> int:
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": name}
        return (await self.client.post(path, json=body, headers=headers)).status_code

    async def audit(self, chain_id: str = CHAIN) -> list[dict[str, Any]]:
        found = await self.store.audit(chain_id, count=1_000)
        return [orjson.loads(entry.payload) for entry in reversed(found)]


@pytest.fixture
def gateway() -> ScriptedGateway:
    return ScriptedGateway()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START_MS)


@pytest.fixture
async def edge(gateway: ScriptedGateway, clock: ManualClock, tmp_path: Path) -> AsyncIterator[Edge]:
    store = MemoryStore()
    await seed_chain(store)
    archive = open_archive(f"sqlite:///{tmp_path / 'archive.db'}")
    given = dependencies(store, gateway, clock=clock, keys=[OWNER, *CROWD])
    given = replace(given, archived=archive)
    async with (
        serving(create_app(given)) as address,
        httpx.AsyncClient(base_url=address, trust_env=False, timeout=20) as client,
    ):
        yield Edge(store, client)
    archive.close()


async def test_every_kind_of_refusal_by_the_edge_is_noted(edge: Edge) -> None:
    assert await edge.post(TOP_UPS, BODY, key="owner", name="a") == 403
    assert await edge.post("/api/v1/sessions/ses-x/end", {}, name="b") == 404
    assert await edge.post(TOP_UPS, {"amountMinor": -1}, name="c") == 422
    assert await edge.post(TOP_UPS, BODY, name="x" * 200) == 400
    unread = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": "e"}
    unread["Content-Type"] = "application/json"
    assert (await edge.client.post(TOP_UPS, content=b"\xff", headers=unread)).status_code == 400
    chain = await edge.client.patch("/api/v1/chain", content=b'{"name": "B"}', headers=unread)
    assert chain.status_code == 428
    noted = [(one["operation"], one["result"], one["code"]) for one in await edge.audit()]
    assert noted == [
        ("topUpWallet", "refused", "forbidden"),
        ("endSession", "refused", "session-not-found"),
        ("topUpWallet", "refused", "invalid-request"),
        ("topUpWallet", "refused", "idempotency-key-invalid"),
        ("topUpWallet", "refused", "malformed-body"),
        ("updateChain", "refused", "if-match-missing"),
    ]
    first = (await edge.audit())[0]
    assert (first["principal"], first["club_id"], first["idempotency_key"]) == (
        "key:owner",
        CLUB,
        "a",
    )
    assert first["origin"] == "127.0.0.1"
    assert orjson.loads(first["asked"]) == {"clubId": CLUB, "playerId": "anna"}


async def test_strangers_readers_and_what_hosts_refuse_are_not_noted_here(
    edge: Edge, gateway: ScriptedGateway
) -> None:
    assert await edge.post(TOP_UPS, BODY, key="nobody") == 401
    headers = {"Authorization": f"Bearer {KEY}"}
    assert (await edge.client.get("/api/v1/sessions/ses-x", headers=headers)).status_code == 404
    gateway.replies = [CommandReply(status=ReplyStatus.REJECTED, code="pc-busy")]
    assert await edge.post(TOP_UPS, BODY) == 409
    assert await edge.audit() == []


async def test_another_chain_hears_nothing_of_it(edge: Edge) -> None:
    assert await edge.post(f"/api/v1/clubs/{CLUB}/sessions", {}, key=OTHER_KEY) in (404, 422)
    assert await edge.audit() == []
    (own,) = await edge.audit(OTHER_CHAIN)
    assert own["principal"] == "key:elsewhere"


async def test_who_is_refused_all_the_time_fills_no_store(edge: Edge) -> None:
    crowd = range(ENTRIES_PER_MINUTE // ENTRIES_OF_ONE_PER_MINUTE + 1)
    for number in crowd:
        for _ in range(ENTRIES_OF_ONE_PER_MINUTE):
            await edge.post("/api/v1/sessions/ses-x/end", {}, key=f"one-{number}")
    assert len(await edge.audit()) == ENTRIES_PER_MINUTE
    await edge.post("/api/v1/sessions/ses-x/end", {}, key=OTHER_KEY)
    (other,) = await edge.audit(OTHER_CHAIN)
    assert "leftOut" not in other["asked"], "who is refused in one chain hides nothing of another"


async def test_who_is_refused_all_the_time_hides_nobody_else(
    edge: Edge, clock: ManualClock
) -> None:
    for _ in range(ENTRIES_OF_ONE_PER_MINUTE + 5):
        await edge.post("/api/v1/sessions/ses-x/end", {})
    await edge.post("/api/v1/sessions/ses-x/end", {}, key="owner")
    told = await edge.audit()
    assert [one["principal"] for one in told[-2:]] == ["key:front-desk", "key:owner"]
    assert len(told) == ENTRIES_OF_ONE_PER_MINUTE + 1
    assert orjson.loads(told[-1]["asked"])["leftOut"] == 5
    clock.advance(MINUTE_MS)
    await edge.post("/api/v1/sessions/ses-x/end", {})
    assert (await edge.audit())[-1]["principal"] == "key:front-desk"


async def test_the_audit_is_read_on_where_the_store_ends(edge: Edge, tmp_path: Path) -> None:
    for number in range(7):
        await edge.post("/api/v1/sessions/ses-x/end", {}, name=f"k{number}")
    archive = open_archive(f"sqlite:///{tmp_path / 'archive.db'}")
    await ArchiveConsumer(edge.store, archive, SystemClock()).step()
    archive.close()
    kept = (await edge.store.audit(CHAIN, count=3))[-1].entry_id
    assert await edge.store.trim_audit(CHAIN, before=kept) == 4
    headers = {"Authorization": f"Bearer {KEY}"}
    seen, cursor = [], None
    for _ in range(5):
        query = {"limit": 2} | ({} if cursor is None else {"cursor": cursor})
        page = (await edge.client.get("/api/v1/audit", params=query, headers=headers)).json()
        seen += [one["entryId"] for one in page["entries"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 7


@pytest.mark.parametrize("club", ["x" * 200, "a%00b"])
async def test_what_is_no_club_names_none(edge: Edge, club: str) -> None:
    """A database refuses names it has no room for, and the audit would stop there."""
    assert await edge.post(f"/api/v1/clubs/{club}/sessions", {"pcId": "pc-1"}) == 422
    assert await edge.post(f"/api/v1/sessions/{'y' * 900}/end", {}) in {404, 422}
    noted = await edge.audit()
    assert [one["club_id"] for one in noted] == ["", ""]
    assert all(len(one["asked"]) < 400 for one in noted)
