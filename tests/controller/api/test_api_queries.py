"""What is asked and what is answered: clubs, halls, players, wallets, from read models alone."""

import asyncio

import httpx
import pytest
from api_under_test import (
    CHAIN,
    CLUB,
    OTHER_CHAIN,
    OTHER_KEY,
    START_MS,
    HallOwner,
    ScriptedGateway,
    client_of,
    dependencies,
    seed_chain,
    tile,
)

from actors.placement import shard_of_club
from actors.store import StoreUnavailableError, Unit
from actors.store_memory import MemoryStore
from controller.api.directory import FRESH_FOR_MS
from controller.api.instants import parse_instant, render_instant
from schemas.catalogue import ZoneDocument
from schemas.views import UseState


async def test_clubs_come_with_their_zones_in_the_order_of_the_hall(
    client: httpx.AsyncClient,
) -> None:
    clubs = (await client.get("/api/v1/clubs")).json()
    club = (await client.get(f"/api/v1/clubs/{CLUB}")).json()

    summary = {
        "clubId": CLUB,
        "name": "First",
        "timezone": "Europe/Berlin",
        "currency": "EUR",
    }
    assert clubs == {"clubs": [summary], "nextCursor": None}
    assert club["pcCount"] == 4
    assert [zone["name"] for zone in club["zones"]] == ["Standard", "VIP"]
    assert club["zones"][0]["defaultTariffId"] == "minute"
    assert [tariff["tariffId"] for tariff in club["tariffs"]] == ["minute", "block"]
    assert club["tariffs"][0]["status"] == "ACTIVE"


async def test_the_hall_shows_both_axes_and_every_instant_in_words_a_machine_reads(
    client: httpx.AsyncClient, store: MemoryStore
) -> None:
    await HallOwner(store).show(
        tile(
            "pc-1",
            use=UseState.RUNNING,
            session_id="ses-9",
            coverage_until_ms=START_MS + 60_500,
            exposure_until_ms=START_MS + 1,
        )
    )
    hall = (await client.get(f"/api/v1/clubs/{CLUB}/hall")).json()

    assert hall["clubId"] == CLUB
    assert hall["now"] == "2026-05-28T20:26:40.000Z"
    assert hall["speed"] == 1
    assert [each["pcId"] for each in hall["tiles"]] == ["pc-1", "pc-2", "pc-3", "pc-4"]
    first, second = hall["tiles"][:2]
    assert (first["link"], first["use"]) == ("ONLINE", "RUNNING")
    assert first["coverageUntilAt"] == "2026-05-28T20:27:40.500Z"
    assert first["exposureUntilAt"] == "2026-05-28T20:26:40.001Z"
    assert (second["link"], second["use"], second["lastSeenAt"]) == ("UNPROVISIONED", "FREE", None)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("anna", ["anna"]),
        ("BORIS", ["boris"]),
        ("151-555-02", ["boris"]),
        ("+49", ["anna", "boris"]),
        ("penni", ["poor"]),
        ("nobody", []),
        ("", ["anna", "boris", "poor"]),
    ],
)
async def test_players_are_found_by_name_or_phone(
    client: httpx.AsyncClient, query: str, found: list[str]
) -> None:
    answer = await client.get(f"/api/v1/clubs/{CLUB}/players", params={"query": query})

    assert [player["playerId"] for player in answer.json()["players"]] == found
    assert answer.json()["nextCursor"] is None


async def test_balances_are_the_ledgers(client: httpx.AsyncClient, store: MemoryStore) -> None:
    owned = await store.acquire(shard_of_club(CHAIN, CLUB), host="h0", nonce="n")
    deltas = (("EUR:wallet:anna:cash", 1_250), ("EUR:desk:club-1:cash", -1_250))
    await store.commit(owned, 1, [Unit(deltas=deltas)])
    wallet = (await client.get("/api/v1/players/anna/wallet")).json()
    found = (await client.get(f"/api/v1/clubs/{CLUB}/players?query=anna")).json()

    balance = {
        "cash": {"amountMinor": 1_250, "currency": "EUR"},
        "bonus": {"amountMinor": 0, "currency": "EUR"},
        "creditLimit": {"amountMinor": 0, "currency": "EUR"},
    }
    assert wallet == {"playerId": "anna", "balances": [balance]}
    assert found["players"][0]["balance"] == balance


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/clubs/none", "club-not-found"),
        ("/clubs/none/hall", "club-not-found"),
        ("/clubs/none/hall/stream", "club-not-found"),
        ("/clubs/none/players", "club-not-found"),
        ("/sessions/none", "session-not-found"),
        ("/sessions/none/receipt", "session-not-found"),
        ("/players/none/wallet", "player-not-found"),
    ],
)
async def test_what_is_not_there_is_named(client: httpx.AsyncClient, path: str, code: str) -> None:
    answer = await client.get(f"/api/v1{path}")

    assert (answer.status_code, answer.json()["code"]) == (404, code)


