"""Every list comes in pages that join to the whole, whatever is made between two of them."""

from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import orjson
import pytest
from api_under_test import CHAIN, CLUB, START_MS, ScriptedGateway, dependencies, tariff_document

from actors.bought import bought_blob
from actors.store import CatalogueEdit, EntityWrite, Scope
from actors.store_enrolment import FieldChange
from actors.store_memory import MemoryStore
from billing_core.player_tariff import PlayerTariff
from billing_core.tariff import TariffRef
from controller.api.app import create_app
from controller.api.openapi import describe
from schemas.access import Role
from schemas.catalogue import (
    ApiKeyDocument,
    ClubDocument,
    PcDocument,
    PlayerDocument,
    PlayerGroupDocument,
    StaffDocument,
    StaffRole,
    ZoneDocument,
)
from schemas.enrolment import PcCredential
from schemas.webhooks import WebhookDocument, WebhookSecret, field_of

Add = Callable[[MemoryStore, int], Awaitable[None]]
SEEDED: Final = range(10, 24, 2)
LATER: Final = (5, 15, 90)
"""Made while pages are turned: before, among and after what is there."""


def named(number: int) -> str:
    """A name that sorts where it says; every third one is everybody's."""
    return "same" if number % 3 == 0 else f"row {number:04}"


async def field_put(store: MemoryStore, name: str, document: Any) -> None:
    await store.put(CHAIN, {name: document.model_dump_json().encode()})


async def document_added(store: MemoryStore, key: str, document: Any) -> None:
    await store.add_documents(CHAIN, {key: document.model_dump_json().encode()})


async def club(store: MemoryStore, number: int) -> None:
    made = ClubDocument(
        club_id=f"c{number}", name=named(number), timezone="Europe/Berlin", currency="EUR"
    )
    await field_put(store, f"club:{made.club_id}", made)


async def zone(store: MemoryStore, number: int) -> None:
    made = ZoneDocument(zone_id=f"z{number}", club_id=CLUB, name=named(number), position=number % 2)
    await field_put(store, f"zone:{made.zone_id}", made)


async def pc(store: MemoryStore, number: int) -> None:
    made = PcDocument(
        pc_id=f"p{number}", club_id=CLUB, zone_id="std", name=named(number), position=number % 4
    )
    await field_put(store, f"pc:{made.pc_id}", made)


async def tariff(store: MemoryStore, number: int) -> None:
    await store.put(CHAIN, {f"tariff:t{number}:1": tariff_document(f"t{number}", named(number))})


async def version(store: MemoryStore, number: int) -> None:
    document = tariff_document("minute", "Per minute", version=number)
    await store.put(CHAIN, {f"tariff:minute:{number}": document})


async def group(store: MemoryStore, number: int) -> None:
    made = PlayerGroupDocument(group_id=f"g{number}", name=named(number))
    await field_put(store, f"group:{made.group_id}", made)


async def player(store: MemoryStore, number: int) -> None:
    phone = f"+49151{number % 7:07}" if number % 2 else None
    made = PlayerDocument(player_id=f"u{number}", label=named(number), phone=phone)
    await document_added(store, f"player:{made.player_id}", made)


async def bought(store: MemoryStore, number: int) -> None:
    key = "bought:anna"
    found = (await store.documents(CHAIN, [key])).get(key)
    held = [] if found is None else orjson.loads(found.blob)["player_tariffs"]
    made = PlayerTariff(f"b{number}", TariffRef("minute", 1), "anna", CLUB, START_MS + number, 100)
    version = 0 if found is None else found.version
    blob = orjson.dumps({**orjson.loads(bought_blob([made]))})
    document = orjson.loads(blob)
    document["player_tariffs"] = [*held, *document["player_tariffs"]]
    write = EntityWrite(key, version, orjson.dumps(document), Scope.CHAIN)
    await store.edit(CHAIN, CatalogueEdit(documents=(write,)))


async def staff(store: MemoryStore, number: int) -> None:
    made = StaffDocument(staff_id=f"s{number}", name=named(number))
    await document_added(store, f"staff:{made.staff_id}", made)


