"""The hall in a browser: what it shows, how it follows, how it is worked by hand."""

import asyncio
import re

import pytest
from api_under_test import (
    CHAIN,
    START_MS,
    HallOwner,
    ScriptedGateway,
    dependencies,
    seed_chain,
    serving,
    tile,
)
from browsers_under_test import OpenHall
from playwright.async_api import Locator, Page, expect

from actors.clock import ClockAnchor, ManualClock, ScaledClock, SystemClock
from actors.store_memory import MemoryStore
from controller.api.app import create_app
from schemas.catalogue import ClubDocument
from schemas.commands import CommandReply, CreateSession, ReplyStatus
from schemas.views import HallTile, LinkState, UseState

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]


def running(pc_id: str = "pc-1", **changes: object) -> HallTile:
    """A PC somebody plays on, paid for another hour and a half."""
    session = tile(
        pc_id,
        use=UseState.RUNNING,
        locked=False,
        session_id="ses-7",
        session_status="STARTED",
        player_id="anna",
        player_label="Anna K.",
        tariff_id="minute",
        tariff_name="Per minute",
        started_at_ms=START_MS - 600_000,
        coverage_until_ms=START_MS + 5_400_000,
        coverage_cause="BALANCE",
        coverage_status="COVERED",
    )
    return session.model_copy(update=changes)


class Stage:
    """A served hall, its owner and its gateway."""

    def __init__(self, *, speed: float | None = None) -> None:
        self.store = MemoryStore()
        self.gateway = ScriptedGateway()
        self.owner = HallOwner(self.store)
        anchor = ClockAnchor(START_MS, SystemClock().wall_ms(), speed or 1)
        clock = ManualClock(START_MS) if speed is None else ScaledClock(anchor)
        self.app = create_app(dependencies(self.store, self.gateway, clock=clock, heartbeat_ms=500))


@pytest.fixture
async def stage() -> Stage:
    made = Stage()
    await seed_chain(made.store)
    return made


def tile_of(page: Page, pc_id: str) -> Locator:
    return page.locator(f'.tile[data-pc="{pc_id}"]')


async def test_link_and_use_are_told_apart_in_words_icons_and_colour(
    stage: Stage, open_hall: OpenHall
) -> None:
    lost = running("pc-2", link=LinkState.NOT_RESPONDING, last_seen_at_ms=START_MS - 42_000)
    exposed = tile(
        "pc-3", link=LinkState.NOT_RESPONDING, exposure_until_ms=START_MS + 600_000, locked=False
    )
    await stage.owner.show(running(), lost, exposed, tile("pc-4"))
    async with serving(stage.app) as address, open_hall(address) as page:
        await expect(tile_of(page, "pc-1")).to_contain_text("Running")
        await expect(tile_of(page, "pc-1")).to_contain_text("Anna K.")
        await expect(tile_of(page, "pc-1")).to_contain_text("Per minute")
        await expect(tile_of(page, "pc-1")).to_contain_text(re.compile(r"1:(30:00|29:5\d)"))
        for words in ("Running", "Not responding", "Anna K.", "42 s"):
            await expect(tile_of(page, "pc-2")).to_contain_text(words)
        await expect(tile_of(page, "pc-3")).to_contain_text("May be open till 22:36")
        await expect(tile_of(page, "pc-4")).to_contain_text("Free")
        for pc_id in ("pc-1", "pc-2", "pc-3", "pc-4"):
            assert await tile_of(page, pc_id).locator("svg.icon").count() >= 1
        await expect(page.locator("#totals")).to_contain_text("2 not responding")
        colours = {
            await tile_of(page, pc_id).evaluate("node => getComputedStyle(node).borderLeftColor")
            for pc_id in ("pc-1", "pc-3", "pc-4")
        }
        assert len(colours) == 3


async def test_when_our_own_line_is_out_no_pc_is_blamed(stage: Stage, open_hall: OpenHall) -> None:
    unknown = running(link=LinkState.LINK_UNKNOWN, last_seen_at_ms=START_MS - 42_000)
    await stage.owner.show(unknown, tile("pc-2", link=LinkState.LINK_UNKNOWN), tile("pc-3"))
    async with serving(stage.app) as address, open_hall(address) as page:
        await expect(page.locator("#totals")).to_contain_text("2 link unknown")
        await expect(page.locator("#totals")).to_contain_text("0 not responding")
        await tile_of(page, "pc-1").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("Our own line is out")
        await expect(dialog).not_to_contain_text("This PC does not answer")


