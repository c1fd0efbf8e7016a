"""Staff says how far below nothing a wallet may go: who may, what it says, what hosts do."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from api_under_test import client_of, dependencies
from clubs_under_test import CHAIN, seed, wallet_of
from outages_under_test import ShardGateway, books_agree
from shard_under_test import ShardUnderTest

from actors.store_memory import MemoryStore
from actors.turn import PlayerInput
from controller.api.auth import ApiKey, digest_of
from schemas.access import ROLE_PERMISSIONS, Role
from schemas.catalogue import PlayerDocument
from schemas.commands import Channel, CreateSession

ANN = "/players/ann"
KEYS = [
    ApiKey(CHAIN, role.value, digest_of(role.value), ROLE_PERMISSIONS[role])
    for role in (Role.ADMINISTRATOR, Role.CASHIER, Role.OWNER)
] + [
    ApiKey(
        CHAIN,
        "north-only",
        digest_of("north-only"),
        ROLE_PERMISSIONS[Role.ADMINISTRATOR],
        club_ids=frozenset({"north"}),
    ),
    ApiKey(
        CHAIN,
        "ann",
        digest_of("ann"),
        ROLE_PERMISSIONS[Role.ADMINISTRATOR] - {"CreditEdit"},
        channel=Channel.APP,
    ),
]


def euros(amount_minor: int) -> list[dict[str, object]]:
    return [{"amountMinor": amount_minor, "currency": "EUR"}]


@dataclass
class Desk:
    """Requests with one key after another, over a chain with one shard."""

    client: httpx.AsyncClient
    shard: ShardUnderTest
    sent: int = 0

    async def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        role: str = "administrator",
        key: str | None = None,
    ) -> httpx.Response:
        self.sent += 1
        headers = {
            "Authorization": f"Bearer {role}",
            "Idempotency-Key": key or f"k{self.sent}",
            "If-Match": "*",
        }
        return await self.client.request(method, f"/api/v1{path}", json=body, headers=headers)

    async def limit(self, limits: Sequence[Mapping[str, object]], **given: str) -> httpx.Response:
        return await self.ask("PATCH", ANN, {"creditLimits": limits}, **given)

    async def document(self) -> PlayerDocument:
        stored = (await self.shard.store.documents(CHAIN, ["player:ann"]))["player:ann"]
        return PlayerDocument.model_validate_json(stored.blob)

    async def play(self, minutes: int) -> None:
        sits = CreateSession(
            session_id="s1",
            pc_id="north-main-0",
            player_id="ann",
            tariff_id="standard",
            start=True,
        )
        await self.shard.command(sits)
        await self.shard.wait(minutes=minutes)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    store = MemoryStore()
    await seed(store)
    shard = await ShardUnderTest(store).take()
    await shard.beat()
    async with client_of(dependencies(store, ShardGateway(shard), keys=KEYS), key=None) as client:
        yield Desk(client, shard)


async def test_a_limit_is_shown_spent_and_told_of(desk: Desk) -> None:
    answer = await desk.limit(euros(20_00))
    assert (answer.status_code, answer.json()["creditLimits"]) == (200, euros(20_00))
    assert answer.headers["etag"] == answer.json()["etag"]
    await desk.shard.turn(PlayerInput("ann"))
    await desk.play(minutes=60)
    assert await wallet_of(desk.shard.store, "ann") == (-20_00, 0)
    (balance,) = (await desk.ask("GET", f"{ANN}/wallet")).json()["balances"]
    assert balance["cash"]["amountMinor"] == -20_00
    assert balance["creditLimit"] == {"amountMinor": 20_00, "currency": "EUR"}
    found = (await desk.ask("GET", "/clubs/north/players?query=ann")).json()["players"]
    assert found[0]["balance"] == balance
    topped = await desk.ask("POST", f"/clubs/north{ANN}/wallet/top-ups", {"amountMinor": 5_00})
    assert topped.json()["balances"][0]["creditLimit"]["amountMinor"] == 20_00
    entries = (await desk.ask("GET", "/audit?operation=updatePlayer")).json()["entries"]
    assert entries[0]["asked"]["credit_limits"] == [{"amount_minor": 20_00, "currency": "EUR"}]
    await books_agree(desk.shard.store)


async def test_one_key_sets_it_once(desk: Desk) -> None:
    first = await desk.limit(euros(20_00), key="once")
    await desk.limit(euros(5_00))
    again = await desk.limit(euros(20_00), key="once")
    assert again.json() == first.json()
    assert (await desk.document()).credit("EUR").limit_minor == 5_00
    other = await desk.limit(euros(1_00), key="once")
    assert other.json()["code"] == "idempotency-key-reused"


@pytest.mark.parametrize("role", ["cashier", "owner", "north-only", "ann"])
async def test_who_may_not_give_credit(desk: Desk, role: str) -> None:
    refused = await desk.limit(euros(20_00), role=role)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    made = {"label": "New", "creditLimits": euros(1)}
    refused = await desk.ask("POST", "/players", made, role=role)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert (await desk.document()).credit_limits == ()
    if role != "owner":
        allowed = await desk.ask("PATCH", ANN, {"label": "Anna"}, role=role)
        assert allowed.status_code == 200, allowed.text


WRONG: dict[str, tuple[Any, str]] = {
    "below nothing": (euros(-1), "invalid-request"),
    "beyond what is paid at once": (euros(10**12), "invalid-request"),
    "no number": (euros("1"), "invalid-request"),  # type: ignore[arg-type]
    "twice": (euros(1) + euros(2), "invalid-request"),
    "nowhere's money": ([{"amountMinor": 1, "currency": "USD"}], "reference-unknown"),
    "no list": (None, "invalid-request"),
    "no currency": ([{"amountMinor": 1}], "invalid-request"),
}


async def test_limits_that_make_no_sense_are_refused(desk: Desk) -> None:
    for name, (limits, code) in WRONG.items():
        answer = await desk.limit(limits)
        assert (answer.status_code, answer.json()["code"]) == (422, code), name
    assert (await desk.document()).credit_limits == ()


async def test_what_is_not_named_stays_and_a_list_replaces_all(desk: Desk) -> None:
    await desk.limit(euros(20_00))
    kept = await desk.ask("PATCH", ANN, {"label": "Anna"})
    assert kept.json()["creditLimits"] == euros(20_00)
    assert (await desk.limit([])).json()["creditLimits"] == []
    made = {"playerId": "new", "label": "New", "creditLimits": euros(7_00)}
    answer = await desk.ask("POST", "/players", made)
    assert (answer.status_code, answer.json()["creditLimits"]) == (201, euros(7_00))


async def test_a_debt_within_the_limit_of_then_stays_right(desk: Desk) -> None:
    """The books agree after each step, and know again how low is too low once it is paid."""
    await desk.limit(euros(20_00))
    await desk.shard.turn(PlayerInput("ann"))
    await desk.play(minutes=60)
    for limits, floor_minor in (([], 20_00), (euros(5_00), 20_00), ([], 20_00)):
        await desk.limit(limits)
        assert (await desk.document()).credit("EUR").floor_minor == floor_minor
        await books_agree(desk.shard.store)
    await desk.shard.turn(PlayerInput("ann"))
    again = CreateSession(
        session_id="s2", pc_id="north-main-1", player_id="ann", tariff_id="standard", start=True
    )
    assert (await desk.shard.command(again)).code == "insufficient-funds"
    await desk.ask("POST", f"/clubs/north{ANN}/wallet/top-ups", {"amountMinor": 30_00})
    await desk.limit([])
    assert (await desk.document()).credit_limits == ()
    await books_agree(desk.shard.store)


async def test_without_credit_the_release_before_reads_a_player(desk: Desk) -> None:
    await desk.ask("PATCH", ANN, {"label": "Anna"})
    stored = (await desk.shard.store.documents(CHAIN, ["player:ann"]))["player:ann"]
    assert b"credit" not in stored.blob
