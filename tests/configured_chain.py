"""A chain with one of everything that is configured over the API, and its stored documents."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

from api_under_test import CHAIN, CLUB, ScriptedGateway, client_of, dependencies, seed_chain
from editors_under_test import Editor

from actors.store_memory import MemoryStore
from controller.enrolment.terms import PcTerms
from schemas.enrolment import ENROLMENT_PATH

NIGHT: Final[Mapping[str, Any]] = {
    "name": "Night",
    "currency": "EUR",
    "type": "PER_MINUTE",
    "prices": [
        {
            "name": "students",
            "groups": ["student"],
            "when": {"windows": ["mon,tue 23:00-07:00"]},
            "pricePerHourMinor": 6_000,
        },
        {
            "name": "night",
            "when": {"windows": ["23:00-07:00"], "closedDates": ["2026-12-31"]},
            "pricePerHourMinor": None,
            "tiers": [
                {"fromMinutes": 0, "pricePerHourMinor": 12_000},
                {"fromMinutes": 60, "pricePerHourMinor": 9_000},
            ],
        },
    ],
    "sales": {"when": {"windows": ["22:00-04:00"]}, "channels": ["crm", "app"]},
    "usage": {"start": {"windows": ["23:00-07:00"]}, "completionMinutes": 20},
    "expiration": {"lastDay": "2027-12-31"},
    "minimumMinutes": 15,
}
MADE: Final[tuple[tuple[str, Mapping[str, Any]], ...]] = (
    (f"/clubs/{CLUB}/zones", {"zoneId": "loft", "name": "Loft"}),
    (f"/clubs/{CLUB}/pcs", {"pcId": "pc-9", "zoneId": "std", "name": "PC 09"}),
    ("/player-groups", {"groupId": "students", "name": "Students"}),
    ("/players", {"playerId": "clara", "label": "Clara", "phone": "+491515550303"}),
    ("/staff", {"staffId": "maria", "name": "Maria"}),
    ("/api-keys", {"name": "Till", "role": "cashier"}),
    ("/tariffs", {"tariffId": "night", "content": NIGHT}),
    ("/webhooks", {"url": "https://crm.example/hook"}),
    (f"/clubs/{CLUB}/enrolment-codes", {"uses": 3}),
)


@asynccontextmanager
async def configured() -> AsyncIterator[Editor]:
    """An editor of a chain that has it all: a draft is published and drafted again, one PC is let
    in and one machine waits."""
    store = MemoryStore()
    await seed_chain(store)
    terms = PcTerms("mqtts://broker.lan", "")
    given = replace(dependencies(store, ScriptedGateway()), pc_terms=terms)
    async with client_of(given) as client:
        editor = Editor(client, store)
        answers = {path: await editor.made(path, body) for path, body in MADE}
        published = await editor.ask(
            "POST", "/tariffs/night/publish", etag=answers["/tariffs"]["etag"]
        )
        assert published.status_code == 200, published.text
        draft = await editor.read("/tariffs/night/draft")
        changed = {"content": draft["content"] | {"name": "Late"}}
        put = await editor.ask("PUT", "/tariffs/night/draft", changed, etag=draft["etag"])
        assert put.status_code == 200, put.text
        code = answers[f"/clubs/{CLUB}/enrolment-codes"]["code"]
        for name, pc_id in (("a", "pc-9"), ("b", "nobodys")):
            asked = {"code": code, "secret": name.ljust(43, "_"), "pc_id": pc_id}
            let_in = await client.post(ENROLMENT_PATH, json=asked)
            assert let_in.status_code in (200, 202), let_in.text
        yield editor


async def documents_of(editor: Editor) -> dict[str, bytes]:
    """Every document of the chain by its field or key."""
    store = editor.store
    chain = await store.documents_by_prefix(CHAIN, "")
    return {
        **await store.catalogue(CHAIN),
        **await store.enrolment(CHAIN, CLUB),
        **{one.key: one.blob for one in chain},
    }
