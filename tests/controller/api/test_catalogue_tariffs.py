"""Tariffs over HTTP: drafted, checked, priced, published, laid to rest; player groups."""

import itertools
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from api_under_test import CHAIN, CLUB
from configured_chain import NIGHT
from editors_under_test import Editor, code_of, editing

from billing_core.stored import tariff_from_dict
from billing_core.tariff import Tariff, TariffStatus
from billing_core.window import TimeWindow


@pytest.fixture
async def editor() -> AsyncIterator[Editor]:
    async with editing() as made:
        yield made


async def stored(editor: Editor, tariff_id: str, version: int) -> Tariff:
    raw = (await editor.store.catalogue(CHAIN))[f"tariff:{tariff_id}:{version}"]
    return tariff_from_dict(orjson.loads(raw))


async def published(editor: Editor, tariff_id: str, content: dict[str, Any]) -> dict[str, Any]:
    await editor.made("/tariffs", {"tariffId": tariff_id, "content": content})
    answer = await editor.ask("POST", f"/tariffs/{tariff_id}/publish", etag="*")
    assert answer.status_code == 200, answer.text
    details: dict[str, Any] = answer.json()
    return details


async def test_a_tariff_is_drafted_and_published_as_it_was_written(editor: Editor) -> None:
    draft = await editor.made("/tariffs", {"tariffId": "night", "content": NIGHT})
    assert (draft["basedOnVersion"], draft["isSaved"]) == (None, True)
    listed = (await editor.read("/tariffs"))["tariffs"]
    assert [(one["tariffId"], one["version"]) for one in listed] == [
        ("night", None),
        ("minute", 1),
        ("block", 1),
    ]
    assert code_of(await editor.ask("GET", "/tariffs/night")) == (404, "tariff-not-found")
    details = await editor.ask("POST", "/tariffs/night/publish", etag=draft["etag"])
    assert details.json()["version"] == 1
    tariff = await stored(editor, "night", 1)
    assert tariff.status is TariffStatus.ACTIVE
    assert tariff.sales.when.windows == (TimeWindow(22 * 60, 4 * 60),)
    assert [tier.price_per_hour_minor for tier in tariff.prices[1].tiers] == [12_000, 9_000]
    assert str(tariff.prices[1].when.closed_dates[0]) == "2026-12-31"
    again = await editor.read("/tariffs/night/draft")
    assert (again["basedOnVersion"], again["isSaved"]) == (1, False)
    assert again["content"] == draft["content"]
    assert not any(name.startswith("draft:") for name in await editor.store.catalogue(CHAIN))


async def test_an_edited_tariff_is_a_new_version_and_the_old_one_never_changes(
    editor: Editor,
) -> None:
    before = (await editor.store.catalogue(CHAIN))["tariff:minute:1"]
    draft = await editor.read("/tariffs/minute/draft")
    content = draft["content"] | {"name": "Dearer", "minimumMinutes": 30}
    put = await editor.ask("PUT", "/tariffs/minute/draft", {"content": content}, etag=draft["etag"])
    assert put.status_code == 200, put.text
    late = await editor.ask(
        "PUT", "/tariffs/minute/draft", {"content": content}, etag=draft["etag"]
    )
    assert code_of(late) == (412, "etag-changed")
    body = {"status": "INACTIVE"}
    done = await editor.ask("POST", "/tariffs/minute/publish", body, etag=put.json()["etag"])
    assert (done.json()["version"], done.json()["status"]) == (2, "INACTIVE")
    assert (await editor.store.catalogue(CHAIN))["tariff:minute:1"] == before
    assert (await stored(editor, "minute", 2)).minimum_minutes == 30
    versions = (await editor.read("/tariffs/minute/versions"))["versions"]
    assert [one["version"] for one in versions] == [2, 1]
    assert versions[1]["content"]["name"] == "Per minute"
    nothing = await editor.ask("POST", "/tariffs/minute/publish", etag="*")
    assert code_of(nothing) == (404, "draft-not-found")


async def test_a_life_of_a_tariff_is_versions_with_the_same_content(editor: Editor) -> None:
    off = await editor.edit("/tariffs/block", {"status": "INACTIVE"})
    assert (off["version"], off["status"]) == (2, "INACTIVE")
    same = await editor.edit("/tariffs/block", {"status": "INACTIVE"})
    assert same["version"] == 2
    gone = await editor.edit("/tariffs/block", {"status": "ARCHIVED"})
    assert gone["content"] == off["content"]
    assert "block" not in {one["tariffId"] for one in (await editor.read("/tariffs"))["tariffs"]}
    assert [one["tariffId"] for one in (await editor.read(f"/clubs/{CLUB}"))["tariffs"]] == [
        "minute"
    ]
    archived = await editor.client.get("/api/v1/tariffs", params={"status": "ARCHIVED"})
    assert [one["tariffId"] for one in archived.json()["tariffs"]] == ["block"]
    in_use = await editor.ask("PATCH", "/tariffs/minute", {"status": "ARCHIVED"}, etag="*")
    assert code_of(in_use) == (409, "tariff-in-use")


