"""An operator's hand on a whole club: every action from the tile, seen on the tile."""

from collections.abc import AsyncIterator

import httpx
import pytest
from api_under_test import CLUB, KEY, serving
from browsers_under_test import OpenHall
from playwright.async_api import Locator, Page, expect
from whole_club import whole_club

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """A club at work; Anna and Boris have money."""
    async with whole_club() as club, serving(club.app) as served:
        headers = {"Authorization": f"Bearer {KEY}"}
        async with httpx.AsyncClient(headers=headers, trust_env=False) as client:
            for player_id in ("anna", "boris"):
                answer = await client.post(
                    f"{served}/api/v1/clubs/{CLUB}/players/{player_id}/wallet/top-ups",
                    json={"amountMinor": 90_000},
                    headers={"Idempotency-Key": player_id},
                )
                assert answer.status_code == 201
        yield served


def tile_of(page: Page, pc_id: str) -> Locator:
    return page.locator(f'.tile[data-pc="{pc_id}"]')


async def act(page: Page, pc_id: str, action: str) -> Locator:
    """Open a tile and choose an action; the dialog."""
    await tile_of(page, pc_id).click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("button", name=action, exact=True).click()
    return dialog


async def choose_player(dialog: Locator, query: str, name: str) -> None:
    await dialog.get_by_label("Name or phone").fill(query)
    await dialog.get_by_role("option", name=name).click()


async def test_start_extend_move_top_up_and_end(address: str, open_hall: OpenHall) -> None:
    async with open_hall(address) as page:
        await page.evaluate("window.untouched = true")
        dialog = await act(page, "pc-1", "Start a session")
        await choose_player(dialog, "anna", "Anna K.")
        await expect(dialog).to_contain_text("€900.00 cash")
        await dialog.get_by_role("button", name="Start", exact=True).click()
        await expect(page.locator("#toasts")).to_contain_text("PC 01: session started")
        await expect(tile_of(page, "pc-1")).to_have_attribute("data-use", "RUNNING")
        await expect(tile_of(page, "pc-1")).to_contain_text("Anna K.")

        dialog = await act(page, "pc-1", "Extend")
        await dialog.get_by_label("Tariff").select_option(label="Two hours")
        await dialog.get_by_role("button", name="Extend", exact=True).click()
        await expect(page.locator("#toasts")).to_contain_text("PC 01: extended")

        dialog = await act(page, "pc-1", "Top up")
        await dialog.get_by_label("Amount, EUR").fill("12.50")
        await dialog.get_by_label("Bonus on top, EUR").fill("1")
        await dialog.get_by_role("button", name="Top up", exact=True).click()
        await expect(page.locator("#toasts")).to_contain_text("Topped up: €12.50")

        dialog = await act(page, "pc-1", "Move")
        await dialog.get_by_label("Move to").select_option(label="PC 02")
        await dialog.get_by_role("button", name="Move", exact=True).click()
        await expect(tile_of(page, "pc-2")).to_have_attribute("data-use", "RUNNING")
        await expect(tile_of(page, "pc-1")).to_have_attribute("data-use", "FREE")

        await tile_of(page, "pc-2").click()
        await expect(page.get_by_role("dialog")).to_contain_text("€")
        await page.keyboard.press("Escape")
        dialog = await act(page, "pc-2", "End")
        await expect(dialog).to_contain_text("End the session of Anna K. on PC 02 now?")
        await dialog.get_by_role("button", name="End the session").click()
        await expect(page.locator("#toasts")).to_contain_text("PC 02: session ended")
        await expect(tile_of(page, "pc-2")).to_have_attribute("data-use", "FREE")
        assert await page.evaluate("window.untouched")


async def test_a_guest_and_a_reservation(address: str, open_hall: OpenHall) -> None:
    async with open_hall(address) as page:
        dialog = await act(page, "pc-3", "Start a session")
        await dialog.get_by_label("Guest", exact=True).check()
        await dialog.get_by_label("Name on the screen").fill("Max")
        await dialog.get_by_label("Pays now, EUR").fill("60")
        await dialog.get_by_role("button", name="Start", exact=True).click()
        await expect(tile_of(page, "pc-3")).to_have_attribute("data-use", "RUNNING")
        await expect(tile_of(page, "pc-3")).to_contain_text("Max")
        dialog = await act(page, "pc-3", "End")
        await dialog.get_by_role("button", name="End the session").click()
        await expect(page.locator("#toasts")).to_contain_text(
            "PC 03: session ended, €4.00. Hand back €56.00 in cash"
        )
        await page.locator("#toasts").get_by_role("button", name="Done").click()
        await expect(page.locator("#toasts")).not_to_contain_text("Hand back")

        dialog = await act(page, "pc-4", "Reserve")
        await choose_player(dialog, "boris", "Boris")
        await dialog.get_by_role("button", name="Reserve", exact=True).click()
        await expect(tile_of(page, "pc-4")).to_have_attribute("data-use", "WAIT")
        await expect(tile_of(page, "pc-4")).to_contain_text("starts in")
        dialog = await act(page, "pc-4", "Cancel reservation")
        await dialog.get_by_role("button", name="Cancel the reservation").click()
        await expect(tile_of(page, "pc-4")).to_have_attribute("data-use", "FREE")


async def test_what_the_domain_refuses_is_told_where_it_was_asked(
    address: str, open_hall: OpenHall
) -> None:
    async with open_hall(address) as page:
        dialog = await act(page, "pc-1", "Start a session")
        await choose_player(dialog, "penni", "Penniless")
        await dialog.get_by_role("button", name="Start", exact=True).click()
        await expect(dialog.get_by_role("alert")).to_be_visible()
        await choose_player(dialog, "boris", "Boris")
        await dialog.get_by_role("button", name="Start", exact=True).click()
        await expect(tile_of(page, "pc-1")).to_contain_text("Boris")