async def key(store: MemoryStore, number: int) -> None:
    made = ApiKeyDocument(
        key_id=f"k{number}",
        name=named(number),
        sha256="0" * 64,
        role=Role.OWNER,
        created_at_ms=START_MS + number // 2,
    )
    await document_added(store, f"apikey:{made.key_id}", made)


async def webhook(store: MemoryStore, number: int) -> None:
    made = WebhookDocument(
        webhook_id=f"w{number}",
        url="https://club.example",
        secrets=(WebhookSecret(text=f"whsec_{'a' * 32}"),),
        created_at_ms=START_MS + number // 2,
    )
    await field_put(store, field_of(made.webhook_id), made)


async def credential(store: MemoryStore, number: int) -> None:
    made = PcCredential(
        pc_id=f"p{number:04}",
        request_id=f"r{number}",
        secret_digest="0" * 64,
        broker_hash="x",
        enrolled_at_ms=START_MS,
        changed_at_ms=START_MS,
    )
    raw = made.model_dump_json(exclude_none=True).encode()
    await store.change_enrolment(CHAIN, CLUB, {made.field: FieldChange(None, raw)})


@dataclass(frozen=True)
class ListCase:
    """A list: where it is, what a row is called, how it may be sorted, how a row is made."""

    path: str
    rows: str
    row_id: str
    add: Add
    sorts: tuple[str, ...]
    filters: Mapping[str, str] = field(default_factory=dict)
    """One that every row passes."""


CLUBS = f"/clubs/{CLUB}"
LISTS: Final = {
    "listClubs": ListCase("/clubs", "clubs", "clubId", club, ("name",)),
    "listZones": ListCase(
        f"{CLUBS}/zones", "zones", "zoneId", zone, ("position", "name"), {"archived": "true"}
    ),
    "listPcs": ListCase(
        f"{CLUBS}/pcs",
        "pcs",
        "pcId",
        pc,
        ("position", "name"),
        {"administrativeState": "IN_SERVICE"},
    ),
    "listTariffs": ListCase(
        "/tariffs", "tariffs", "tariffId", tariff, ("name",), {"status": "ACTIVE"}
    ),
    "listTariffVersions": ListCase(
        "/tariffs/minute/versions", "versions", "version", version, ("-version",)
    ),
    "listPlayerGroups": ListCase("/player-groups", "groups", "groupId", group, ("name",)),
    "findPlayers": ListCase(
        f"{CLUBS}/players", "players", "playerId", player, ("name", "phone"), {"query": " "}
    ),
    "listPlayerTariffs": ListCase(
        "/players/anna/tariffs",
        "playerTariffs",
        "playerTariffId",
        bought,
        ("-boughtAt",),
        {"status": "OPEN"},
    ),
    "listStaff": ListCase("/staff", "staff", "staffId", staff, ("name",), {"enabled": "true"}),
    "listApiKeys": ListCase(
        "/api-keys", "apiKeys", "keyId", key, ("-createdAt", "name"), {"revoked": "false"}
    ),
    "listWebhooks": ListCase(
        "/webhooks", "webhooks", "webhookId", webhook, ("createdAt",), {"enabled": "true"}
    ),
    "listPcCredentials": ListCase(
        f"{CLUBS}/credentials", "credentials", "pcId", credential, ("pcId",), {"state": "ACTIVE"}
    ),
}
ELSEWHERE: Final = frozenset(
    {"listSessions", "listOrders", "listOutages", "listAudit", "listChainAudit"}
)
"""Lists whose pages are turned in tests of their own: test_api_lists, _outages, _audit."""


@dataclass
class Lists:
    """A chain of which every list has rows, and who turns their pages."""

    store: MemoryStore
    client: httpx.AsyncClient

    async def ask(self, case: ListCase, **query: object) -> httpx.Response:
        given = {name: str(value) for name, value in query.items() if value is not None}
        return await self.client.get(f"/api/v1{case.path}", params=given)

    async def page(self, case: ListCase, **query: object) -> tuple[list[Any], str | None]:
        answer = await self.ask(case, **query)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        return [one[case.row_id] for one in body[case.rows]], body["nextCursor"]

    async def joined(self, case: ListCase, *, limit: int, **query: object) -> list[Any]:
        seen, cursor = await self.page(case, limit=limit, **query)
        assert len(seen) <= limit
        while cursor is not None:
            page, cursor = await self.page(case, limit=limit, cursor=cursor, **query)
            assert 1 <= len(page) <= limit
            seen += page
        return seen


