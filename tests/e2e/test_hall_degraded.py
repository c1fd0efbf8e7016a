"""A PC whose screen fails, as staff see it in the hall."""

import pytest
from api_under_test import HallOwner, ScriptedGateway, dependencies, seed_chain, serving, tile
from browsers_under_test import OpenHall
from playwright.async_api import expect

from actors.store_memory import MemoryStore
from controller.api.app import create_app

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]


async def test_a_pc_that_does_not_cover_says_so_on_its_tile_until_it_is_whole(
    open_hall: OpenHall,
) -> None:
    store = MemoryStore()
    await seed_chain(store)
    owner = HallOwner(store)
    app = create_app(dependencies(store, ScriptedGateway(), heartbeat_ms=500))
    await owner.show(tile("pc-1"), tile("pc-2", degraded="locker-failed"))
    async with serving(app) as address, open_hall(address) as page:
        whole, failing = (page.locator(f'.tile[data-pc="{pc}"]') for pc in ("pc-1", "pc-2"))
        await expect(failing).to_contain_text("Not whole")
        await expect(whole).not_to_contain_text("Not whole")
        await failing.click()
        await expect(page.locator("body")).to_contain_text("This PC answers and is not whole")
        await page.keyboard.press("Escape")

        await owner.show(tile("pc-2"))
        await expect(failing).not_to_contain_text("Not whole")
