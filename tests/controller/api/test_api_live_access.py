"""A hall stream ends with the access of who opened it, though nothing happens in the hall."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from api_under_test import CLUB, sse_messages
from editors_under_test import API, Editor, code_of, editing
from issuer_under_test import IssuerUnderTest

from actors.store import StoredEntity, StoreUnavailableError
from controller.client import ClubctlClient, ProblemError, open_http

STREAM = f"{API}/clubs/{CLUB}/hall/stream"
SOON_S = 4.0
"""A second and a half, and what a busy machine takes."""


@pytest.fixture
def issuer() -> IssuerUnderTest:
    return IssuerUnderTest()


@pytest.fixture
async def editor(issuer: IssuerUnderTest) -> AsyncIterator[Editor]:
    async with editing(tokens=issuer.reader()) as made:
        yield made


async def ends(
    editor: Editor, headers: dict[str, str], change: Callable[[], Awaitable[object]]
) -> None:
    """A stream that is open and silent ends, cleanly and soon, after ``change``."""
    async with editor.client.stream("GET", STREAM, headers=headers) as response:
        assert response.status_code == 200
        stream = sse_messages(response)
        assert (await anext(stream)).event == "snapshot"
        await change()
        async with asyncio.timeout(SOON_S):
            assert [message async for message in stream] == []


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_with_the_key_that_is_revoked(editor: Editor) -> None:
    made = await editor.made("/api-keys", {"name": "Desk", "role": "cashier"})
    await ends(
        editor,
        bearing(made["secret"]),
        lambda: editor.ask("POST", f"/api-keys/{made['keyId']}/revoke"),
    )


async def test_with_the_page_s_cookie_when_its_key_is_revoked(editor: Editor) -> None:
    made = await editor.made("/api-keys", {"name": "Desk", "role": "cashier"})
    signed_in = await editor.client.post("/login", data={"key": made["secret"]})
    cookie = {"Cookie": f"clubctl_operator={signed_in.cookies['clubctl_operator']}"}
    editor.client.cookies.clear()
    chief = editor.client.headers.pop("Authorization").removeprefix("Bearer ")
    await ends(
        editor,
        cookie,
        lambda: editor.ask("POST", f"/api-keys/{made['keyId']}/revoke", bearer=chief),
    )


async def test_with_a_token_that_expires(editor: Editor, issuer: IssuerUnderTest) -> None:
    leeway_is_over_soon = int(time.time()) - 28
    token = issuer.token("ivan", "cashier", exp=leeway_is_over_soon)
    await ends(editor, bearing(token), lambda: asyncio.sleep(0))


@pytest.mark.parametrize(
    "change",
    [
        {"enabled": False},
        {"roles": []},
        {"roles": [{"role": "cashier", "clubId": "chain-a-2"}]},
    ],
    ids=["switched off", "without a role", "in another club only"],
)
async def test_with_the_role_that_is_taken_away(
    editor: Editor, issuer: IssuerUnderTest, change: dict[str, object]
) -> None:
    club = {"clubId": "chain-a-2", "name": "Second", "timezone": "UTC", "currency": "EUR"}
    await editor.made("/clubs", club)
    here = [{"role": "cashier", "clubId": CLUB}]
    await editor.made("/staff", {"staffId": "ivan", "name": "I", "roles": here})
    token = issuer.token("ivan", "cashier", role=None)
    await ends(editor, bearing(token), lambda: editor.edit("/staff/ivan", change))


async def test_and_goes_on_with_another_role_that_may_look(
    editor: Editor, issuer: IssuerUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it end while the store cannot say who somebody is."""
    roles = [{"role": "cashier", "clubId": CLUB}]
    await editor.made("/staff", {"staffId": "ivan", "name": "I", "roles": roles})
    token = issuer.token("ivan", "cashier", role=None)
    asked = asyncio.Event()

    async def silent(*_: Any) -> dict[str, StoredEntity]:
        asked.set()
        raise StoreUnavailableError("away")

    async with editor.client.stream("GET", STREAM, headers=bearing(token)) as response:
        stream = sse_messages(response)
        assert (await anext(stream)).event == "snapshot"
        await editor.edit("/staff/ivan", {"roles": [{"role": "owner", "clubId": None}]})
        monkeypatch.setattr(editor.store, "documents", silent)
        async with asyncio.timeout(SOON_S):
            await asked.wait()
        rest = asyncio.create_task(anext(stream))
        await asyncio.sleep(1.5)
        assert not rest.done()
        rest.cancel()
        await asyncio.gather(rest, return_exceptions=True)


async def test_the_typed_client_is_told_why(editor: Editor) -> None:
    made = await editor.made("/api-keys", {"name": "Desk", "role": "cashier"})
    async with open_http(str(editor.client.base_url), made["secret"]) as http:
        hall = ClubctlClient(http).stream_hall(CLUB)
        assert (await anext(hall)).kind == "snapshot"
        await editor.ask("POST", f"/api-keys/{made['keyId']}/revoke")
        with pytest.raises(ProblemError, match="unauthorized"):
            async with asyncio.timeout(SOON_S):
                await anext(hall)
    assert code_of(await editor.ask("GET", "/clubs", bearer=made["secret"]))[0] == 401