@pytest.fixture
async def lists(store: MemoryStore, client: httpx.AsyncClient) -> Lists:
    for case in LISTS.values():
        for number in SEEDED:
            await case.add(store, number)
    return Lists(store, client)


EACH_SORT: Final = [(name, sort) for name, case in LISTS.items() for sort in case.sorts]


@pytest.mark.parametrize(("name", "sort"), EACH_SORT)
async def test_pages_join_to_the_whole(lists: Lists, name: str, sort: str) -> None:
    case = LISTS[name]
    whole, more = await lists.page(case, sort=sort, limit=200)
    assert more is None
    assert len(whole) == len(set(whole)) >= len(SEEDED)
    assert await lists.joined(case, limit=1, sort=sort) == whole
    assert await lists.joined(case, limit=3, sort=sort) == whole
    assert await lists.joined(case, limit=len(whole), sort=sort) == whole
    turned = sort[1:] if sort.startswith("-") else f"-{sort}"
    assert await lists.joined(case, limit=4, sort=turned) == whole[::-1]


async def test_the_first_sort_is_the_usual_one(lists: Lists) -> None:
    for case in LISTS.values():
        asked = await lists.page(case, limit=200, sort=case.sorts[0])
        assert await lists.page(case, limit=200) == asked, case.path


@pytest.mark.parametrize(("name", "sort"), EACH_SORT)
async def test_what_is_made_between_pages_shifts_nothing(
    lists: Lists, name: str, sort: str
) -> None:
    case = LISTS[name]
    whole, _ = await lists.page(case, sort=sort, limit=200)
    seen, cursor = await lists.page(case, sort=sort, limit=2)
    for number in LATER:
        await case.add(lists.store, number)
        page, cursor = await lists.page(case, sort=sort, limit=2, cursor=cursor)
        seen += page
    while cursor is not None:
        page, cursor = await lists.page(case, sort=sort, limit=2, cursor=cursor)
        seen += page
    assert len(seen) == len(set(seen))
    assert [one for one in seen if one in whole] == whole


@pytest.mark.parametrize("name", LISTS)
async def test_a_cursor_is_good_for_its_query_only(lists: Lists, name: str) -> None:
    case = LISTS[name]
    _, cursor = await lists.page(case, limit=2)
    usual = case.sorts[0]
    turned = usual[1:] if usual.startswith("-") else f"-{usual}"
    others = [{"sort": turned}, *([case.filters] if case.filters else [])]
    for query in others:
        answer = await lists.ask(case, cursor=cursor, **query)
        assert (answer.status_code, answer.json()["code"]) == (422, "cursor-invalid"), query
    other = next(one for one in LISTS.values() if one.path != case.path)
    answer = await lists.ask(other, cursor=cursor, sort=other.sorts[0])
    assert (answer.status_code, answer.json()["field"]) == (422, "cursor")
    assert (await lists.ask(case, cursor=cursor, sort=usual)).status_code == 200


async def test_pages_have_bounds_and_known_orders(lists: Lists) -> None:
    refused = [{"limit": one} for one in (0, -1, 201, "x")] + [{"sort": "price"}]
    for name, case in LISTS.items():
        for query in refused:
            answer = await lists.ask(case, **query)
            code = answer.json().get("code")
            assert (answer.status_code, code) == (422, "invalid-request"), (name, query)


