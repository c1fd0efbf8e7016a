"""An issuer that changes its keys: new ones are good soon, old ones not for long, asked seldom."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from api_under_test import ScriptedGateway, client_of, dependencies, eventually
from issuer_under_test import IssuerUnderTest

from actors.clock import ManualClock
from actors.store_memory import MemoryStore
from controller.api.tokens import (
    KEYS_KEPT_MS,
    KEYS_UNCONFIRMED_MS,
    READ_AGAIN_MS,
    UNKNOWN_KEY_PAUSE_MS,
)


@dataclass
class Door:
    """An API whose reader of tokens counts time as the test tells it."""

    client: httpx.AsyncClient
    issuer: IssuerUnderTest
    clock: ManualClock

    def token(self, **changes: object) -> str:
        """A token that outlasts every test."""
        far_off = int(time.time()) + 10 * 24 * 3_600
        return self.issuer.token("ivan", "administrator", **({"exp": far_off} | changes))

    async def status(self, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return (await self.client.get("/api/v1/clubs", headers=headers)).status_code


@pytest.fixture
async def door(store: MemoryStore, gateway: ScriptedGateway) -> AsyncIterator[Door]:
    issuer = IssuerUnderTest()
    clock = ManualClock(int(time.time() * 1_000), 5_000)
    given = dependencies(store, gateway, tokens=issuer.reader(clock))
    async with client_of(given, key=None) as client:
        yield Door(client, issuer, clock)


async def test_a_key_that_was_rotated_in_is_good_at_its_first_token(door: Door) -> None:
    old = door.token()
    assert await door.status(old) == 200
    door.issuer.rotate()
    door.clock.advance(UNKNOWN_KEY_PAUSE_MS)
    assert await door.status(door.token()) == 200
    assert await door.status(old) == 200, "published beside the new one"
    assert door.issuer.reads == 2


async def test_a_key_that_was_withdrawn_is_refused_after_the_time_keys_are_kept(
    door: Door,
) -> None:
    old = door.token()
    assert await door.status(old) == 200
    door.issuer.rotate()
    door.issuer.withdraw_old()
    door.clock.advance(KEYS_KEPT_MS - 1)
    assert await door.status(old) == 200
    door.clock.advance(1)
    assert await door.status(old) == 401
    assert await door.status(door.token()) == 200


async def test_a_withdrawn_key_is_refused_as_soon_as_a_new_one_is_read(door: Door) -> None:
    old = door.token()
    assert await door.status(old) == 200
    door.issuer.rotate()
    door.issuer.withdraw_old()
    door.clock.advance(UNKNOWN_KEY_PAUSE_MS)
    assert await door.status(door.token()) == 200
    assert await door.status(old) == 401


async def test_any_number_of_forged_keys_has_the_issuer_asked_once_in_a_while(
    door: Door,
) -> None:
    assert await door.status(door.token()) == 200
    for number in range(60):
        door.clock.advance(UNKNOWN_KEY_PAUSE_MS // 20)
        assert await door.status(door.issuer.forged(f"forged-{number}")) == 401
    assert door.issuer.reads == 1 + 3
    assert await door.status(door.token()) == 200


@pytest.mark.parametrize(
    "changes", [{"exp": 1}, {"aud": "shops"}, {"role": "emperor"}], ids=["old", "other", "odd"]
)
async def test_a_token_that_no_other_key_would_mend_has_nobody_asked(
    door: Door, changes: dict[str, object]
) -> None:
    assert await door.status(door.token()) == 200
    door.clock.advance(UNKNOWN_KEY_PAUSE_MS)
    assert await door.status(door.token(**changes)) == 401
    assert await door.status("a.b.c") == 401
    assert door.issuer.reads == 1


async def test_keys_stay_good_while_the_issuer_is_away_and_are_read_soon_after(
    door: Door,
) -> None:
    old = door.token()
    assert await door.status(old) == 200
    door.issuer.down = True
    door.clock.advance(KEYS_KEPT_MS)
    for _ in range(5):
        assert await door.status(old) == 200
    assert door.issuer.reads == 2, "once for all five"
    door.issuer.rotate()
    door.issuer.withdraw_old()
    door.issuer.down = False
    door.clock.advance(UNKNOWN_KEY_PAUSE_MS)
    assert await door.status(old) == 401


async def test_known_keys_are_good_while_the_issuer_takes_its_time(door: Door) -> None:
    token = door.token()
    assert await door.status(token) == 200
    door.issuer.gate.clear()
    door.clock.advance(KEYS_KEPT_MS)
    first = asyncio.create_task(door.status(token))
    await eventually(lambda: door.issuer.reads == 2)
    assert await door.status(token) == 200
    assert not first.done()
    door.issuer.gate.set()
    assert await first == 200


async def test_keys_that_nobody_has_confirmed_for_an_hour_are_good_no_more(door: Door) -> None:
    token = door.token()
    assert await door.status(token) == 200
    door.issuer.down = True
    door.clock.advance(KEYS_UNCONFIRMED_MS - 1)
    assert await door.status(token) == 200
    door.clock.advance(READ_AGAIN_MS)
    assert await door.status(token) == 503
    door.issuer.down = False
    door.clock.advance(READ_AGAIN_MS)
    assert await door.status(token) == 200


async def test_an_issuer_that_was_never_there_is_not_asked_for_each_token(door: Door) -> None:
    door.issuer.down = True
    for _ in range(5):
        assert await door.status(door.token()) == 503
    assert door.issuer.reads == 1
    door.issuer.down = False
    door.clock.advance(READ_AGAIN_MS)
    assert await door.status(door.token()) == 200
