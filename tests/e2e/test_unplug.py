"""The cable is pulled: seen by the operator in time, the session not forgotten, and back again.

A real store, a real broker, real connections, a real browser.
"""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from api_under_test import CLUB, KEY, serving
from browsers_under_test import OpenHall
from playwright.async_api import expect
from whole_club import WholeClub, whole_club

from actors.store_redis import RedisStore
from controller.embedded import EmbeddedBroker, EmbeddedValkey
from controller.embedded.state import StateFolder

SEEN_WITHIN_S = 45

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
async def club(tmp_path: Path) -> AsyncIterator[WholeClub]:
    """A club on servers of its own."""
    with StateFolder(tmp_path, env="development") as state:
        valkey, broker = EmbeddedValkey(state), EmbeddedBroker(state)
        valkey.start()
        broker.start()
        store = RedisStore.open(valkey.url)
        try:
            async with whole_club(store=store, mqtt_url=broker.url, pcs=6) as made:
                yield made
        finally:
            await store.close()
            broker.stop()
            valkey.stop()


async def test_an_unplugged_pc_is_seen_in_time_and_its_session_is_still_shown(
    club: WholeClub, open_hall: OpenHall
) -> None:
    async with (
        serving(club.app) as address,
        httpx.AsyncClient(
            base_url=f"{address}/api/v1",
            headers={"Authorization": f"Bearer {KEY}"},
            trust_env=False,
        ) as client,
    ):
        for path, body in (
            (f"/clubs/{CLUB}/players/anna/wallet/top-ups", {"amountMinor": 90_000}),
            (
                f"/clubs/{CLUB}/sessions",
                {"pcId": "pc-1", "tariffId": "minute", "playerId": "anna", "start": True},
            ),
        ):
            answer = await client.post(path, json=body, headers={"Idempotency-Key": path[-9:]})
            assert answer.status_code == 201, answer.text
        async with open_hall(address) as page:
            tile = page.locator('.tile[data-pc="pc-1"]')
            await page.evaluate("window.untouched = true")
            await expect(tile).to_have_attribute("data-link", "ONLINE")
            await expect(tile).to_have_attribute("data-use", "RUNNING")

            pulled_at_s = time.monotonic()
            await club.fleet.sever("pc-1")
            await expect(tile).to_have_attribute(
                "data-link", "NOT_RESPONDING", timeout=SEEN_WITHIN_S * 1_000
            )
            assert time.monotonic() - pulled_at_s < SEEN_WITHIN_S
            await expect(tile).to_contain_text("Not responding")
            await expect(tile).to_contain_text("Anna K.")
            await expect(tile).to_have_attribute("data-use", "RUNNING")
            await expect(page.locator('.tile[data-link="NOT_RESPONDING"]')).to_have_count(1)

            await club.fleet.plug("pc-1")
            await expect(tile).to_have_attribute("data-link", "ONLINE", timeout=30_000)
            await expect(tile).to_have_attribute("data-use", "RUNNING")
            assert await page.evaluate("window.untouched")
