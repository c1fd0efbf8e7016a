"""Chains, clubs, zones and PCs over HTTP: made, changed, laid to rest."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import fields
from typing import Final

import orjson
import pytest
from api_under_test import CHAIN, CLUB, OTHER_CHAIN, OTHER_KEY
from editors_under_test import API, Editor, code_of, editing

from actors.club_setup import club_setups
from billing_core.terms import ClubTerms, ZoneTerms
from controller.api.auth import ApiKey, digest_of
from controller.api.catalogue_models import ClubTermsFields, ZoneFields

SETTINGS: Final = f"/clubs/{CLUB}/settings"
ZONES: Final = f"/clubs/{CLUB}/zones"
PCS: Final = f"/clubs/{CLUB}/pcs"
HOUR: Final = "startAt=2026-11-25T12:00:00Z&endAt=2026-11-25T13:00:00Z&zoneId=std"
DRAFT_QUOTE: Final = f"/clubs/{CLUB}/tariffs/minute/quote?{HOUR}&draft=true"


@pytest.fixture
async def editor() -> AsyncIterator[Editor]:
    keys = [ApiKey(CHAIN, "one-club", digest_of("one"), club_ids=frozenset({CLUB}))]
    async with editing(keys=keys) as made:
        yield made


def test_every_setting_of_the_billing_room_can_be_edited() -> None:
    """A policy that a club has and nobody can set is no policy."""
    named = {"club_id", "timezone", "currency"}
    assert {field.name for field in fields(ClubTerms)} - named == set(ClubTermsFields.model_fields)
    own = {"position", "zone_id"}
    assert {field.name for field in fields(ZoneTerms)} - own == set(ZoneFields.model_fields) - own


async def test_a_new_club_with_its_zone_and_pc_is_there_for_hosts(editor: Editor) -> None:
    club = {
        "clubId": "chain-a-2",
        "name": "Second",
        "timezone": "Asia/Almaty",
        "currency": "KZT",
        "opening": {"windows": ["10:00-06:00"], "closedDates": ["2026-12-31"]},
        "noShowMinutes": 15,
    }
    made = await editor.made("/clubs", club)
    assert made["opening"] == club["opening"]
    assert (made["graceSeconds"], made["noShowMinutes"]) == (0, 15)
    await editor.made("/clubs/chain-a-2/zones", {"zoneId": "z-2", "name": "Hall"})
    await editor.made("/clubs/chain-a-2/pcs", {"pcId": "pc-21", "zoneId": "z-2", "name": "21"})
    setup = club_setups(await editor.store.catalogue(CHAIN))["chain-a-2"]
    assert setup.terms.no_show_minutes == 15
    assert setup.terms.opening.windows[0].start_minute == 600
    assert list(setup.pcs) == ["pc-21"]
    clubs = (await editor.read("/clubs"))["clubs"]
    assert [one["clubId"] for one in clubs] == [CLUB, "chain-a-2"]


async def test_settings_change_one_by_one_and_null_clears(editor: Editor) -> None:
    first = await editor.read(SETTINGS)
    changed = await editor.edit(SETTINGS, {"noShowMinutes": 20, "lowBalanceMinor": 500})
    assert (changed["noShowMinutes"], changed["lowBalanceMinor"]) == (20, 500)
    assert changed["etag"] != first["etag"]
    cleared = await editor.edit(SETTINGS, {"noShowMinutes": None, "name": "First club"})
    assert (cleared["noShowMinutes"], cleared["lowBalanceMinor"]) == (None, 500)
    assert cleared == await editor.read(SETTINGS)
    assert (await editor.read(f"/clubs/{CLUB}"))["name"] == "First club"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"opening": {"windows": ["funday 10:00-12:00"]}}, "opening.0"),
        ({"opening": {"windows": ["25:00-26:00"]}}, "opening.0"),
        ({"endingSoonMinutes": 2, "needsAttentionMinutes": 5}, "needsAttentionMinutes"),
        ({"graceSeconds": -1}, "graceSeconds"),
        ({"graceSeconds": "60"}, "graceSeconds"),
        ({"currency": "USD"}, "currency"),
        ({"openning": {}}, "openning"),
    ],
)
async def test_a_setting_that_cannot_be_is_refused_by_name(
    editor: Editor, changes: dict[str, object], field: str
) -> None:
    before = await editor.store.catalogue_image(CHAIN)
    answer = await editor.ask("PATCH", SETTINGS, changes, etag="*")
    assert code_of(answer) == (422, "invalid-request")
    assert answer.json()["field"] == field
    assert await editor.store.catalogue_image(CHAIN) == before


async def test_an_edit_needs_the_version_it_was_made_on(editor: Editor) -> None:
    etag = (await editor.read(SETTINGS))["etag"]
    assert code_of(await editor.ask("PATCH", SETTINGS, {"name": "A"})) == (428, "if-match-missing")
    assert (await editor.ask("PATCH", SETTINGS, {"name": "A"}, etag=etag)).status_code == 200
    late = await editor.ask("PATCH", SETTINGS, {"name": "B"}, etag=etag)
    assert code_of(late) == (412, "etag-changed")
    assert (await editor.ask("PATCH", SETTINGS, {"name": "B"}, etag="*")).status_code == 200
    assert (await editor.read(SETTINGS))["name"] == "B"


async def test_the_same_edit_sent_often_happens_once(editor: Editor) -> None:
    etag = (await editor.read(SETTINGS))["etag"]
    sent = [
        editor.ask("PATCH", SETTINGS, {"name": "Once"}, etag=etag, key="same") for _ in range(20)
    ]
    answers = await asyncio.gather(*sent)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert len({answer.headers["etag"] for answer in answers}) == 1
    audit = await editor.store.audit(CHAIN)
    assert len(audit) == 1
    other = await editor.ask("PATCH", SETTINGS, {"name": "Twice"}, etag="*", key="same")
    assert code_of(other) == (422, "idempotency-key-reused")


async def test_many_editors_of_many_things_all_come_through(editor: Editor) -> None:
    """Each is decided again when another was faster; none is lost."""
    names = [f"z-{number}" for number in range(12)]
    await asyncio.gather(*(editor.made(ZONES, {"zoneId": one, "name": one}) for one in names))
    found = {zone["zoneId"] for zone in (await editor.read(ZONES))["zones"]}
    assert found == {"std", "vip", *names}


async def test_zones_are_changed_and_archived(editor: Editor) -> None:
    limits = {"longestSessionMinutes": 240, "opening": {"windows": ["daily 12:00-24:00"]}}
    changed = await editor.edit(f"{ZONES}/vip", {"position": 7, "tariffIds": ["minute"], **limits})
    assert changed["longestSessionMinutes"] == 240
    assert changed["opening"]["windows"] == ["12:00-00:00"]
    cleared = await editor.edit(f"{ZONES}/vip", {"longestSessionMinutes": None})
    assert cleared["opening"] == changed["opening"]
    in_use = await editor.ask("DELETE", f"{ZONES}/vip", etag="*")
    assert code_of(in_use) == (409, "zone-in-use")
    for pc_id in ("pc-3", "pc-4"):
        await editor.edit(f"{PCS}/{pc_id}", {"zoneId": "std"})
    gone = await editor.ask("DELETE", f"{ZONES}/vip", etag="*")
    assert gone.json()["archived"] is True
    assert [zone["zoneId"] for zone in (await editor.read(ZONES))["zones"]] == ["std"]
    every = await editor.client.get(f"{API}{ZONES}", params={"archived": True})
    assert [zone["zoneId"] for zone in every.json()["zones"]] == ["std", "vip"]
    assert [zone["zoneId"] for zone in (await editor.read(f"/clubs/{CLUB}"))["zones"]] == ["std"]
    into_it = await editor.ask("PATCH", f"{PCS}/pc-1", {"zoneId": "vip"}, etag="*")
    assert code_of(into_it) == (422, "reference-unknown")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"tariffIds": ["no-such"]}, "tariffIds"),
        ({"defaultTariffId": "no-such"}, "defaultTariffId"),
        ({"tariffIds": ["block"], "defaultTariffId": "minute"}, "defaultTariffId"),
    ],
)
async def test_a_zone_sells_what_there_is(
    editor: Editor, changes: dict[str, object], field: str
) -> None:
    answer = await editor.ask("PATCH", f"{ZONES}/std", changes, etag="*")
    assert code_of(answer) == (422, "reference-unknown")
    assert answer.json()["field"] == field


async def test_a_retired_pc_leaves_the_hall_and_can_come_back(editor: Editor) -> None:
    retired = await editor.edit(f"{PCS}/pc-1", {"administrativeState": "RETIRED"})
    assert retired["administrativeState"] == "RETIRED"
    hall = await editor.read(f"/clubs/{CLUB}/hall")
    assert [tile["pcId"] for tile in hall["tiles"]] == ["pc-2", "pc-3", "pc-4"]
    assert (await editor.read(f"/clubs/{CLUB}"))["pcCount"] == 3
    assert len((await editor.read(PCS))["pcs"]) == 3
    back = await editor.edit(f"{PCS}/pc-1", {"administrativeState": "IN_SERVICE", "name": "One"})
    assert back["name"] == "One"
    assert len((await editor.read(PCS))["pcs"]) == 4


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/clubs", {"clubId": CLUB, "name": "x", "timezone": "UTC", "currency": "EUR"}, "clubId"),
        (ZONES, {"zoneId": "std", "name": "x"}, "zoneId"),
        (PCS, {"pcId": "pc-1", "zoneId": "std", "name": "x"}, "pcId"),
    ],
)
async def test_an_id_is_given_once(
    editor: Editor, path: str, body: dict[str, object], field: str
) -> None:
    answer = await editor.ask("POST", path, body)
    assert code_of(answer) == (409, "id-taken")
    assert answer.json()["field"] == field


async def test_a_club_of_another_chain_answers_as_one_of_nobody(editor: Editor) -> None:
    await editor.store.put(OTHER_CHAIN, {f"club:{OTHER_CHAIN}-theirs": b"{}"})
    told = set()
    for club_id in (f"{OTHER_CHAIN}-theirs", f"{OTHER_CHAIN}-nobodys", "elsewhere", CHAIN):
        body = {"clubId": club_id, "name": "x", "timezone": "UTC", "currency": "EUR"}
        answer = await editor.ask("POST", "/clubs", body)
        assert code_of(answer) == (422, "club-id-not-of-chain")
        told.add(answer.text)
        assert f"club:{club_id}" not in await editor.store.catalogue(CHAIN)
    assert len(told) == 1


async def test_a_club_without_an_id_is_given_one_and_the_same_again(editor: Editor) -> None:
    body = {"name": "x", "timezone": "UTC", "currency": "EUR"}
    one, again, other = [
        (await editor.ask("POST", "/clubs", body, key=key)).json()["clubId"]
        for key in ("k1", "k1", "k2")
    ]
    assert one == again != other
    assert one.startswith(f"{CHAIN}-")
    assert {one, other} < {club["clubId"] for club in (await editor.read("/clubs"))["clubs"]}


THEIRS: Final = (
    ("GET", "/clubs/{}/settings", CLUB, None),
    ("PATCH", "/clubs/{}/settings", CLUB, {"name": "x"}),
    ("GET", "/clubs/{}/zones", CLUB, None),
    ("POST", "/clubs/{}/zones", CLUB, {"zoneId": "z", "name": "x"}),
    ("PATCH", f"/clubs/{CLUB}/zones/{{}}", "std", {"name": "x"}),
    ("DELETE", f"/clubs/{CLUB}/zones/{{}}", "std", None),
    ("GET", f"/clubs/{CLUB}/pcs/{{}}", "pc-1", None),
    ("PATCH", f"/clubs/{CLUB}/pcs/{{}}", "pc-1", {"name": "x"}),
    ("GET", "/tariffs/{}", "minute", None),
    ("GET", "/tariffs/{}/draft", "minute", None),
    ("GET", "/tariffs/{}/versions", "minute", None),
    ("GET", "/tariffs/{}/check", "minute", None),
    ("PATCH", "/tariffs/{}", "minute", {"status": "INACTIVE"}),
    ("POST", "/tariffs/{}/publish", "minute", None),
    ("DELETE", "/tariffs/{}/draft", "minute", None),
    ("GET", "/players/{}", "anna", None),
    ("PATCH", "/players/{}", "anna", {"label": "x"}),
    ("GET", "/player-groups/{}", "vip", None),
    ("PATCH", "/player-groups/{}", "vip", {"name": "x"}),
    ("DELETE", "/player-groups/{}", "vip", None),
    ("GET", "/staff/{}", "maria", None),
    ("PATCH", "/staff/{}", "maria", {"name": "x"}),
)


async def test_what_is_another_chains_looks_as_if_it_were_not_there(editor: Editor) -> None:
    await editor.made("/player-groups", {"groupId": "vip", "name": "VIP"})
    await editor.made("/staff", {"staffId": "maria", "name": "Maria"})
    key_id = (await editor.made("/api-keys", {"name": "x", "role": "owner"}))["keyId"]
    before = await editor.store.catalogue_image(CHAIN)
    for method, path, there, body in (*THEIRS, ("POST", "/api-keys/{}/revoke", key_id, None)):
        mine = path.format(there)
        theirs = await editor.ask(method, mine, body, etag="*", bearer=OTHER_KEY)
        nothing = await editor.ask(method, path.format("no-such"), body, etag="*", bearer=OTHER_KEY)
        assert theirs.status_code == 404, (method, mine, theirs.text)
        assert {**theirs.json(), "instance": ""} == {**nothing.json(), "instance": ""}, path
    assert await editor.store.catalogue_image(CHAIN) == before


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/chain", {"name": "x"}),
        ("POST", "/clubs", {"name": "x", "timezone": "UTC", "currency": "EUR"}),
        ("POST", "/player-groups", {"groupId": "g", "name": "x"}),
        ("PATCH", "/tariffs/minute", {"status": "INACTIVE"}),
        ("POST", "/staff", {"staffId": "s", "name": "x"}),
        ("POST", "/api-keys", {"name": "x", "role": "cashier"}),
        ("GET", "/audit", None),
        ("GET", "/staff", None),
        ("GET", "/tariffs/minute/draft", None),
        ("GET", DRAFT_QUOTE, None),
    ],
)
async def test_who_sees_one_club_changes_nothing_of_the_chain(
    editor: Editor, method: str, path: str, body: object
) -> None:
    answer = await editor.ask(method, path, body, etag="*", bearer="one")
    assert code_of(answer) == (403, "forbidden")
    own = await editor.ask("PATCH", SETTINGS, {"name": "Mine"}, etag="*", bearer="one")
    assert own.status_code == 200


async def test_every_change_is_in_the_audit(editor: Editor) -> None:
    await editor.edit(SETTINGS, {"graceSeconds": 30})
    await editor.edit("/chain", {"name": "Orbit"})
    of_the_club = (await editor.read(f"/clubs/{CLUB}/audit"))["entries"]
    assert [entry["operation"] for entry in of_the_club] == ["updateClubSettings"]
    assert of_the_club[0]["asked"] == {"club_id": CLUB, "grace_seconds": 30}
    assert of_the_club[0]["principal"] == "key:front-desk"
    whole = (await editor.read("/audit"))["entries"]
    assert [(entry["operation"], entry["clubId"]) for entry in whole] == [
        ("updateChain", None),
        ("updateClubSettings", CLUB),
    ]


async def test_a_stored_policy_nobody_touched_stays_as_it_was(editor: Editor) -> None:
    club = orjson.loads((await editor.store.catalogue(CHAIN))[f"club:{CLUB}"])
    club["terms"] = {"opening": {"windows": [{"start_minute": 600, "from_date": "2026-06-01"}]}}
    await editor.store.put(CHAIN, {f"club:{CLUB}": orjson.dumps(club)})
    assert (await editor.read(SETTINGS))["opening"]["windows"] == ["10:00-00:00 2026-06-01.."]
    await editor.edit(SETTINGS, {"graceSeconds": 5})
    terms = club_setups(await editor.store.catalogue(CHAIN))[CLUB].terms
    assert terms.grace_seconds == 5
    assert terms.opening.windows[0].until_date is None
    assert str(terms.opening.windows[0].from_date) == "2026-06-01"


async def test_what_nobody_uses_of_this_release_is_not_stored(editor: Editor) -> None:
    """Hosts of the release before go on reading a catalogue that this one edits."""
    await editor.edit(f"{ZONES}/std", {"position": 9})
    await editor.edit(f"{PCS}/pc-1", {"name": "One"})
    stored = await editor.store.catalogue(CHAIN)
    zone, pc = orjson.loads(stored["zone:std"]), orjson.loads(stored["pc:pc-1"])
    known = {"v", "zone_id", "club_id", "name", "position"}
    assert set(zone) == known | {"tariff_ids", "default_tariff_id"}
    assert set(pc) == known | {"pc_id"}
