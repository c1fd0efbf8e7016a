"""Players, staff and keys over HTTP."""

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest
from api_under_test import CHAIN, CLUB, OTHER_CHAIN, START_MS
from editors_under_test import API, Editor, code_of, editing
from issuer_under_test import IssuerUnderTest

from actors.store import StoredEntity
from controller.api.auth import ApiKey, digest_of
from controller.api.phones import normalised
from schemas.access import Permission


@pytest.fixture
def issuer() -> IssuerUnderTest:
    return IssuerUnderTest()


@pytest.fixture
async def editor(issuer: IssuerUnderTest) -> AsyncIterator[Editor]:
    some = frozenset({Permission.STAFF_READ, Permission.STAFF_EDIT, Permission.CLUB_READ})
    keys = [ApiKey(CHAIN, "clerk", digest_of("clerk"), permissions=some)]
    async with editing(keys=keys, tokens=issuer.reader()) as made:
        yield made


# ---- players -------------------------------------------------------------------------------------


async def test_a_player_is_made_found_and_changed(editor: Editor) -> None:
    body = {"label": "Clara", "phone": "0049 (151) 555-03.03", "autoRenewal": True}
    made = await editor.made("/players", body)
    assert made["phone"] == "+491515550303"
    found = await editor.client.get(f"{API}/clubs/{CLUB}/players", params={"query": "5550303"})
    assert [one["playerId"] for one in found.json()["players"]] == [made["playerId"]]
    path = f"/players/{made['playerId']}"
    changed = await editor.edit(path, {"label": "Clara S.", "phone": None})
    assert (changed["label"], changed["phone"], changed["autoRenewal"]) == ("Clara S.", None, True)
    assert changed == await editor.read(path)
    late = await editor.ask("PATCH", path, {"label": "x"}, etag=made["etag"])
    assert code_of(late) == (412, "etag-changed")


async def test_a_retry_makes_no_second_player(editor: Editor) -> None:
    body = {"label": "Clara"}
    first = await editor.ask("POST", "/players", body, key="once")
    again = await editor.ask("POST", "/players", body, key="once")
    assert first.text == again.text
    players = await editor.store.documents_by_prefix(CHAIN, "player:")
    assert len(players) == 4


async def test_a_number_belongs_to_one_player(editor: Editor) -> None:
    theirs = await editor.ask("POST", "/players", {"label": "x", "phone": "+49 1515550101"})
    assert code_of(theirs) == (409, "phone-taken")
    sent = [
        editor.ask("POST", "/players", {"label": f"p{number}", "phone": "+7 701 555 0000"})
        for number in range(10)
    ]
    statuses = sorted(answer.status_code for answer in await asyncio.gather(*sent))
    assert statuses == [201] + [409] * 9
    moved = await editor.edit("/players/anna", {"phone": "+49 151 555 09 09"})
    assert moved["phone"] == "+491515550909"
    freed = await editor.made("/players", {"label": "New", "phone": "+491515550101"})
    back = await editor.ask("PATCH", "/players/anna", {"phone": "+491515550101"}, etag="*")
    assert code_of(back) == (409, "phone-taken")
    await editor.edit(f"/players/{freed['playerId']}", {"phone": None})
    again = await editor.edit("/players/anna", {"phone": "+491515550101"})
    assert again["phone"] == "+491515550101"


async def test_players_who_shared_a_number_before_are_edited_all_the_same(editor: Editor) -> None:
    twin = {"v": 1, "player_id": "twin", "label": "Twin", "phone": "+49 (151) 555-01-01"}
    await editor.store.add_documents(CHAIN, {"player:twin": orjson.dumps(twin)})
    for name in ("Twin B.", "Twin C."):
        changed = await editor.edit("/players/twin", {"label": name})
        assert (changed["label"], changed["phone"]) == (name, "+491515550101")
    assert (await editor.edit("/players/anna", {"label": "Anna"}))["phone"] == "+491515550101"