async def test_what_is_wrong_with_a_pc_is_said_with_what_to_do(
    stage: Stage, open_hall: OpenHall
) -> None:
    await stage.owner.show(running(degraded="behind,locker-failed"), tile("pc-2"))
    async with serving(stage.app) as address, open_hall(address) as page:
        await expect(tile_of(page, "pc-1")).to_contain_text("Not whole")
        await tile_of(page, "pc-1").click()
        reasons = page.get_by_role("dialog").get_by_role("listitem")
        await expect(reasons).to_have_count(2)
        await expect(reasons.nth(0)).to_contain_text("it does not apply what it is sent")
        await expect(reasons.nth(0)).to_contain_text("Wait a moment.")
        await expect(reasons.nth(1)).to_contain_text("its lock screen fails")
        await expect(reasons.nth(1)).to_contain_text("Look at it: the screen may be open.")


async def test_it_follows_without_a_reload(stage: Stage, open_hall: OpenHall) -> None:
    await stage.owner.show(tile("pc-1"))
    async with serving(stage.app) as address, open_hall(address) as page:
        await page.evaluate("window.untouched = true")
        await expect(tile_of(page, "pc-1")).to_have_attribute("data-use", "FREE")
        await stage.owner.show(running())
        await expect(tile_of(page, "pc-1")).to_have_attribute("data-use", "RUNNING")
        await stage.owner.show(running(link=LinkState.NOT_RESPONDING))
        await expect(tile_of(page, "pc-1")).to_have_attribute("data-link", "NOT_RESPONDING")
        await expect(tile_of(page, "pc-1")).to_have_attribute("data-use", "RUNNING")
        await stage.owner.show(tile("pc-1"))
        await expect(tile_of(page, "pc-1")).to_have_attribute("data-use", "FREE")

        await expect(page.locator(".tile")).to_have_count(4)
        await tile_of(page, "pc-1").click()
        await stage.owner.show(tile("pc-1", retired=True))
        await expect(page.locator(".tile")).to_have_count(3)
        await expect(page.get_by_role("dialog")).to_be_hidden()
        await expect(page.locator("#toasts")).to_contain_text("PC 01 was retired")
        await stage.owner.show(tile("pc-1"))
        await expect(page.locator(".tile")).to_have_count(4)
        assert await page.evaluate("window.untouched")


async def test_time_runs_at_the_pace_of_the_clubs_clock(open_hall: OpenHall) -> None:
    stage = Stage(speed=60)
    await seed_chain(stage.store)
    await stage.owner.show(running(coverage_until_ms=START_MS + 7_200_000))
    async with serving(stage.app) as address, open_hall(address) as page:
        figure = tile_of(page, "pc-1").locator(".figure")

        async def left_s() -> int:
            hours, minutes, seconds = map(int, (await figure.inner_text()).split(":"))
            return hours * 3_600 + minutes * 60 + seconds

        before = await left_s()
        await asyncio.sleep(2)
        gone = before - await left_s()

        assert 60 <= gone <= 300
        await expect(page.locator("#speed")).to_be_visible()


async def test_what_needs_attention_can_be_seen_alone(stage: Stage, open_hall: OpenHall) -> None:
    ending = running(
        "pc-2", use=UseState.WARNING, coverage_status="NEEDS_ATTENTION", session_id="ses-8"
    )
    await stage.owner.show(running(), ending, tile("pc-3"), tile("pc-4"))
    async with serving(stage.app) as address, open_hall(address) as page:
        await expect(page.locator("#attention-count")).to_have_text("1")
        await page.get_by_role("button", name="Needs attention").click()
        await expect(page.locator(".tile:visible")).to_have_count(1)
        await expect(tile_of(page, "pc-2")).to_be_visible()
        await expect(tile_of(page, "pc-2")).to_contain_text("Last minutes")
        await page.get_by_role("button", name="All").click()
        await expect(page.locator(".tile:visible")).to_have_count(4)
        await page.keyboard.press("/")
        await page.keyboard.type("anna")
        await expect(page.locator(".tile:visible")).to_have_count(2)


async def test_a_refusal_is_shown_in_words_and_the_next_try_is_a_new_request(
    stage: Stage, open_hall: OpenHall
) -> None:
    await stage.owner.show(tile("pc-1"))
    refusal = CommandReply(
        status=ReplyStatus.REJECTED,
        code="insufficient-funds",
        message="the wallet holds 0.40, the first minute costs 2.00",
        field="player_id",
    )
    busy = CommandReply(status=ReplyStatus.BUSY)
    stage.gateway.replies = [refusal, busy]
    async with serving(stage.app) as address, open_hall(address) as page:
        await tile_of(page, "pc-1").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_role("button", name="Start a session").click()
        await dialog.get_by_role("button", name="Start", exact=True).click()
        await expect(dialog.get_by_role("alert")).to_contain_text("Choose a player first.")
        await dialog.get_by_label("Name or phone").fill("penni")
        await dialog.get_by_role("option", name="Penniless").click()
        await dialog.get_by_role("button", name="Start", exact=True).click()
        await expect(dialog.get_by_role("alert")).to_contain_text("the wallet holds 0.40")
        await dialog.get_by_role("button", name="Start", exact=True).click()
        await expect(dialog.get_by_role("alert")).to_contain_text("send the same request again")
        await dialog.get_by_role("button", name="Start", exact=True).click()
        await expect(dialog.get_by_role("alert")).to_contain_text("send the same request again")

    first, second, third = stage.gateway.seen
    assert first.idempotency_key != second.idempotency_key
    assert second.idempotency_key == third.idempotency_key
    assert isinstance(first.command, CreateSession)
    assert (first.command.player_id, first.command.tariff_id) == ("poor", "minute")


