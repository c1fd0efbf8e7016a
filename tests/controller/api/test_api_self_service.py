"""A player with a phone: looks, buys, sits down and plays, with nobody at the desk."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from api_under_test import CHAIN, CLUB, HELD, KEY, serving, tariff_document
from issuer_under_test import IssuerUnderTest
from whole_club import WholeClub, whole_club

from controller.api.auth import ApiKey, digest_of
from schemas.catalogue import ZoneDocument
from schemas.commands import Channel
from schemas.views import LinkState

PREPAID = {"type": "HOURS", "price_minor": 10_000, "hours": 10, "refund": "CASH"}
SOLD = ("minute", "block", "hours", "at-desk", "winter")
CATALOGUE = {
    "tariff:hours:1": tariff_document("hours", "Ten hours", **PREPAID),
    "tariff:at-desk:1": tariff_document(
        "at-desk", "Sold at the desk", **PREPAID, sales={"channels": ["crm"]}
    ),
    "tariff:in-app:1": tariff_document(
        "in-app", "Sold in the app", **PREPAID, sales={"channels": ["app"]}
    ),
    "tariff:winter:1": tariff_document("winter", "Winter", status="INACTIVE"),
    "tariff:old:1": tariff_document("old", "Old", status="ARCHIVED"),
    "zone:std": ZoneDocument(
        zone_id="std",
        club_id=CLUB,
        name="Standard",
        tariff_ids=(*SOLD, "in-app", "old"),
        default_tariff_id="minute",
    )
    .model_dump_json()
    .encode(),
}
QUOTED = "?zoneId=std&startAt=2026-06-01T10:00:00Z&endAt=2026-06-01T11:00:00Z"
FOR_SALE = {"minute", "block", "hours", "in-app"}


class Phone:
    """Requests of anna's, or of anybody else whose token is given."""

    def __init__(self, club: WholeClub, client: httpx.AsyncClient, issuer: IssuerUnderTest) -> None:
        self.club = club
        self.client = client
        self.anna = issuer.token("anna", "player")
        self.boris = issuer.token("boris", "player")
        self._keys = 0

    async def ask(
        self, method: str, path: str, body: object = None, *, bearer: str = "", etag: str = ""
    ) -> httpx.Response:
        self._keys += 1
        headers = {
            "Authorization": f"Bearer {bearer or self.anna}",
            "Idempotency-Key": f"k{self._keys}",
        }
        if etag:
            headers["If-Match"] = etag
        return await self.client.request(method, path, json=body, headers=headers)

    async def done(self, method: str, path: str, body: object = None, **said: str) -> Any:
        answer = await self.ask(method, path, body, **said)
        assert answer.is_success, answer.text
        return answer.json()


@pytest.fixture
async def phone() -> AsyncIterator[Phone]:
    issuer = IssuerUnderTest()
    kiosk = ApiKey(CHAIN, "kiosk", digest_of("kiosk"), channel=Channel.KIOSK)
    async with (
        whole_club(tokens=issuer.reader(), keys=[kiosk], catalogue=CATALOGUE) as club,
        serving(club.app) as address,
        httpx.AsyncClient(
            base_url=f"{address}/api/v1",
            trust_env=False,
            timeout=20,
            event_hooks=HELD,
        ) as client,
    ):
        made = Phone(club, client, issuer)
        top_up = f"/clubs/{CLUB}/players/anna/wallet/top-ups"
        await made.done("POST", top_up, {"amountMinor": 50_000}, bearer=KEY)
        yield made


async def test_from_the_list_of_clubs_to_a_running_session(phone: Phone) -> None:
    (club,) = (await phone.done("GET", "/clubs"))["clubs"]
    shown = await phone.done("GET", f"/clubs/{club['clubId']}")
    assert {one["tariffId"] for one in shown["tariffs"]} == FOR_SALE
    order = await phone.done(
        "POST",
        f"/clubs/{CLUB}/orders",
        {
            "playerId": "anna",
            "tariffIds": ["hours"],
            "payments": [{"means": "balance", "amountMinor": 10_000}],
        },
    )
    assert order["status"] == "PAID"
    (owned,) = (await phone.done("GET", "/players/anna/tariffs"))["playerTariffs"]
    assert (owned["status"], owned["orderId"]) == ("OPEN", order["orderId"])
    tiles = (await phone.done("GET", f"/clubs/{CLUB}/hall"))["tiles"]
    free = [one["pcId"] for one in tiles if (one["use"], one["link"]) == ("FREE", "ONLINE")]
    body = {"pcId": free[0], "playerId": "anna", "playerTariffId": owned["playerTariffId"]}
    session = await phone.done("POST", f"/clubs/{CLUB}/sessions", body)
    assert (session["status"], session["orderId"]) == ("ACTIVE", order["orderId"])
    started = await phone.done("POST", f"/sessions/{session['sessionId']}/start")
    assert started["status"] == "STARTED"
    (wallet,) = (await phone.done("GET", "/players/anna/wallet"))["balances"]
    assert wallet["cash"]["amountMinor"] == 40_000