async def test_one_chain_cannot_see_or_guess_another(store: MemoryStore) -> None:
    await store.put(OTHER_CHAIN, {})
    async with client_of(dependencies(store, ScriptedGateway()), key=OTHER_KEY) as stranger:
        paths = (f"/clubs/{CLUB}", f"/clubs/{CLUB}/hall", "/players/anna/wallet")
        theirs = [await stranger.get(f"/api/v1{path}") for path in paths]
        nobodys = [
            await stranger.get(f"/api/v1{path.replace(CLUB, 'none').replace('anna', 'none')}")
            for path in paths
        ]
        clubs = (await stranger.get("/api/v1/clubs")).json()

    assert [answer.status_code for answer in theirs] == [404, 404, 404]
    assert [answer.json()["detail"] for answer in theirs] == [
        answer.json()["detail"] for answer in nobodys
    ]
    assert clubs == {"clubs": [], "nextCursor": None}


async def test_a_change_of_the_catalogue_is_seen_within_a_second(
    client: httpx.AsyncClient, store: MemoryStore
) -> None:
    await client.get(f"/api/v1/clubs/{CLUB}")
    zone = ZoneDocument(zone_id="new", club_id=CLUB, name="New zone", position=9)
    await store.put(CHAIN, {"zone:new": zone.model_dump_json().encode()})
    await asyncio.sleep(FRESH_FOR_MS / 1_000 + 0.05)
    club = (await client.get(f"/api/v1/clubs/{CLUB}")).json()

    assert [each["name"] for each in club["zones"]] == ["Standard", "VIP", "New zone"]


async def test_a_broken_catalogue_does_not_take_the_good_one_away(
    client: httpx.AsyncClient, store: MemoryStore
) -> None:
    await client.get(f"/api/v1/clubs/{CLUB}")
    await store.put(CHAIN, {"tariff:broken:1": b'{"id": "broken"}'})
    await asyncio.sleep(FRESH_FOR_MS / 1_000 + 0.05)
    club = await client.get(f"/api/v1/clubs/{CLUB}")

    assert club.status_code == 200
    assert [tariff["tariffId"] for tariff in club.json()["tariffs"]] == ["minute", "block"]


class LostStore(MemoryStore):
    """A store whose server went away."""

    lost = False

    async def hall(self, chain_id: str, club_id: str) -> tuple[str, dict[str, bytes]]:
        if self.lost:
            raise StoreUnavailableError("gone")
        return await super().hall(chain_id, club_id)

    async def chains(self) -> tuple[str, ...]:
        if self.lost:
            raise StoreUnavailableError("gone")
        return await super().chains()


async def test_a_store_that_does_not_answer_is_a_problem_to_try_again() -> None:
    store = LostStore()
    await seed_chain(store)
    async with client_of(dependencies(store, ScriptedGateway())) as client:
        assert (await client.get("/readyz")).status_code == 200
        store.lost = True
        answer = await client.get(f"/api/v1/clubs/{CLUB}/hall")
        stream = await client.get(f"/api/v1/clubs/{CLUB}/hall/stream")
        ready = await client.get("/readyz")
        alive = await client.get("/livez")

    assert (answer.status_code, answer.json()["code"]) == (503, "store-unavailable")
    assert answer.headers["retry-after"] == "2"
    assert stream.status_code == 503
    assert (ready.status_code, alive.status_code) == (503, 200)


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-22T18:00:00.250Z", 1_795_370_400_250),
        ("2026-11-22t19:00:00.250+01:00", 1_795_370_400_250),
    ],
)
def test_instants_are_read_exactly(text: str, at_ms: int) -> None:
    assert parse_instant(text) == at_ms
    assert parse_instant(render_instant(at_ms)) == at_ms


@pytest.mark.parametrize(
    "text", ["", "2026-11-22", "2026-11-22T18:00:00", "tomorrow", "1969-12-31T23:59:59Z", 5, None]
)
def test_what_is_no_instant_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_instant(text)