async def test_who_keeps_a_number_has_nobody_looked_through(
    editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number that is claimed has its holder in the claim; one that is not, in some document."""
    made = await editor.made("/players", {"label": "x", "phone": "+7 701 555 0000"})
    path = f"/players/{made['playerId']}"
    read: list[str] = []
    all_of = editor.store.documents_by_prefix

    async def noted(chain_id: str, prefix: str) -> tuple[StoredEntity, ...]:
        read.append(prefix)
        return await all_of(chain_id, prefix)

    monkeypatch.setattr(editor.store, "documents_by_prefix", noted)
    await editor.edit(path, {"label": "y"})
    await editor.edit(path, {"phone": "+7 (701) 555-00-00"})
    await editor.edit("/players/anna", {"label": "Anna"})
    taken = await editor.ask("PATCH", "/players/anna", {"phone": "+77015550000"}, etag="*")
    assert code_of(taken) == (409, "phone-taken")
    assert read == []
    seeded = await editor.ask("PATCH", path, {"phone": "+49 151 555 02 02"}, etag="*")
    assert code_of(seeded) == (409, "phone-taken")
    assert read == ["player:"]


async def test_who_moves_away_from_a_shared_number_takes_no_claim_along(editor: Editor) -> None:
    made = await editor.made("/players", {"label": "x", "phone": "+7 701 555 0000"})
    twin = {"v": 1, "player_id": "twin", "label": "Twin", "phone": "+77015550000"}
    await editor.store.add_documents(CHAIN, {"player:twin": orjson.dumps(twin)})
    await editor.edit("/players/twin", {"phone": None})
    key = "phone:+77015550000"
    claim = (await editor.store.documents(CHAIN, [key]))[key]
    assert orjson.loads(claim.blob)["player_id"] == made["playerId"]


async def test_an_edit_that_changes_nothing_is_no_new_version(editor: Editor) -> None:
    first = await editor.edit("/players/anna", {"label": "Anna", "autoRenewal": True})
    again = await editor.edit("/players/anna", {"label": "Anna", "autoRenewal": True})
    assert again == first
    assert await editor.read("/players/anna") == first
    await editor.edit("/players/anna", {"label": "Anna", "autoRenewal": False})
    told = [one["asked"] for one in (await editor.read("/audit"))["entries"]]
    assert told == [
        {"player_id": "anna", "changed": ["auto_renewal"], "auto_renewal": False},
        {"player_id": "anna", "changed": []},
        {"player_id": "anna", "changed": ["auto_renewal", "label"], "auto_renewal": True},
    ]


@pytest.mark.parametrize("phone", ["151 5550101", "+0 151 5550101", "+49 151 CALL ME", "+49123"])
def test_a_number_without_its_country_is_none(phone: str) -> None:
    assert normalised(phone) is None


async def test_a_player_is_in_groups_that_exist(editor: Editor) -> None:
    unknown = await editor.ask("POST", "/players", {"label": "x", "groups": ["student"]})
    assert code_of(unknown) == (422, "reference-unknown")
    await editor.made("/player-groups", {"groupId": "student", "name": "Students"})
    made = await editor.made("/players", {"label": "x", "groups": ["student", "student"]})
    assert made["groups"] == ["student"]


async def test_the_audit_keeps_no_name_and_no_number(editor: Editor) -> None:
    await editor.made("/players", {"playerId": "clara", "label": "Clara", "phone": "+77015550000"})
    await editor.edit("/players/clara", {"label": "Other", "autoRenewal": True})
    text = b"".join(entry.payload for entry in await editor.store.audit(CHAIN))
    assert b"Clara" not in text
    assert b"7015550000" not in text
    entries = (await editor.read("/audit"))["entries"]
    assert entries[0]["asked"] == {
        "player_id": "clara",
        "changed": ["auto_renewal", "label"],
        "auto_renewal": True,
    }


# ---- staff ---------------------------------------------------------------------------------------


def roles(**by_club: str) -> list[dict[str, str]]:
    return [
        {"role": role} if club == "chain" else {"role": role, "clubId": club.replace("_", "-")}
        for club, role in by_club.items()
    ]


async def test_somebody_is_in_each_club_what_they_are_there(
    editor: Editor, issuer: IssuerUnderTest
) -> None:
    club = {"clubId": "chain-a-2", "name": "Second", "timezone": "UTC", "currency": "EUR"}
    await editor.made("/clubs", club)
    body = {
        "staffId": "maria",
        "name": "Maria",
        "roles": roles(club_1="cashier", chain_a_2="owner"),
    }
    await editor.made("/staff", body)
    maria = issuer.token("maria", "owner", role=None)
    seen = await editor.ask("GET", "/clubs", bearer=maria)
    assert [one["clubId"] for one in seen.json()["clubs"]] == [CLUB, "chain-a-2"]
    top_up = {"amountMinor": 100}
    here = await editor.ask(
        "POST", f"/clubs/{CLUB}/players/anna/wallet/top-ups", top_up, bearer=maria
    )
    assert code_of(here) == (503, "busy")
    there = await editor.ask(
        "POST", "/clubs/chain-a-2/players/anna/wallet/top-ups", top_up, bearer=maria
    )
    assert code_of(there) == (404, "club-not-found")
    assert (await editor.ask("GET", f"/clubs/{CLUB}/audit", bearer=maria)).status_code == 404
    assert (await editor.ask("GET", "/clubs/chain-a-2/audit", bearer=maria)).status_code == 200
    settings = await editor.ask(
        "PATCH", f"/clubs/{CLUB}/settings", {"name": "x"}, etag="*", bearer=maria
    )
    assert code_of(settings) == (403, "forbidden")


async def test_who_is_switched_off_is_out_at_once(editor: Editor, issuer: IssuerUnderTest) -> None:
    for token in (issuer.token("ivan", "owner", role=None), issuer.token("ivan", "cashier")):
        await editor.ask("POST", "/staff", {"staffId": "ivan", "name": "I", "roles": roles()})
        await editor.edit("/staff/ivan", {"roles": roles(chain="cashier"), "enabled": True})
        assert (await editor.ask("GET", "/clubs", bearer=token)).status_code == 200
        await editor.edit("/staff/ivan", {"enabled": False})
        assert code_of(await editor.ask("GET", "/clubs", bearer=token)) == (403, "forbidden")


async def test_who_has_no_role_anywhere_may_do_nothing(
    editor: Editor, issuer: IssuerUnderTest
) -> None:
    nobody = issuer.token("nobody", "owner", role=None)
    assert code_of(await editor.ask("GET", "/clubs", bearer=nobody)) == (403, "forbidden")
    await editor.made("/staff", {"staffId": "nobody", "name": "N"})
    assert code_of(await editor.ask("GET", "/clubs", bearer=nobody)) == (403, "forbidden")


async def test_nobody_gives_or_takes_more_than_they_have(editor: Editor) -> None:
    boss = {"staffId": "boss", "name": "B", "roles": roles(chain="administrator")}
    refused = await editor.ask("POST", "/staff", boss, bearer="clerk")
    assert code_of(refused) == (403, "forbidden")
    await editor.made("/staff", boss)
    demoted = await editor.ask("PATCH", "/staff/boss", {"enabled": False}, etag="*", bearer="clerk")
    assert code_of(demoted) == (403, "forbidden")
    key = {"name": "x", "role": "administrator"}
    assert code_of(await editor.ask("POST", "/api-keys", key, bearer="clerk")) == (403, "forbidden")
    small = key | {"scopes": ["ClubRead"]}
    assert (await editor.ask("POST", "/api-keys", small, bearer="clerk")).status_code == 201
    made = await editor.made("/api-keys", key)
    theirs = await editor.ask("POST", f"/api-keys/{made['keyId']}/revoke", bearer="clerk")
    assert code_of(theirs) == (403, "forbidden")
    unknown = {"staffId": "s", "name": "S", "roles": roles(club_9="cashier")}
    assert code_of(await editor.ask("POST", "/staff", unknown)) == (422, "reference-unknown")


# ---- keys ----------------------------------------------------------------------------------------


async def test_a_key_works_until_it_is_revoked_and_its_secret_is_nowhere(editor: Editor) -> None:
    body = {"name": "Kiosk", "role": "cashier", "clubIds": [CLUB], "channel": "kiosk"}
    made = await editor.made("/api-keys", body)
    secret = made["secret"]
    assert (await editor.ask("GET", f"/clubs/{CLUB}", bearer=secret)).status_code == 200
    other = await editor.ask("PATCH", "/chain", {"name": "x"}, etag="*", bearer=secret)
    assert code_of(other) == (403, "forbidden")
    kept = await editor.store.documents_by_prefix(CHAIN, "")
    answers = editor.store._server.chain(CHAIN).answers.values()
    everything = b"".join([one.blob for one in kept] + [one.reply for one in answers])
    assert secret.rpartition("~")[2].encode() not in everything
    listed = (await editor.read("/api-keys"))["apiKeys"]
    assert [(one["keyId"], one["revokedAt"]) for one in listed] == [(made["keyId"], None)]
    assert "secret" not in listed[0]
    revoked = await editor.ask("POST", f"/api-keys/{made['keyId']}/revoke")
    assert revoked.json()["revokedAt"] is not None
    assert code_of(await editor.ask("GET", "/clubs", bearer=secret)) == (401, "unauthorized")
    again = await editor.ask("POST", f"/api-keys/{made['keyId']}/revoke")
    assert again.json() == revoked.json()
    missing = await editor.ask("POST", "/api-keys/k-0/revoke")
    assert code_of(missing) == (404, "api-key-not-found")


async def test_a_repeated_request_makes_no_second_key_and_shows_no_secret(editor: Editor) -> None:
    body = {"name": "Kiosk", "role": "cashier"}
    sent = [editor.ask("POST", "/api-keys", body, key="one") for _ in range(5)]
    answers = [answer.json() for answer in await asyncio.gather(*sent)]
    assert len({one["keyId"] for one in answers}) == 1
    shown = [one["secret"] for one in answers if one["secret"] is not None]
    assert len(shown) == 1
    assert (await editor.ask("GET", "/clubs", bearer=shown[0])).status_code == 200
    late = await editor.ask("POST", "/api-keys", body, key="one")
    assert late.json()["secret"] is None
    editor.store._server.chain(CHAIN).answers.clear()
    days_later = await editor.ask("POST", "/api-keys", body, key="one")
    assert code_of(days_later) == (409, "id-taken")


async def test_another_text_is_nobodys(editor: Editor) -> None:
    secret = (await editor.made("/api-keys", {"name": "x", "role": "owner"}))["secret"]
    for spoiled in (
        secret[:-1],
        secret.replace(CHAIN, OTHER_CHAIN),
        secret.replace("~k-", "~k-0"),
        "clubctl~~~",
        "clubctl~" + "x" * 600,
    ):
        answer = await editor.ask("GET", "/clubs", bearer=spoiled)
        assert code_of(answer) == (401, "unauthorized")


async def test_the_hall_page_takes_a_key_of_the_chain(editor: Editor) -> None:
    made = await editor.made("/api-keys", {"name": "Desk", "role": "cashier"})
    plain = {"Authorization": ""}
    signed_in = await editor.client.post("/login", data={"key": made["secret"]}, headers=plain)
    assert signed_in.status_code == 303
    cookie = {"Cookie": f"clubctl_operator={signed_in.cookies['clubctl_operator']}"}
    del editor.client.headers["Authorization"]
    editor.client.cookies.clear()
    assert (await editor.client.get("/", headers=cookie)).status_code == 200
    clubs = await editor.client.get(f"{API}/clubs", headers=cookie)
    assert clubs.status_code == 200
    key = (await editor.store.documents(CHAIN, [f"apikey:{made['keyId']}"])).popitem()[1]
    document = orjson.loads(key.blob) | {"revoked_at_ms": START_MS}
    editor.store._server.chain(CHAIN).documents[key.key] = type(key)(
        key.key, key.version + 1, orjson.dumps(document)
    )
    assert (await editor.client.get(f"{API}/clubs", headers=cookie)).status_code == 401