@pytest.mark.parametrize("channel", ["app", "kiosk"])
async def test_a_club_that_trusts_its_players_lets_them_pay_later(
    phone: Phone, channel: str
) -> None:
    bearer = "kiosk" if channel == "kiosk" else phone.anna
    seat = {
        "pcId": "pc-1",
        "playerId": "anna",
        "tariffId": "minute",
        "mode": "OPEN_ENDED",
        "start": True,
    }
    refused = await phone.ask("POST", f"/clubs/{CLUB}/sessions", seat, bearer=bearer)
    assert refused.json()["code"] == "post-pay-not-allowed"
    trusts = {"playersPayLater": True}
    await phone.done("PATCH", f"/clubs/{CLUB}/settings", trusts, bearer=KEY, etag="*")
    async with asyncio.timeout(10):
        while not (  # noqa: ASYNC110 - the host learns it in its own time
            answer := await phone.ask("POST", f"/clubs/{CLUB}/sessions", seat, bearer=bearer)
        ).is_success:
            await asyncio.sleep(0.05)
    session = answer.json()
    assert (session["status"], session["mode"]) == ("STARTED", "OPEN_ENDED")
    ended = await phone.done("POST", f"/sessions/{session['sessionId']}/end", bearer=phone.anna)
    order = f"/orders/{session['sessionId']}"
    assert (await phone.done("GET", order))["due"] == ended["amount"]
    paid = {"payments": [{"means": "balance", "amountMinor": ended["amount"]["amountMinor"]}]}
    assert (await phone.done("POST", f"{order}/pay", paid))["status"] == "PAID"


async def test_a_player_sees_what_is_for_sale_to_players(phone: Phone) -> None:
    listed = (await phone.done("GET", "/tariffs"))["tariffs"]
    assert {one["tariffId"] for one in listed} == FOR_SALE
    for status in ("INACTIVE", "ARCHIVED"):
        assert (await phone.done("GET", f"/tariffs?status={status}"))["tariffs"] == []
    for tariff_id in ("at-desk", "winter", "old"):
        for path in (f"/tariffs/{tariff_id}", f"/clubs/{CLUB}/tariffs/{tariff_id}/quote{QUOTED}"):
            hidden = await phone.ask("GET", path)
            assert (hidden.status_code, hidden.json()["code"]) == (404, "tariff-not-found"), path
    at_the_desk = (await phone.done("GET", "/tariffs", bearer=KEY))["tariffs"]
    assert {one["tariffId"] for one in at_the_desk} == FOR_SALE | {"at-desk", "winter"}


async def test_a_player_reads_their_profile_and_sets_their_renewal_only(phone: Phone) -> None:
    profile = await phone.done("GET", "/players/anna")
    assert (profile["label"], profile["autoRenewal"]) == ("Anna K.", False)
    etag = profile["etag"]
    renewing = await phone.done("PATCH", "/players/anna", {"autoRenewal": True}, etag=etag)
    assert renewing["autoRenewal"] is True
    for change in ({"label": "Queen"}, {"groups": []}, {"phone": None, "autoRenewal": False}):
        refused = await phone.ask("PATCH", "/players/anna", change, etag="*")
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), change
    for method, body in (("GET", None), ("PATCH", {"autoRenewal": True})):
        stranger = await phone.ask(method, "/players/anna", body, bearer=phone.boris, etag="*")
        assert (stranger.status_code, stranger.json()["code"]) == (404, "player-not-found")
    after = await phone.done("GET", "/players/anna", bearer=KEY)
    assert after == renewing
    for method, path, body in (
        ("GET", f"/clubs/{CLUB}/players?query=an", None),
        ("POST", "/players", {"label": "Zed"}),
    ):
        assert (await phone.ask(method, path, body)).status_code == 403


async def test_nobody_starts_by_themselves_on_a_pc_that_is_not_heard(phone: Phone) -> None:
    body = {"pcId": "pc-1", "playerId": "anna", "tariffId": "minute"}
    booked = await phone.done("POST", f"/clubs/{CLUB}/sessions", body)
    seated = await phone.done(
        "POST",
        f"/clubs/{CLUB}/sessions",
        {"pcId": "pc-3", "playerId": "boris", "tariffId": "block"},
        bearer=KEY,
    )
    await phone.club.fleet.cut("pc-1")
    await _until_unheard(phone, "pc-1")
    start = f"/sessions/{booked['sessionId']}/start"
    refused = await phone.ask("POST", start)
    assert (refused.status_code, refused.json()["code"]) == (409, "pc-unreachable")
    await phone.done("POST", f"/sessions/{booked['sessionId']}/end")
    for bearer in (phone.anna, "kiosk"):
        at_once = await phone.ask(
            "POST", f"/clubs/{CLUB}/sessions", body | {"start": True}, bearer=bearer
        )
        assert (at_once.status_code, at_once.json()["code"]) == (409, "pc-unreachable")
    started = await phone.done(
        "POST", f"/clubs/{CLUB}/sessions", body | {"pcId": "pc-2", "start": True}
    )
    moved = await phone.ask(
        "POST", f"/sessions/{started['sessionId']}/switch-device", {"pcId": "pc-1"}
    )
    assert (moved.status_code, moved.json()["code"]) == (409, "pc-unreachable")
    await phone.done("POST", f"/sessions/{started['sessionId']}/end")
    assert seated["status"] == "ACTIVE"
    at_the_desk = body | {"start": True}
    by_staff = await phone.done("POST", f"/clubs/{CLUB}/sessions", at_the_desk, bearer=KEY)
    assert by_staff["status"] == "STARTED", "the desk sees to the PC itself"


async def _until_unheard(phone: Phone, pc_id: str) -> None:
    """The broker has told the PC's will."""
    for _ in range(400):
        tiles = (await phone.done("GET", f"/clubs/{CLUB}/hall"))["tiles"]
        links = {one["pcId"]: one["link"] for one in tiles}
        if links[pc_id] != LinkState.ONLINE.value:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(links)
