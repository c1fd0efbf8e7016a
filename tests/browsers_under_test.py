"""A real browser against the real page; it fails a test on any error of a script."""

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from api_under_test import KEY
from playwright.async_api import Browser, Page, async_playwright

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
EXPECTED_REFUSALS = ("status of 4", "status of 5", "ERR_", "EventSource")

OpenHall = Callable[[str], AbstractAsyncContextManager[Page]]


def chromium() -> str:
    """The browser of this machine."""
    found = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    assert found is not None, "these tests need Chromium on PATH: apt install chromium"
    return found


@asynccontextmanager
async def a_browser() -> AsyncIterator[Browser]:
    """A browser for as many pages as its tests open, one after the other."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def a_page(
    browser: Browser, address: str, *, key: str = KEY, width: int = 1440, height: int = 900
) -> AsyncIterator[Page]:
    """The hall of an address in a window of its own, signed in, at a desk's screen size."""
    errors: list[str] = []
    context = await browser.new_context(viewport={"width": width, "height": height})
    page = await context.new_page()
    page.set_default_timeout(10_000)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda message: errors.append(message.text) if message.type == "error" else None,
    )
    try:
        await page.goto(address)
        await page.get_by_label("Access key").fill(key)
        await page.get_by_role("button", name="Open").click()
        await page.locator(".tile").first.wait_for()
        yield page
    finally:
        await context.close()
    assert [text for text in errors if not _is_a_refusal(text)] == []


@asynccontextmanager
async def opened_hall(address: str) -> AsyncIterator[Page]:
    """The hall of an address in a browser of its own."""
    async with a_browser() as browser, a_page(browser, address) as page:
        yield page


def _is_a_refusal(text: str) -> bool:
    return any(part in text for part in EXPECTED_REFUSALS)
