"""The pages: a key is asked for once, the cookie stands for it, other sites get nothing."""

import re

import httpx
import pytest
from api_under_test import COOKIE_SECRET, KEY, ScriptedGateway, client_of, dependencies

from actors.clock import SystemClock
from actors.store_memory import MemoryStore
from controller.api.auth import (
    COOKIE_LIFETIME_MS,
    COOKIE_NAME,
    ApiKey,
    CookieSigner,
    KeyRing,
    digest_of,
)
from controller.api.problem_table import PROBLEMS
from controller.web.labels import labels

DESK = ApiKey("chain-a", "front-desk", digest_of(KEY))


@pytest.fixture
def visitor(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A browser without a key of its own."""
    del client.headers["Authorization"]
    return client


async def sign_in(browser: httpx.AsyncClient, key: str = KEY) -> httpx.Response:
    return await browser.post("/login", data={"key": key})


async def test_the_hall_is_behind_a_key_that_is_asked_for_once(visitor: httpx.AsyncClient) -> None:
    before = await visitor.get("/")
    answer = await sign_in(visitor)
    after = await visitor.get("/")

    assert 'name="key"' in before.text
    assert 'id="zones"' not in before.text
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert 'id="zones"' in after.text
    assert (await visitor.get("/api/v1/clubs")).status_code == 200


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(
    visitor: httpx.AsyncClient,
) -> None:
    cookie = (await sign_in(visitor)).headers["set-cookie"].lower()

    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/" in cookie
    assert KEY not in cookie


async def test_a_wrong_key_opens_nothing_and_is_not_repeated(visitor: httpx.AsyncClient) -> None:
    answer = await sign_in(visitor, "guessed-key")

    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert labels("en")["login"]["rejected"] in answer.text
    assert "guessed-key" not in answer.text


async def test_signing_out_forgets_the_cookie(visitor: httpx.AsyncClient) -> None:
    await sign_in(visitor)
    await visitor.post("/logout")

    assert 'name="key"' in (await visitor.get("/")).text
    assert (await visitor.get("/api/v1/clubs")).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://evil"}],
    ids=["another site", "a sister site", "another origin"],
)
async def test_what_rides_on_the_cookie_must_come_from_our_own_page(
    visitor: httpx.AsyncClient, gateway: ScriptedGateway, headers: dict[str, str]
) -> None:
    await sign_in(visitor)
    sent = {"Idempotency-Key": "k", **headers}
    answer = await visitor.post("/api/v1/sessions/any/start", headers=sent)

    assert (answer.status_code, answer.json()["code"]) == (403, "cross-site-request")
    assert (await visitor.post("/login", data={"key": KEY}, headers=headers)).status_code == 403
    assert gateway.seen == []


async def test_our_own_page_may_do_it(visitor: httpx.AsyncClient) -> None:
    await sign_in(visitor)
    origin = f"http://{visitor.base_url.netloc.decode()}"
    sent = {"Idempotency-Key": "k", "Origin": origin, "Sec-Fetch-Site": "same-origin"}
    answer = await visitor.post("/api/v1/sessions/none/start", headers=sent)

    assert answer.json()["code"] == "session-not-found"


def test_a_cookie_lasts_a_shift_and_dies_with_its_key() -> None:
    ring = KeyRing([DESK])
    signer = CookieSigner(COOKIE_SECRET, ring)
    cookie = signer.issue(DESK, 1_000)

    assert signer.principal(cookie, 1_000 + COOKIE_LIFETIME_MS - 1) is not None
    assert signer.principal(cookie, 1_000 + COOKIE_LIFETIME_MS) is None
    renewed = ApiKey("chain-a", "front-desk", digest_of("another key"))
    for other in (KeyRing([]), KeyRing([renewed])):
        assert CookieSigner(COOKIE_SECRET, other).principal(cookie, 1_000) is None
    assert (
        CookieSigner(b"another secret of thirty-two bytes", ring).principal(cookie, 1_000) is None
    )


@pytest.mark.parametrize("position", range(0, 60, 7))
def test_a_cookie_with_one_changed_character_is_no_cookie(position: int) -> None:
    signer = CookieSigner(COOKIE_SECRET, KeyRing([DESK]))
    cookie = signer.issue(DESK, SystemClock().wall_ms())
    other = "A" if cookie[position] != "A" else "B"
    forged = cookie[:position] + other + cookie[position + 1 :]

    assert signer.principal(forged, SystemClock().wall_ms()) is None


@pytest.mark.parametrize("cookie", ["", ".", "a.b", "a", "....", "é.é", "A" * 9_000])
async def test_rubbish_in_the_cookie_is_a_stranger(store: MemoryStore, cookie: str) -> None:
    async with client_of(dependencies(store, ScriptedGateway()), key=None) as visitor:
        sent = {"Cookie": f"{COOKIE_NAME}={cookie}".encode()}
        answer = await visitor.get("/api/v1/clubs", headers=sent)

        assert answer.status_code == 401


async def test_every_problem_has_its_page_and_the_list_has_them_all(
    visitor: httpx.AsyncClient,
) -> None:
    listed = (await visitor.get("/problems")).text
    for kind in PROBLEMS.values():
        page = await visitor.get(f"/problems/{kind.code}")
        assert page.status_code == 200
        assert kind.title in page.text.replace("&#39;", "'")
        assert f'id="{kind.code}"' in listed
    assert (await visitor.get("/problems/none")).status_code == 404


async def test_the_documentation_shows_every_operation_without_another_server(
    visitor: httpx.AsyncClient,
) -> None:
    page = (await visitor.get("/docs")).text
    document = (await visitor.get("/api/v1/openapi.json")).json()

    for operations in document["paths"].values():
        for operation in operations.values():
            assert f'id="{operation["operationId"]}"' in page
    for name in document["components"]["schemas"]:
        assert f'id="schema-{name}"' in page
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)


async def test_pages_load_nothing_from_anywhere_else_and_run_nothing_inline(
    visitor: httpx.AsyncClient,
) -> None:
    await sign_in(visitor)
    page = (await visitor.get("/")).text
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)

    assert all(address.startswith(("/static/", "#")) for address in addresses)
    for address in addresses:
        if address.startswith("/static/"):
            assert (await visitor.get(address)).status_code == 200
    scripts = re.findall(r"<script([^>]*)>([^<]*)</script>", page)
    assert [attributes for attributes, body in scripts if body.strip()] == [
        ' type="application/json" id="labels"'
    ]
    assert " style=" not in page
    assert " onclick=" not in page