FILTERED: Final = (
    ("listPcs", {"zoneId": "vip"}, ["pc-3", "pc-4"]),
    ("listPcs", {"administrativeState": "RETIRED"}, []),
    ("listTariffs", {"zoneId": "vip"}, ["minute", "block"]),
    ("listTariffs", {"type": "FIXED"}, ["block"]),
    ("listTariffs", {"zoneId": "nowhere"}, []),
    ("findPlayers", {"phone": "0049 151-555-0202"}, ["boris"]),
    ("findPlayers", {"phone": "555"}, []),
    ("findPlayers", {"groupId": "vips"}, ["vera"]),
    ("findPlayers", {"query": "anna", "groupId": "vips"}, []),
    ("listPlayerTariffs", {"status": "USED_UP"}, []),
    ("listPlayerTariffs", {"clubId": "elsewhere"}, []),
    ("listStaff", {"enabled": "false"}, ["gone"]),
    ("listStaff", {"role": "cashier"}, ["gone", "till"]),
    ("listStaff", {"clubId": CLUB}, ["gone", "till"]),
    ("listStaff", {"clubId": "c10", "role": "cashier"}, ["gone"]),
    ("listApiKeys", {"revoked": "true"}, ["old"]),
    ("listApiKeys", {"role": "administrator"}, ["old"]),
    ("listWebhooks", {"enabled": "false"}, []),
    ("listPcCredentials", {"state": "REVOKED"}, []),
)


async def test_lists_are_narrowed_by_what_their_rows_say(lists: Lists) -> None:
    store = lists.store
    vera = PlayerDocument(player_id="vera", label="Vera", groups=("vips",))
    await document_added(store, "player:vera", vera)
    everywhere = StaffRole(role=Role.CASHIER)
    gone = StaffDocument(staff_id="gone", name="A", enabled=False, roles=(everywhere,))
    here = StaffRole(role=Role.CASHIER, club_id=CLUB)
    await document_added(store, "staff:gone", gone)
    await document_added(
        store, "staff:till", StaffDocument(staff_id="till", name="B", roles=(here,))
    )
    old = ApiKeyDocument(
        key_id="old",
        name="old",
        sha256="0" * 64,
        role=Role.ADMINISTRATOR,
        created_at_ms=START_MS,
        revoked_at_ms=START_MS,
    )
    await document_added(store, "apikey:old", old)
    for name, query, expected in FILTERED:
        found = await lists.joined(LISTS[name], limit=1, **query)
        assert found == expected, (name, query)


FORGED: Final = (b"", b"5", b"[]", b'["name","a","b"]', b'["name",5,"b","c"]', b'{"a":1}', b"\xff")


@pytest.mark.parametrize("forged", FORGED)
async def test_a_forged_cursor_is_the_callers_fault(lists: Lists, forged: bytes) -> None:
    text = urlsafe_b64encode(forged).decode().rstrip("=") or "%"
    for case in LISTS.values():
        answer = await lists.ask(case, cursor=text)
        assert (answer.status_code, answer.json()["code"]) == (422, "cursor-invalid"), case.path


async def test_the_longest_name_can_be_turned_past(lists: Lists) -> None:
    """Capitals whose small form takes three letters, and what JSON writes as six."""
    for number, letter in enumerate(("\u0390", "\0", "\U0001f3ae")):
        made = ClubDocument(
            club_id=f"{number:064}", name=letter * 120, timezone="Europe/Berlin", currency="EUR"
        )
        await field_put(lists.store, f"club:{made.club_id}", made)
        who = PlayerDocument(player_id=f"{number:064}", label=letter * 60)
        await document_added(lists.store, f"player:{who.player_id}", who)
    for case in (LISTS["listClubs"], LISTS["findPlayers"]):
        whole, _ = await lists.page(case, limit=200)
        assert await lists.joined(case, limit=1) == whole


def test_no_list_comes_whole() -> None:
    """An answer with rows and without a cursor is no list, or is bounded and says so."""
    document = describe(create_app(dependencies(MemoryStore(), ScriptedGateway())))
    schemas = document["components"]["schemas"]
    paged = set()
    for operations in document["paths"].values():
        operation = operations.get("get")
        content = {} if operation is None else operation["responses"]["200"]["content"]
        answer = content.get("application/json", {}).get("schema", {}).get("$ref")
        if operation is None or answer is None:
            continue
        if "nextCursor" in schemas[answer.rpartition("/")[2]]["properties"]:
            paged.add(operation["operationId"])
            names = {one["name"] for one in operation["parameters"]}
            assert {"limit", "cursor", "sort"} <= names, operation["operationId"]
        else:
            assert not operation["operationId"].startswith(("list", "find"))
    assert paged == LISTS.keys() | ELSEWHERE