async def test_the_whole_way_by_keyboard(stage: Stage, open_hall: OpenHall) -> None:
    await stage.owner.show(tile("pc-1"), tile("pc-2"))
    async with serving(stage.app) as address, open_hall(address) as page:
        await tile_of(page, "pc-1").focus()
        await page.keyboard.press("ArrowRight")
        await expect(tile_of(page, "pc-2")).to_be_focused()
        await page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="PC 02")
        await expect(dialog.get_by_role("button", name="Start a session")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_label("Name or phone")).to_be_focused()
        await page.keyboard.type("bor")
        await expect(page.get_by_role("option", name="Boris")).to_be_visible()
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
        await expect(page.get_by_label("Name or phone")).to_have_value("Boris")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("dialog").get_by_role("alert")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_be_hidden()
        await expect(tile_of(page, "pc-2")).to_be_focused()

    (envelope,) = stage.gateway.seen
    assert isinstance(envelope.command, CreateSession)
    assert (envelope.command.pc_id, envelope.command.player_id) == ("pc-2", "boris")


async def test_enter_chooses_nobody_from_a_list_of_other_letters(
    stage: Stage, open_hall: OpenHall
) -> None:
    await stage.owner.show(tile("pc-1"))
    async with serving(stage.app) as address, open_hall(address) as page:
        await tile_of(page, "pc-1").click()
        await page.get_by_role("button", name="Start a session").click()
        await expect(page.get_by_role("option", name="Anna K.")).to_be_visible()
        await page.keyboard.type("bor")
        await page.keyboard.press("Enter")
        await expect(page.get_by_label("Name or phone")).to_have_value(re.compile("^[Bb]or"))
        await expect(page.get_by_role("option", name="Anna K.")).to_be_hidden()
    assert stage.gateway.seen == []


async def test_a_name_is_text_whatever_a_player_calls_themselves(
    stage: Stage, open_hall: OpenHall
) -> None:
    name = "<img src=x onerror=alert(1)>"
    await stage.owner.show(running(player_label=name))
    async with serving(stage.app) as address, open_hall(address) as page:
        await expect(tile_of(page, "pc-1")).to_contain_text(name)
        assert await page.locator(".tile img").count() == 0


async def test_a_lost_stream_is_said_and_found_again(open_hall: OpenHall) -> None:
    stage = Stage()
    await seed_chain(stage.store)
    await stage.owner.show(running())
    again = Stage()
    again.app.state.rooms = create_app(
        dependencies(stage.store, again.gateway, clock=ManualClock(START_MS), heartbeat_ms=500)
    ).state.rooms
    async with serving(stage.app) as address:
        port = int(address.rpartition(":")[2])
        opened = open_hall(address)
        page = await opened.__aenter__()
        await expect(page.locator("#link-state")).to_have_text("Live")
    try:
        await expect(page.get_by_role("alert").first).to_contain_text("Reconnecting")
        await expect(page.locator("#link-state")).to_have_attribute("data-state", "lost")
        await stage.owner.show(tile("pc-1"))
        async with serving(again.app, port=port):
            await expect(page.locator("#link-state")).to_have_attribute(
                "data-state", "live", timeout=20_000
            )
            await expect(page.locator("#lost")).to_be_hidden()
            await expect(tile_of(page, "pc-1")).to_have_attribute("data-use", "FREE")
    finally:
        await opened.__aexit__(None, None, None)


async def test_the_address_names_the_club_of_an_open_page_too(
    stage: Stage, open_hall: OpenHall
) -> None:
    other = ClubDocument(club_id="club-9", name="Ninth", timezone="UTC", currency="EUR")
    await stage.store.put(CHAIN, {"club:club-9": other.model_dump_json().encode()})
    async with serving(stage.app) as address, open_hall(address) as page:
        await expect(page).to_have_title(re.compile("First"))
        await page.evaluate("location.hash = '#club-9'")
        await expect(page).to_have_title(re.compile("Ninth"))
        await expect(page.locator("#club")).to_have_value("club-9")
        await page.evaluate("location.hash = '#nowhere'")
        await expect(page.locator("#club")).to_have_value("club-9")
