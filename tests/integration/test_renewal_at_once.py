"""Staff want a new secret: the PC is told over its link, draws one and is back with it.

Real Mosquitto with its follower, a real host, HTTPS, real agents.
"""

import asyncio
import random
import secrets
import ssl
import time
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from brokers_under_test import QUICK, Listener, eventually
from enrolled_under_test import (
    CHAIN,
    CLUB,
    House,
    agent_speaks,
    connections,
    given,
    hall_in,
    house_in,
    https,
)
from signing_under_test import signer_in
from stores_under_test import running_server

from actors.clock import SystemClock
from actors.host import Host
from actors.local_host import local_host
from actors.signing_keys import load_signing_keys
from actors.store_redis import RedisStore
from controller.api.app import create_app
from controller.enrolment.office import CodeWish, EnrolmentOffice, IssuedCode, Place
from pc_daemon.club_door import ClubDoor
from pc_daemon.enrolment import Wish, enrol
from pc_daemon.renewal import SecretKeeper
from schemas.codec import decode
from schemas.device import CommandOutcome, DeviceCommandResult
from schemas.enrolment import (
    REFRESH_PATH,
    CredentialState,
    PcCredential,
    RefreshRequest,
    Standing,
)
from schemas.link import GmqttLink
from schemas.link_port import Credentials, LinkSettings
from schemas.topics import UpLeaf, pc_topic

pytestmark = pytest.mark.integration

DESK = Place(CHAIN, CLUB, "the desk")


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


@asynccontextmanager
async def hosted(house: House, store: RedisStore) -> AsyncIterator[None]:
    """A host on the controller's listener, signing with the keys that PCs are given."""
    clock = SystemClock()

    def connect(host: Host) -> GmqttLink:
        credentials = Credentials("controller", "the controller's secret")
        settings = LinkSettings(
            "127.0.0.1", house.controller_port, "host-1", credentials, backoff=QUICK
        )
        return GmqttLink(
            settings, host, mono_s=lambda: clock.mono_ms() / 1_000, random=random.Random(1)
        )

    async with local_host(store, clock, connect, signer=signer_in(house.folder)):
        yield


@asynccontextmanager
async def answers_heard(house: House) -> AsyncIterator[Listener]:
    """What pc1 answers to orders, overheard on the controller's listener."""
    heard = Listener()
    credentials = Credentials("controller", "the controller's secret")
    settings = LinkSettings(
        "127.0.0.1", house.controller_port, "overhears", credentials, backoff=QUICK
    )
    link = GmqttLink(settings, heard, mono_s=time.monotonic, random=random.Random(1))
    link.subscribe(pc_topic(CLUB, "pc1", UpLeaf.RESULT))
    link.start()
    await eventually(lambda: link.connected)
    yield heard
    await link.close()


@asynccontextmanager
async def club(
    house: House, store: RedisStore, around: Callable[[Any], Any] = lambda app: app
) -> AsyncIterator[str]:
    """A host, an API and pc1 enrolled; the API's address. ``around`` wraps the application."""
    async with hosted(house, store):
        keys = load_signing_keys(house.folder / "signing-keys.json").public
        app = create_app(given(store, house, keys))
        async with https(around(app), house.folder) as url:
            issued = await office(store).issue(DESK, CodeWish(secrets.token_hex(8), pc_id="pc1"))
            assert isinstance(issued, IssuedCode)
            wish = Wish(url, issued.text, ca_file=house.folder / "api-ca.crt")
            await enrol(wish, house.pc, mono_s=lambda: 0.0, told=lambda _: None)
            yield url


def office(store: RedisStore) -> EnrolmentOffice:
    return EnrolmentOffice(store, SystemClock(), secrets.token_bytes)


async def credential(store: RedisStore) -> PcCredential:
    book = await store.enrolment(CHAIN, CLUB)
    return PcCredential.model_validate_json(book["pc:pc1"])


def secret(house: House) -> str:
    known: str = tomllib.loads(house.pc.config.read_text())["mqtt_password"]
    return known


def draws(house: House, url: str, shown: str) -> tuple[ClubDoor, RefreshRequest]:
    """A thief's wish to replace the secret it has stolen."""
    mine = secrets.token_urlsafe(32)
    asked = RefreshRequest(club_id=CLUB, pc_id="pc1", secret=shown, new_secret=mine)
    return ClubDoor(url, house.folder / "api-ca.crt"), asked


async def test_a_pc_that_is_online_draws_its_secret_when_staff_want_it(
    house: House, store: RedisStore
) -> None:
    """The agent asks by itself at its start, and then after eight minutes at the earliest; nothing
    here waits that long."""
    made: list[Forgetful] = []

    def counting(app: Any) -> Forgetful:
        made.append(Forgetful(app, 0))
        return made[0]

    async with club(house, store, counting):
        await agent_speaks(house)
        await eventually(lambda: made[0].asked, timeout_s=60)
        before, old = connections(house), secret(house)
        assert "will draw" in await house.said("pcs", "rotate", "pc1", "--club", CLUB)
        await eventually(lambda: secret(house) != old, timeout_s=20)
        # The old one dies with the drawing: its connection is cut, the next shows the new one.
        await eventually(lambda: connections(house) > before, timeout_s=20)
        kept = await credential(store)
        assert (kept.state, kept.renew_wanted) == (CredentialState.ACTIVE, False)
        assert not await let_in(house, old)
        assert not house.pc.pending.exists()


