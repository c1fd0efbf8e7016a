"""The audit over HTTP by who, what, about whom and when, page by page, wherever entries are."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_under_test import (
    CHAIN,
    CLUB,
    START_MS,
    ScriptedGateway,
    client_of,
    dependencies,
    seed_chain,
)

from actors.clock import SystemClock
from actors.store import CatalogueEdit
from actors.store_memory import MemoryStore
from controller.api.instants import render_instant
from controller.archive import Archive, ArchiveConsumer, open_archive
from controller.lists import audit_list
from schemas.views import AuditEntryView

ENTRIES = 24
PLACES = ("store", "both", "archive")


def entry(number: int) -> AuditEntryView:
    """Every second one of the club, every third refused, each minute another."""
    return AuditEntryView(
        at_ms=START_MS + number * 60_000,
        club_id=CLUB if number % 2 else "",
        principal=f"staff:{'maria' if number % 4 == 0 else 'ivan'}",
        channel="crm",
        origin="127.0.0.1",
        operation=("endSession", "updatePlayer", "createOrder")[number % 3],
        idempotency_key=f"k{number}",
        asked=f'{{"player_id":"u{number % 5}","lines":[{{"tariff_id":"t{number}"}}]}}',
        result="rejected" if number % 3 == 2 else "ok",
        code="order-not-due" if number % 3 == 2 else None,
    )


@dataclass
class Audit:
    """An audit, in the store or partly or all of it in the archive, and who reads it."""

    store: MemoryStore
    archive: Archive
    client: httpx.AsyncClient

    async def noted(self, *numbers: int) -> None:
        for number in numbers:
            written = entry(number).model_dump_json().encode()
            await self.store.edit(CHAIN, CatalogueEdit(audit=(written,)))

    async def archived(self, leaving: int) -> None:
        """All of it is archived, and only the newest entries are left in the store."""
        await ArchiveConsumer(self.store, self.archive, SystemClock()).step()
        kept = await self.store.audit(CHAIN, count=leaving + 1)
        await self.store.trim_audit(CHAIN, before=kept[leaving - 1].entry_id)

    async def page(self, path: str = "/audit", **query: Any) -> tuple[list[int], str | None]:
        given = {name.rstrip("_"): value for name, value in query.items() if value is not None}
        answer = await self.client.get(f"/api/v1{path}", params=given)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        told = [one["asked"]["lines"][0]["tariff_id"] for one in body["entries"]]
        return [int(one[1:]) for one in told], body["nextCursor"]

    async def joined(self, path: str = "/audit", *, limit: int = 4, **query: Any) -> list[int]:
        seen, cursor = await self.page(path, limit=limit, **query)
        while cursor is not None:
            page, cursor = await self.page(path, limit=limit, cursor=cursor, **query)
            assert len(page) <= limit
            seen += page
        return seen


@pytest.fixture(params=PLACES)
async def audit(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Audit]:
    store = MemoryStore()
    await seed_chain(store)
    archive = open_archive(f"sqlite:///{tmp_path / 'archive.db'}")
    given = replace(dependencies(store, ScriptedGateway()), archived=archive)
    async with client_of(given) as client:
        made = Audit(store, archive, client)
        await made.noted(*range(ENTRIES))
        if request.param != "store":
            await made.archived(leaving=7 if request.param == "both" else 1)
        yield made
    archive.close()


def at(number: int) -> str:
    return render_instant(START_MS + number * 60_000)


FILTERED: dict[str, tuple[dict[str, Any], Any]] = {
    "everything": ({}, lambda _: True),
    "who": ({"principal": "staff:maria"}, lambda n: n % 4 == 0),
    "what": ({"operation": "endSession"}, lambda n: n % 3 == 0),
    "either": ({"operation": ["endSession", "createOrder"]}, lambda n: n % 3 != 1),
    "refused": ({"result": "rejected"}, lambda n: n % 3 == 2),
    "whom": ({"target": "u2"}, lambda n: n % 5 == 2),
    "within": ({"target": "t9"}, lambda n: n == 9),
    "club": ({"clubId": CLUB}, lambda n: n % 2),
    "since": ({"from": at(9)}, lambda n: n >= 9),
    "until": ({"to": at(9)}, lambda n: n < 9),
    "all at once": (
        {"principal": "staff:ivan", "clubId": CLUB, "target": "u3", "from": at(4), "to": at(20)},
        lambda n: n % 2 and n % 5 == 3 and 4 <= n < 20,
    ),
    "nobody": ({"principal": "staff:eve"}, lambda _: False),
}


async def test_every_filter_page_by_page(audit: Audit) -> None:
    for name, (query, is_wanted) in FILTERED.items():
        expected = [one for one in range(ENTRIES)[::-1] if is_wanted(one)]
        assert await audit.joined(**query) == expected, name
        assert (await audit.page(limit=200, **query))[0] == expected, name
        for_club = {key: value for key, value in query.items() if key != "clubId"}
        in_club = [one for one in range(1, ENTRIES, 2)[::-1] if is_wanted(one)]
        assert await audit.joined(f"/clubs/{CLUB}/audit", **for_club) == in_club, name


async def test_new_entries_shift_no_page(audit: Audit) -> None:
    seen, cursor = await audit.page(limit=5)
    while cursor is not None:
        await audit.noted(99)
        page, cursor = await audit.page(limit=5, cursor=cursor)
        seen += page
    assert seen == list(range(ENTRIES))[::-1]


async def test_so_many_are_looked_through_and_the_page_leads_on(
    audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_list, "ENTRIES_PER_READ", 4)
    monkeypatch.setattr(audit_list, "ENTRIES_PER_PAGE_MAX", 8)
    page, cursor = await audit.page(target="t2")
    assert (page, cursor is None) == ([], False)
    assert await audit.joined(target="t2") == [2]
    assert await audit.joined() == list(range(ENTRIES))[::-1]


async def test_a_cursor_is_good_for_its_filters_only(audit: Audit) -> None:
    _, cursor = await audit.page(limit=2, principal="staff:ivan")
    for query in ({}, {"principal": "staff:maria"}, {"principal": "staff:ivan", "target": "u1"}):
        answer = await audit.client.get("/api/v1/audit", params={**query, "cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (422, "cursor-invalid"), query


async def test_what_cannot_be_asked_for_is_named(audit: Audit) -> None:
    for query in ({"from": "yesterday"}, {"result": "maybe"}, {"target": "a b"}, {"sort": "at"}):
        answer = await audit.client.get("/api/v1/audit", params=query)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request"), query
    answer = await audit.client.get("/api/v1/audit", params={"principal": "\0"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
