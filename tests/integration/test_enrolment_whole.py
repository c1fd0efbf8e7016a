"""From a one-time code to a PC on the broker: real store, real Mosquitto, HTTPS, real processes."""

import asyncio
import json
import random
import tomllib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from brokers_under_test import eventually
from enrolled_under_test import (
    CLUB,
    KEYS,
    House,
    agent_speaks,
    broker_log,
    connections,
    given,
    hall_in,
    house_in,
    https,
)
from guarded_broker import NOW_MS
from stores_under_test import running_server

from actors.store_redis import RedisStore
from controller.api.app import create_app
from controller.broker.certificates import make_authority, write_issued
from pc_daemon.club_door import ClubDoor, DoorError
from pc_daemon.enrolment import Wish, enrol
from pc_daemon.renewal import SecretKeeper
from schemas.trust import KeysDocument

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_server(tmp_path_factory.mktemp("valkey"), "valkey") as server:
        yield server.url


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[RedisStore]:
    async with hall_in(redis_url) as store:
        yield store


@pytest.fixture
async def house(redis_url: str, tmp_path: Path, store: RedisStore) -> AsyncIterator[House]:
    async with house_in(redis_url, tmp_path) as house:
        yield house


async def test_a_pc_is_enrolled_renewed_and_shut_out(house: House, store: RedisStore) -> None:
    async with https(create_app(given(store, house)), house.folder) as url:
        said = await house.said("pcs", "enrol", "--club", CLUB, "--uses", "2")
        code = said.splitlines()[0]
        ca = str(house.folder / "api-ca.crt")
        pc = ("--config", str(house.pc.config))
        told = await house.said(
            "pc", "enrol", "--code", code, "--url", url, "--ca", ca, "--pc", "pc1", *pc
        )
        assert "this is PC 1 of Arena" in told
        known = tomllib.loads(house.pc.config.read_text())
        assert (known["club_id"], known["pc_id"]) == (CLUB, "pc1")
        assert known["mqtt_url"] == f"mqtts://localhost:{house.port}"
        for path in (house.pc.config, house.pc.ca, house.pc.keys):
            assert path.stat().st_mode & 0o777 == 0o600
        assert KeysDocument.model_validate_json(house.pc.keys.read_text()) == KEYS
        assert known["keys_file"] == str(house.pc.keys)
        assert not house.pc.pending.exists()

        await agent_speaks(house)
        await _renewed(house, known["mqtt_password"], pc)
        await _shut_out(house, pc)


async def _renewed(house: House, old_secret: str, pc: tuple[str, ...]) -> None:
    before = connections(house)
    assert "has a new secret" in await house.said("pc", "renew", *pc)
    fresh = tomllib.loads(house.pc.config.read_text())["mqtt_password"]
    assert fresh != old_secret
    # The broker drops the old connection; the agent comes back with the new secret by itself.
    await eventually(lambda: connections(house) > before, timeout_s=20)


async def _shut_out(house: House, pc: tuple[str, ...]) -> None:
    before = connections(house)
    listed = json.loads(await house.said("pcs", "list", "--club", CLUB, "--json"))
    assert [(one["pc"], one["state"]) for one in listed["pcs"]] == [("pc1", "ACTIVE")]
    assert "REVOKED" in await house.said("pcs", "revoke", "pc1", "--club", CLUB)
    # Its connection is cut, and what comes after it is turned away.
    await eventually(lambda: broker_log(house).count("arena.pc1 disconnected") == before)
    await eventually(lambda: "disconnected, not authorised" in broker_log(house))
    assert connections(house) == before
    assert "credentials-refused" in await house.said("pc", "renew", *pc, code=1)
    refused = await house.said("pcs", "rotate", "pc1", "--club", CLUB, code=1)
    assert "pc-not-enrolled" in refused


async def test_a_pc_waits_for_staff_and_outlives_lost_answers(
    house: House, store: RedisStore
) -> None:
    app = create_app(given(store, house))
    lost: list[int] = []

    async def loses_answers(scope: Any, receive: Any, send: Any) -> None:
        """Every first answer to a machine is lost on its way."""
        if scope["type"] == "http" and "enrolments" in scope["path"] and len(lost) < 1:

            async def swallow(message: Any) -> None:
                if message["type"] == "http.response.start":
                    lost.append(message["status"])

            await app(scope, receive, swallow)
            raise ConnectionResetError
        await app(scope, receive, send)

    loses_answers.state = app.state  # type: ignore[attr-defined]
    said: list[str] = []
    async with https(loses_answers, house.folder) as url:
        code = (await house.said("pcs", "enrol", "--club", CLUB, "--approve")).splitlines()[0]
        wish = Wish(url, code, pc_id="pc2", ca_file=house.folder / "api-ca.crt")

        async def approve(_pause_s: float) -> None:
            listed = json.loads(await house.said("pcs", "list", "--club", CLUB, "--json"))
            waiting = [one for one in listed["pcs"] if one["state"] == "APPROVAL"]
            if len(said) > 1:
                request = waiting[0]["request"]
                await house.said("pcs", "approve", request, "--club", CLUB)

        standing = await enrol(wish, house.pc, mono_s=lambda: 0.0, told=said.append, pause=approve)
    assert lost == [202]
    assert (standing.pc_id, standing.pc_name) == ("pc2", "PC 2")
    assert said[0].startswith("not yet")
    assert "waiting for staff" in said[-1]


async def test_an_api_of_another_authority_is_told_nothing(
    house: House, store: RedisStore, tmp_path: Path
) -> None:
    async with https(create_app(given(store, house)), house.folder) as url:
        write_issued(make_authority("x", NOW_MS), tmp_path / "x.crt", tmp_path / "x.key")
        for ca in (None, tmp_path / "x.crt"):
            wish = Wish(url, "arena.0000-0000-0000", ca_file=ca, wait_s=0)
            with pytest.raises(DoorError, match="CERTIFICATE_VERIFY_FAILED"):
                await enrol(wish, house.pc, mono_s=lambda: 1.0, told=lambda _: None)
    with pytest.raises(ValueError, match="in clear"):
        ClubDoor("http://club.example")
    with pytest.raises(ValueError, match="https://"):
        ClubDoor("ftp://club.example")


async def test_the_keeper_renews_what_staff_want_renewed(house: House, store: RedisStore) -> None:
    async with https(create_app(given(store, house)), house.folder) as url:
        code = (await house.said("pcs", "enrol", "--club", CLUB, "--pc", "pc1")).splitlines()[0]
        wish = Wish(url, code, ca_file=house.folder / "api-ca.crt")
        await enrol(wish, house.pc, mono_s=lambda: 0.0, told=lambda _: None)
        keeper = SecretKeeper(house.pc, random.Random(1), every_s=0.05)
        first = keeper.credentials()
        looks: list[int] = []
        running = asyncio.create_task(keeper.run(lambda: looks.append(1)))
        await eventually(lambda: len(looks) > 2)
        assert keeper.credentials() == first
        await house.said("pcs", "rotate", "pc1", "--club", CLUB)
        await eventually(lambda: keeper.credentials() != first)
        running.cancel()
        house.pc.config.write_text("not = [toml")
        assert keeper.credentials() != first
        assert keeper.credentials() is not None
