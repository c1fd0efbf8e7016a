"""A player whose document cannot be read: neighbours are shown, and only they are refused."""

from collections.abc import AsyncIterator

import httpx
import orjson
import pytest
from api_under_test import client_of, dependencies
from clubs_under_test import CHAIN, seed
from outages_under_test import ShardGateway
from shard_under_test import ShardUnderTest

from actors.store import CatalogueEdit, EntityWrite, Scope
from actors.store_memory import MemoryStore
from controller.api.auth import ApiKey, digest_of
from schemas.catalogue import PlayerGroupDocument
from schemas.commands import CreateSession

KEYS = [ApiKey(CHAIN, "desk", digest_of("desk"))]


async def written(store: MemoryStore, player_id: str, blob: bytes) -> None:
    key = f"player:{player_id}"
    version = (await store.documents(CHAIN, [key]))[key].version
    write = EntityWrite(key, version, blob, Scope.CHAIN)
    await store.edit(CHAIN, CatalogueEdit(documents=(write,)))


@pytest.fixture
async def store() -> MemoryStore:
    seeded = MemoryStore()
    await seed(seeded)
    group = PlayerGroupDocument(group_id="club", name="Club")
    await seeded.put(CHAIN, {"group:club": group.model_dump_json().encode()})
    return seeded


@pytest.fixture
async def client(store: MemoryStore) -> AsyncIterator[httpx.AsyncClient]:
    """Two sit at PCs; then the document of one becomes that of a later release."""
    shard = await ShardUnderTest(store).take()
    await shard.beat()
    for number, player_id in enumerate(("ann", "bob")):
        sits = CreateSession(
            session_id=f"s{number}",
            pc_id=f"north-main-{number}",
            player_id=player_id,
            tariff_id="standard",
        )
        assert (await shard.command(sits)).code is None
    key = "player:ann"
    document = orjson.loads((await store.documents(CHAIN, [key]))[key].blob)
    await written(store, "ann", orjson.dumps({**document, "v": 9, "mood": "good"}))
    async with client_of(dependencies(store, ShardGateway(shard), keys=KEYS), "desk") as made:
        yield made


async def test_sessions_of_others_are_listed_and_theirs_without_a_name(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/api/v1/sessions", params={"sort": "pcId"})
    assert answer.status_code == 200, answer.text
    told = [(one["playerId"], one["playerLabel"]) for one in answer.json()["sessions"]]
    assert told == [("ann", None), ("bob", "Bob")]


async def test_who_asks_for_them_is_told_that_they_are_set_aside(client: httpx.AsyncClient) -> None:
    for path in ("/players/ann", "/players/ann/wallet"):
        answer = await client.get(f"/api/v1{path}")
        assert (answer.status_code, answer.json()["code"]) == (503, "quarantined"), path
    assert (await client.get("/api/v1/players/bob")).status_code == 200
    found = (await client.get("/api/v1/clubs/north/players")).json()["players"]
    assert "bob" in [one["playerId"] for one in found]
    assert "ann" not in [one["playerId"] for one in found]


async def test_an_edit_is_decided_once_they_can_be_read(
    client: httpx.AsyncClient, store: MemoryStore
) -> None:
    """The key of the refused request stays free."""
    sent = {"Idempotency-Key": "once", "If-Match": "*"}
    for method, path, body in (
        ("PATCH", "/api/v1/players/ann", {"label": "Anna"}),
        ("DELETE", "/api/v1/player-groups/club", None),
    ):
        refused = await client.request(method, path, json=body, headers=sent)
        assert (refused.status_code, refused.json()["code"]) == (503, "quarantined"), path
    assert "group:club" in await store.catalogue(CHAIN)
    await written(store, "ann", b'{"player_id":"ann","label":"Ann"}')
    done = await client.patch("/api/v1/players/ann", json={"label": "Anna"}, headers=sent)
    assert (done.status_code, done.json()["label"]) == (200, "Anna")


async def test_what_they_bought_that_cannot_be_read_is_set_aside_too(
    client: httpx.AsyncClient, store: MemoryStore
) -> None:
    await store.add_documents(CHAIN, {"bought:bob": b'{"v": 9}'})
    answer = await client.get("/api/v1/players/bob/tariffs")
    assert (answer.status_code, answer.json()["code"]) == (503, "quarantined")