async def test_what_contradicts_itself_is_not_published_and_says_where(editor: Editor) -> None:
    content = NIGHT | {
        "sales": {"when": {"windows": ["10:00-12:00"]}},
        "prices": [{"name": "x", "zones": ["no-such"], "pricePerHourMinor": 100}],
    }
    await editor.made("/tariffs", {"tariffId": "night", "content": content})
    findings = (await editor.read("/tariffs/night/check"))["findings"]
    errors = {(one["code"], one["clubId"]) for one in findings if one["severity"] == "error"}
    assert ("unknown-zone", CLUB) in errors
    assert ("never-usable", CLUB) in errors
    refused = await editor.ask("POST", "/tariffs/night/publish", etag="*")
    assert code_of(refused) == (422, "tariff-check-failed")
    named = {one["field"] for one in refused.json()["errors"]}
    assert {"content.prices[0].zones", "content.sales.when"} <= named
    assert "tariff:night:1" not in await editor.store.catalogue(CHAIN)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"prices": [{"name": "x", "when": {"windows": ["sometimes"]}}]}, "content.prices.0.when"),
        ({"prices": [{"name": "x", "pricePerHourMinor": -5}]}, "content.prices.0.pricePerHour"),
        ({"type": "FREE"}, "content.type"),
        ({"bonusMaxPercent": 101}, "content.bonusMaxPercent"),
        ({"expiration": {"lastDay": "tomorrow"}}, "content.expiration.lastDay"),
    ],
)
async def test_a_draft_that_cannot_be_read_names_its_field(
    editor: Editor, changes: dict[str, Any], field: str
) -> None:
    body = {"tariffId": "night", "content": NIGHT | changes}
    answer = await editor.ask("POST", "/tariffs", body)
    assert code_of(answer) == (422, "invalid-request")
    assert answer.json()["field"].startswith(field)


async def test_a_zone_may_sell_a_draft_before_it_is_published_and_then_it_stays(
    editor: Editor,
) -> None:
    await editor.made("/tariffs", {"tariffId": "night", "content": NIGHT})
    await editor.edit(f"/clubs/{CLUB}/zones/std", {"tariffIds": ["minute", "night"]})
    in_use = await editor.ask("DELETE", "/tariffs/night/draft", etag="*")
    assert code_of(in_use) == (409, "tariff-in-use")
    await editor.edit(f"/clubs/{CLUB}/zones/std", {"tariffIds": ["minute"]})
    gone = await editor.ask("DELETE", "/tariffs/night/draft", etag="*")
    assert gone.json()["content"]["name"] == "Night"
    assert code_of(await editor.ask("GET", "/tariffs/night/draft")) == (404, "tariff-not-found")


async def test_a_draft_is_priced_before_anybody_pays_it(editor: Editor) -> None:
    draft = await editor.read("/tariffs/minute/draft")
    rule = {"name": "flat", "pricePerHourMinor": 60_000}
    content = draft["content"] | {"prices": [rule]}
    await editor.ask("PUT", "/tariffs/minute/draft", {"content": content}, etag="*")
    question = {
        "startAt": "2026-11-25T12:00:00Z",
        "endAt": "2026-11-25T12:10:00Z",
        "zoneId": "std",
    }
    path = f"/api/v1/clubs/{CLUB}/tariffs/minute/quote"
    now = (await editor.client.get(path, params=question)).json()
    then = (await editor.client.get(path, params=question | {"draft": "true"})).json()
    assert (now["totalMinor"], then["totalMinor"]) == (2_000, 10_000)
    assert (now["version"], then["version"]) == (1, None)
    assert then["lines"][0]["amountMinor"] == 10_000
    poor = question | {"cashMinor": "3000", "draft": "true"}
    ended = (await editor.client.get(path, params=poor)).json()
    assert (ended["endsAt"], ended["coverageCause"]) == ("2026-11-25T12:03:00.000Z", "BALANCE")
    wrong = await editor.client.get(path, params=question | {"endAt": "2026-11-25T11:00:00Z"})
    assert code_of(wrong) == (422, "invalid-request")
    elsewhere = await editor.client.get(path, params=question | {"zoneId": "no-such"})
    assert code_of(elsewhere) == (404, "zone-not-found")


async def test_groups_are_kept_while_somebody_needs_them(editor: Editor) -> None:
    await editor.made("/player-groups", {"groupId": "student", "name": "Students"})
    await editor.made("/player-groups", {"groupId": "vip", "name": "VIP"})
    await published(editor, "night", NIGHT)
    await editor.edit("/players/anna", {"groups": ["vip"]})
    renamed = await editor.edit("/player-groups/vip", {"name": "Friends"})
    listed = (await editor.read("/player-groups"))["groups"]
    assert [one["name"] for one in listed] == ["Friends", "Students"]
    for group in ("student", "vip"):
        answer = await editor.ask("DELETE", f"/player-groups/{group}", etag="*")
        assert code_of(answer) == (409, "group-in-use")
    await editor.edit("/players/anna", {"groups": []})
    gone = await editor.ask("DELETE", "/player-groups/vip", etag=renamed["etag"])
    assert gone.status_code == 200
    missing = await editor.ask("GET", "/player-groups/vip")
    assert code_of(missing) == (404, "group-not-found")


WINDOWS = ("daily", "mon 10:00-12:00", "2026-06-01..", "..2026-06-01", "2026-05-01 10:00-02:00")


@pytest.mark.parametrize("windows", [list(few) for few in itertools.combinations(WINDOWS, 2)])
async def test_windows_come_back_as_they_were_said(editor: Editor, windows: list[str]) -> None:
    content = NIGHT | {"usage": {"start": {"windows": windows}}}
    draft = await editor.made("/tariffs", {"tariffId": "t", "content": content})
    once = draft["content"]["usage"]["start"]["windows"]
    put = await editor.ask("PUT", "/tariffs/t/draft", {"content": draft["content"]}, etag="*")
    assert put.json()["content"]["usage"]["start"]["windows"] == once
    assert put.json()["etag"] == draft["etag"]
