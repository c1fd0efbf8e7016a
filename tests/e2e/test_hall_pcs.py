"""What staff does with a PC from its tile: orders, holds, a look at the machine; and who may."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial

import orjson
import pytest
import pytest_asyncio
from api_under_test import CHAIN, serving
from browsers_under_test import a_browser, a_page
from playwright.async_api import Browser, Locator, Page, expect
from whole_club import WholeClub, whole_club

from actors.store import ChainStream
from actors.workspace import pc_key
from controller.api.auth import ApiKey, digest_of
from schemas.access import ROLE_PERMISSIONS, Role

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="module"),
]

ROLES = (Role.OWNER, Role.CASHIER)
PC_BUTTONS = ("Message", "Identify", "Take out of use", "Technician", "Restart", "Shut down")


@dataclass
class Desk:
    """A club at work, and a browser at its desk."""

    club: WholeClub
    address: str
    browser: Browser
    page: Page

    def tile(self, pc_id: str) -> Locator:
        return self.page.locator(f'.tile[data-pc="{pc_id}"]')

    async def opened(self, pc_id: str) -> Locator:
        """The sheet of a PC."""
        await self.page.keyboard.press("Escape")
        await self.tile(pc_id).click()
        return self.page.get_by_role("dialog")

    async def done(self, pc_id: str) -> list[str]:
        """What became of the orders to a PC."""
        entries = await self.club.store.stream(CHAIN, ChainStream.OUTBOX)
        events = [orjson.loads(one.payload)["event"] for one in entries]
        mine = [one for one in events if one.get("pc_id") == pc_id]
        return [
            f"{one['payload']['command']} {one['payload']['outcome']}"
            for one in mine
            if one["kind"] == "pc_command_done"
        ]


async def fall_silent(club: WholeClub, pc_id: str) -> None:
    """The power of a PC is cut; its network card is known from the boot before."""
    await club.fleet.cut(pc_id)
    await club.fleet.boot(pc_id)
    async with asyncio.timeout(20):
        while not await has_told_its_card(club, pc_id):  # noqa: ASYNC110 - a read
            await asyncio.sleep(0.05)
    await club.fleet.cut(pc_id)


async def has_told_its_card(club: WholeClub, pc_id: str) -> bool:
    stored = await club.store.all_entities(CHAIN)
    return any(b'"mac":"02:' in one.blob for one in stored if one.key == pc_key(pc_id))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk() -> AsyncIterator[Desk]:
    keys = [
        ApiKey(CHAIN, role.value, digest_of(role.value), permissions=ROLE_PERMISSIONS[role])
        for role in ROLES
    ]
    async with (
        whole_club(pcs=6, heartbeat_s=1.0, tells_machine=True, keys=keys) as club,
        serving(club.app) as address,
        a_browser() as browser,
        a_page(browser, address) as page,
    ):
        await fall_silent(club, "pc-6")
        yield Desk(club, address, browser, page)


Window = Callable[..., AbstractAsyncContextManager[Page]]


@pytest.fixture
def window(desk: Desk) -> Window:
    """Another window of the same browser on the same hall."""
    return partial(a_page, desk.browser, desk.address)


async def send(sheet: Locator, button: str, submit: str | None) -> None:
    """Choose an order with a nervous finger, and confirm it with the same."""
    await sheet.get_by_role("button", name=button, exact=True).dblclick()
    if submit is not None:
        await sheet.get_by_role("button", name=submit, exact=True).dblclick()


@pytest.mark.parametrize(
    ("button", "submit", "shown", "command"),
    [
        ("Identify", None, "Identify", "IDENTIFY"),
        ("Restart", "Restart the PC", "Restart", "REBOOT"),
        ("Shut down", "Shut down the PC", "Shut down", "SHUTDOWN"),
    ],
)
async def test_an_order_is_sent_once_and_its_answer_is_seen(
    desk: Desk, button: str, submit: str | None, shown: str, command: str
) -> None:
    before = await desk.done("pc-1")
    sheet = await desk.opened("pc-1")
    await send(sheet, button, submit)
    await expect(sheet.locator(".order")).to_contain_text(shown)
    await expect(sheet.locator(".order")).to_contain_text(": done")
    await expect(sheet.get_by_role("status")).to_contain_text(shown)
    await asyncio.sleep(0.3)
    assert (await desk.done("pc-1"))[len(before) :] == [f"{command} DONE"]


async def test_a_message_is_written_and_sent_by_keyboard(desk: Desk) -> None:
    page = desk.page
    await page.keyboard.press("Escape")
    await desk.tile("pc-2").focus()
    await page.keyboard.press("Enter")
    sheet = page.get_by_role("dialog", name="PC 02")
    await expect(sheet.get_by_role("button", name="Start a session")).to_be_focused()
    message = sheet.get_by_role("button", name="Message")
    while not await message.evaluate("node => node === document.activeElement"):
        await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Enter")
    await expect(sheet.get_by_role("alert")).to_contain_text("Write what the screen should say.")
    await page.keyboard.type("Your pizza is ready at the desk.")
    await page.keyboard.press("Enter")
    await expect(sheet.locator(".order")).to_contain_text("Message")
    await expect(sheet.locator(".order")).to_contain_text(": done")
    await expect(message).to_be_focused()
    assert await desk.done("pc-2") == ["MESSAGE DONE"]


async def test_a_technician_is_given_a_code_and_the_visit_is_ended(desk: Desk) -> None:
    sheet = await desk.opened("pc-3")
    await sheet.get_by_role("button", name="Technician").click()
    await sheet.get_by_label("Code for the technician").fill("1234")
    await sheet.get_by_role("button", name="Send to the PC").click()
    await expect(sheet.get_by_role("alert")).to_contain_text("six letters and digits")
    await sheet.get_by_label("Code for the technician").fill("TECH4711")
    await sheet.get_by_role("button", name="Send to the PC").click()
    await expect(sheet.locator(".order")).to_contain_text(": done")
    await expect(sheet).to_contain_text(
        "Code for the technician, for 30 minutes from now: TECH4711"
    )

    await sheet.get_by_role("button", name="Technician").click()
    await sheet.get_by_label("The PC can be opened for").select_option("0")
    await expect(sheet.get_by_label("Code for the technician")).to_be_hidden()
    await sheet.get_by_role("button", name="Send to the PC").click()
    await expect(sheet).not_to_contain_text("TECH4711")
    await expect(sheet.locator(".order")).to_contain_text(": done")
    assert await desk.done("pc-3") == ["MAINTENANCE DONE"] * 2


@pytest.mark.parametrize(
    ("until", "shown"), [("Somebody puts it back", ""), ("(2 h)", r" · till \d\d:\d\d")]
)
async def test_a_pc_is_taken_out_of_use_and_put_back(desk: Desk, until: str, shown: str) -> None:
    sheet = await desk.opened("pc-4")
    await sheet.get_by_role("button", name="Take out of use").click()
    submit = sheet.get_by_role("button", name="Take out of use")
    await submit.click()
    await expect(sheet.get_by_role("alert")).to_contain_text("Say why")
    await sheet.get_by_label("Why it is out of use").fill("Headset broken")
    ends = sheet.get_by_label("Until")
    await ends.select_option(await ends.get_by_text(until).get_attribute("value"))
    await submit.click()
    await expect(desk.tile("pc-4")).to_have_attribute("data-use", "HOLD")
    await expect(desk.tile("pc-4").locator(".note")).to_have_text(
        re.compile(f"^Headset broken{shown}$")
    )

    sheet = await desk.opened("pc-4")
    await expect(sheet).to_contain_text("Headset broken")
    await expect(sheet.get_by_role("button", name="Start a session")).to_have_count(0)
    await sheet.get_by_role("button", name="Put back into use").click()
    await expect(sheet).to_contain_text("It is held: Headset broken.")
    await sheet.get_by_role("button", name="Put back into use").click()
    await expect(desk.tile("pc-4")).to_have_attribute("data-use", "FREE")


async def test_staff_sees_how_the_machine_is_doing(desk: Desk) -> None:
    sheet = await desk.opened("pc-5")
    machine = sheet.get_by_role("region", name="Machine")
    await expect(machine).to_contain_text("Memory", timeout=30_000)
    await expect(machine).to_contain_text("%")
    await expect(machine).to_contain_text("As told")
    await expect(machine).not_to_contain_text("In front")


async def test_a_silent_pc_is_only_woken_and_told_of(desk: Desk) -> None:
    await expect(desk.tile("pc-6")).to_have_attribute("data-link", "NOT_RESPONDING", timeout=60_000)
    sheet = await desk.opened("pc-6")
    await expect(sheet).to_contain_text("This PC does not answer")
    for gone in ("Message", "Identify", "Restart", "Shut down", "Technician"):
        await expect(sheet.get_by_role("button", name=gone, exact=True)).to_have_count(0)
    await send(sheet, "Wake", None)
    await expect(sheet.locator(".order")).to_contain_text("has sent it the signal")
    await asyncio.sleep(0.3)
    assert await desk.done("pc-6") == ["WAKE DONE"]


@pytest.mark.parametrize(
    ("role", "may"), [(Role.OWNER, ()), (Role.CASHIER, ("Start a session", "Reserve"))]
)
async def test_nobody_is_shown_what_they_may_not_do(
    window: Window, role: Role, may: tuple[str, ...]
) -> None:
    async with window(key=role.value) as page:
        await page.locator('.tile[data-pc="pc-5"]').click()
        sheet = page.get_by_role("dialog")
        await expect(sheet).to_contain_text("Screen")
        for name in PC_BUTTONS:
            await expect(sheet.get_by_role("button", name=name, exact=True)).to_have_count(0)
        shown = await sheet.locator("[data-action]").all_inner_texts()
        assert tuple(shown) == may
        await expect(sheet.get_by_role("region", name="Machine")).to_be_visible()


async def test_the_api_has_the_last_word_and_it_is_read_beside_the_button(
    window: Window,
) -> None:
    """Rights that were taken away while the page was open."""
    async with window(key=Role.OWNER.value) as page:
        html = await (await page.request.get(page.url)).text()
        widened = html.replace('data-may="', 'data-may="holdPc ')
        await page.route(
            page.url.partition("#")[0],
            lambda route: route.fulfill(body=widened, content_type="text/html"),
        )
        await page.reload()
        await page.locator('.tile[data-pc="pc-5"]').click()
        sheet = page.get_by_role("dialog")
        await sheet.get_by_role("button", name="Take out of use").click()
        await sheet.get_by_label("Why it is out of use").fill("Cleaning")
        await sheet.get_by_role("button", name="Take out of use").click()
        alert = sheet.get_by_role("alert")
        await expect(alert).to_contain_text("Whoever is signed in here may not do this.")
        await expect(alert).to_contain_text("PcEdit")
        await expect(page.locator('.tile[data-pc="pc-5"]')).to_have_attribute("data-use", "FREE")
