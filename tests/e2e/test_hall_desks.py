"""What waits for staff in the head of the hall: outages to decide, machines to let in."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
import pytest_asyncio
from api_under_test import CLUB, KEY, dependencies, serving
from browsers_under_test import a_browser, a_page
from clubs_under_test import CHAIN, wallet_of
from outages_under_test import ShardGateway, books_agree, credited, freeze, opened
from playwright.async_api import Browser, Locator, Page, expect
from shard_under_test import ShardUnderTest
from whole_club import WholeClub, whole_club

from actors.clock import SystemClock
from actors.store_memory import MemoryStore
from actors.strangers import STRANGERS_SNAPSHOT, Strangers
from controller.api.app import create_app
from controller.api.auth import ApiKey, digest_of
from controller.enrolment.terms import PcTerms
from schemas.access import ROLE_PERMISSIONS, Role
from schemas.commands import EndSession, ReplyStatus, ResolveOutage
from schemas.enrolment import ENROLMENT_PATH

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="module"),
]

ANN_PLAYS = {"player_id": "ann"}
A_GUEST_PLAYS = {"player_id": None, "guest_label": "Max", "paid_minor": 100_00}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with a_browser() as browser:
        yield browser


@dataclass
class Frozen:
    """A club that proposes, and a PC that stood still for twelve minutes of a session."""

    shard: ShardUnderTest
    store: MemoryStore
    address: str


@pytest_asyncio.fixture(loop_scope="module")
async def frozen(request: pytest.FixtureRequest) -> AsyncIterator[Frozen]:
    store = MemoryStore()
    shard = await opened(store, "PROPOSE")
    await freeze(shard, **request.param)
    keys = [
        ApiKey(CHAIN, role.value, digest_of(role.value), permissions=ROLE_PERMISSIONS[role])
        for role in (Role.ADMINISTRATOR, Role.CASHIER)
    ]
    given = dependencies(store, ShardGateway(shard), clock=shard.clock, keys=keys)
    async with serving(create_app(given)) as address:
        yield Frozen(shard, store, f"{address}/#north")


def cards(page: Page) -> Locator:
    return page.get_by_role("dialog").locator(".card")


@pytest.mark.parametrize("frozen", [ANN_PLAYS], indirect=True)
@pytest.mark.parametrize(
    ("button", "told", "back_minor"),
    [("Give back", "€24.00 given back", 24_00), ("Leave charged", "left charged", 0)],
)
async def test_an_outage_is_decided_with_its_evidence_in_sight(
    browser: Browser, frozen: Frozen, button: str, told: str, back_minor: int
) -> None:
    before = await wallet_of(frozen.store, "ann")
    async with a_page(browser, frozen.address, key=Role.ADMINISTRATOR.value) as page:
        await expect(page.get_by_role("status").filter(has_text="Outages 1")).to_be_visible()
        await page.get_by_role("button", name="Outages 1").click()
        card = cards(page)
        for words in (
            "main0 · Ann",
            "The PC was frozen",
            "09:00 to 09:12",
            "We did not hear this PC; we did hear others.",
            "Its own journal says that it stood still and then went on.",
            "€24.00 would come back for 12 min",
        ):
            await expect(card).to_contain_text(words)
        await expect(page.get_by_role("button", name="Close")).to_be_focused()
        await page.keyboard.press("Tab")
        await expect(card.get_by_role("button", name="Give back")).to_be_focused()
        await card.get_by_role("button", name=button).dblclick()
        dialog = page.get_by_role("dialog")
        await expect(dialog.get_by_role("status")).to_contain_text(told)
        await expect(dialog).to_contain_text("Nothing waits here.")
        await page.keyboard.press("Escape")
        await expect(page.locator("#show-outages")).to_be_hidden()
    assert sum((await credited(frozen.shard)).values()) == back_minor
    assert await wallet_of(frozen.store, "ann") == (before[0] + back_minor, before[1])
    await books_agree(frozen.store)


@pytest.mark.parametrize("frozen", [A_GUEST_PLAYS], indirect=True)
async def test_who_may_not_give_money_back_sees_what_waits_and_what_was_decided_elsewhere(
    browser: Browser, frozen: Frozen
) -> None:
    await frozen.shard.command(EndSession(session_id="s1"))
    async with a_page(browser, frozen.address, key=Role.CASHIER.value) as page:
        await page.get_by_role("button", name="Outages 1").click()
        await expect(cards(page)).to_contain_text("main0 · Max")
        await expect(cards(page)).to_contain_text("hand it over at the desk")
        await expect(cards(page)).to_contain_text("Somebody who may give money back decides.")
        await expect(cards(page).get_by_role("button")).to_have_count(0)
    async with a_page(browser, frozen.address, key=Role.ADMINISTRATOR.value) as page:
        await page.get_by_role("button", name="Outages 1").click()
        await expect(cards(page)).to_have_count(1)
        reply = await frozen.shard.command(ResolveOutage(session_id="s1", number=0, approve=False))
        assert reply.status is ReplyStatus.OK
        await cards(page).get_by_role("button", name="Give back").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog.get_by_role("status")).to_contain_text("somebody else has decided")
        await expect(dialog).to_contain_text("Nothing waits here.")
    assert await credited(frozen.shard) == {}


@dataclass
class Door:
    """A club, and machines that knock."""

    club: WholeClub
    address: str
    client: httpx.AsyncClient

    async def knock(self, code: str, hostname: str) -> tuple[int, str]:
        """What a machine is answered, and which PC it is once it is let in."""
        secret = hostname.ljust(43, "_")
        body = {"code": code, "secret": secret, "facts": {"hostname": hostname}}
        answer = await self.client.post(ENROLMENT_PATH, json=body)
        return answer.status_code, (answer.json()["standing"] or {"pc_id": ""})["pc_id"]

    async def code(self) -> str:
        path = f"/api/v1/clubs/{CLUB}/enrolment-codes"
        headers = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": "code"}
        made = await self.client.post(path, json={"uses": 5}, headers=headers)
        return str(made.json()["code"])


@pytest_asyncio.fixture(loop_scope="module")
async def door() -> AsyncIterator[Door]:
    terms = PcTerms("mqtts://broker.lan", "-----BEGIN CERTIFICATE-----")
    async with (
        whole_club(pc_terms=terms) as club,
        serving(club.app) as address,
        httpx.AsyncClient(base_url=address, trust_env=False) as client,
    ):
        yield Door(club, address, client)


async def test_machines_that_wait_are_let_in_or_turned_away(browser: Browser, door: Door) -> None:
    code = await door.code()
    assert await door.knock(code, "DESKTOP-7") == (202, "")
    assert await door.knock(code, "LAPTOP-X") == (202, "")
    strangers = Strangers()
    strangers.heard(CLUB, "pc-99", SystemClock().wall_ms())
    await door.club.store.put_snapshot(
        f"{STRANGERS_SNAPSHOT}host", strangers.snapshot(), ttl_ms=None
    )
    async with a_page(browser, door.address) as page:
        await page.get_by_role("button", name="Machines 3").click()
        dialog = page.get_by_role("dialog")
        await expect(cards(page)).to_have_count(3)
        await expect(dialog).to_contain_text("no PC of this hall has its name")
        await expect(cards(page).filter(has_text="pc-99")).to_contain_text("is no PC of this club")

        desktop = cards(page).filter(has_text="DESKTOP-7")
        await desktop.get_by_role("button", name="Let it in").click()
        await expect(desktop.get_by_role("alert")).to_contain_text("Choose which PC it is.")
        await desktop.get_by_label("This machine is").select_option(label="PC 02")
        await desktop.get_by_role("button", name="Let it in").click()
        await expect(dialog).to_contain_text("DESKTOP-7 is let in as PC 02.")

        laptop = cards(page).filter(has_text="LAPTOP-X")
        await laptop.get_by_role("button", name="Turn away").click()
        await expect(dialog).to_contain_text("LAPTOP-X is turned away.")
        await expect(cards(page)).to_have_count(1)
        await expect(page.locator("#show-devices")).to_contain_text("1")
    assert await door.knock(code, "DESKTOP-7") == (200, "pc-2")