async def let_in(house: House, shown: str) -> bool:
    """Whether the broker takes a secret for the PC's own."""
    settings = LinkSettings(
        "localhost",
        house.port,
        f"{CLUB}.pc1",
        Credentials(f"{CLUB}.pc1", shown),
        tls=ssl.create_default_context(cafile=house.conf / "ca.crt"),
    )
    link = GmqttLink(settings, Listener(), mono_s=lambda: 0.0, random=random.Random(1))
    link.start()
    await eventually(lambda: link.connected or link.stats.failures > 0)
    taken = link.connected
    await link.abort()
    return taken


async def test_a_pc_that_was_off_is_told_when_it_comes(house: House, store: RedisStore) -> None:
    async with club(house, store):
        old = secret(house)
        await office(store).rotate(DESK, "pc1")
        await asyncio.sleep(0.5)
        assert secret(house) == old
        async with answers_heard(house) as answers:
            await agent_speaks(house)
            await eventually(lambda: answers.payloads, timeout_s=20)
            done = decode(UpLeaf.RESULT, answers.payloads[0])
        assert isinstance(done, DeviceCommandResult)
        assert (done.cmd_id.partition("-")[0], done.outcome) == ("renew", CommandOutcome.DONE)
        await eventually(lambda: secret(house) != old, timeout_s=20)
        assert not (await credential(store)).renew_wanted


async def test_a_pc_killed_between_drawing_and_storing_goes_on_with_what_it_drew(
    house: House, store: RedisStore
) -> None:
    async with club(house, store) as url:
        door = ClubDoor(url, house.folder / "api-ca.crt")
        drawn, old = house.pc.pending_secret(), secret(house)
        sent = RefreshRequest(club_id=CLUB, pc_id="pc1", secret=old, new_secret=drawn)
        await door.post(REFRESH_PATH, sent, Standing)
        # It died here: the API and the broker know the new secret, the configuration the old one.
        keeper = SecretKeeper(house.pc, Latest())
        running = asyncio.create_task(keeper.run())
        await eventually(lambda: secret(house) == drawn)
        running.cancel()
        assert not house.pc.pending.exists()
        await agent_speaks(house)


async def test_who_draws_first_with_a_stolen_secret_is_shut_out_with_the_pc(
    house: House, store: RedisStore
) -> None:
    async with club(house, store) as url:
        door, asked = draws(house, url, secret(house))
        stolen = await door.post(REFRESH_PATH, asked, Standing)
        assert stolen.pc_id == "pc1"
        keeper = SecretKeeper(house.pc, random.Random(1))
        running = asyncio.create_task(keeper.run())
        keeper.ask_now()

        async def shut_out() -> bool:
            return (await credential(store)).state is CredentialState.QUARANTINED

        while not await shut_out():  # noqa: ASYNC110 - the store offers nothing to wait for
            await asyncio.sleep(0.05)
        running.cancel()
        assert asked.new_secret is not None
        # The broker is told a moment after the book.
        while await let_in(house, asked.new_secret):  # noqa: ASYNC110 - nor does the broker
            await asyncio.sleep(0.05)


class Latest(random.Random):
    """Draws the largest number: whoever asks at a time drawn at random asks at the latest."""

    def random(self) -> float:
        return 1.0


class Forgetful:
    """An API whose answers to a PC that has drawn a secret are lost, the first so many.

    ``asked`` counts questions of how things stand.
    """

    def __init__(self, app: Any, answers: int) -> None:
        self.state = app.state
        self.lost = self.asked = 0
        self._app = app
        self._answers = answers

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        drew = False

        async def hears() -> Any:
            nonlocal drew
            message = await receive()
            drew = drew or b'"new_secret":"' in message.get("body", b"")
            return message

        async def answers(message: Any) -> None:
            if drew and self.lost < self._answers:
                self.lost += message["type"] == "http.response.start"
                raise ConnectionResetError
            await send(message)

        self.asked += scope.get("path") == REFRESH_PATH
        await self._app(scope, hears, answers if scope["type"] == "http" else send)


async def test_an_answer_that_is_lost_is_asked_for_again_at_once(
    house: House, store: RedisStore
) -> None:
    made: list[Forgetful] = []

    def forgetful(app: Any) -> Forgetful:
        made.append(Forgetful(app, 2))
        return made[0]

    async with club(house, store, forgetful):
        await agent_speaks(house)
        before, old = connections(house), secret(house)
        await office(store).rotate(DESK, "pc1")
        await eventually(lambda: secret(house) != old, timeout_s=20)
        assert made[0].lost == 2
        await eventually(lambda: connections(house) > before, timeout_s=20)
        assert (await credential(store)).state is CredentialState.ACTIVE
