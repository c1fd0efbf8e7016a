"""A real agent with its real screen in a running club: what the player tries, what staff sees."""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import orjson
import psutil
import pytest
from api_under_test import CHAIN, CLUB, KEY, eventually, serving
from brokers_under_test import Listener
from browsers_under_test import OpenHall
from displays_under_test import Display, a_display, a_program_in_front, part_of
from playwright.async_api import expect
from whole_club import WholeClub, whole_club

from actors.store import ChainStream
from controller.embedded import EmbeddedBroker
from controller.embedded.state import StateFolder
from pc_daemon.screen_windows import CARD, NIGHT
from schemas.codec import decode
from schemas.device import Heartbeat, PcMode
from schemas.link import GmqttLink
from schemas.link_port import LinkSettings, parse_mqtt_url
from schemas.machine_facts import HardwareFacts
from schemas.topics import UpLeaf, pc_topic
from schemas.views import HallTile

PC = "pc-2"
pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(180)]


@dataclass
class Desk:
    """The PC's desk, and the club it stands in."""

    club: WholeClub
    display: Display
    state: Path
    agent: "subprocess.Popen[bytes]"
    client: httpx.AsyncClient
    address: str
    mqtt_url: str

    @property
    def screen_pid(self) -> int:
        return int(json.loads((self.state / "screen.json").read_text())["pid"])

    async def tile(self) -> HallTile:
        _, tiles = await self.club.store.hall(CHAIN, CLUB)
        return HallTile.model_validate_json(tiles[PC])

    async def told(self, kind: str) -> list[dict[str, object]]:
        entries = await self.club.store.stream(CHAIN, ChainStream.OUTBOX)
        events = [orjson.loads(one.payload)["event"] for one in entries]
        return [one for one in events if one["kind"] == kind and one.get("pc_id") == PC]

    async def post(self, path: str, body: dict[str, object], status: int = 201) -> None:
        key = {"Idempotency-Key": os.urandom(8).hex()}
        answer = await self.client.post(path, json=body, headers=key)
        assert answer.status_code == status, answer.text

    async def shows(self, condition: Callable[[], bool]) -> None:
        await eventually(condition, timeout_s=30)

    async def online(self) -> None:
        async with asyncio.timeout(30):
            while (await self.tile()).link != "ONLINE":  # noqa: ASYNC110 - a read
                await asyncio.sleep(0.1)

    async def answered(self) -> str:
        """What became of the last order."""
        async with asyncio.timeout(30):
            while (  # noqa: ASYNC110 - a read
                sent := (await self.tile()).last_command
            ) is None or sent.outcome is None:
                await asyncio.sleep(0.1)
        return sent.outcome

    async def tells(self, kind: str) -> dict[str, object]:
        """The first event of a kind."""
        async with asyncio.timeout(60):
            while not (told := await self.told(kind)):  # noqa: ASYNC110 - a read
                await asyncio.sleep(0.1)
        return told[0]

    def covered(self) -> bool:
        return part_of(self.display.picture(), NIGHT) > 0.8

    def playing(self) -> bool:
        picture = self.display.picture()
        return part_of(picture, NIGHT) < 0.01 and part_of(picture, CARD) > 0


@asynccontextmanager
async def a_desk(tmp_path: Path, display: Display, **settings: str) -> AsyncIterator[Desk]:
    """``settings``: what the agent is told besides, as ``CLUBCTL_PC_...``."""
    folder = tmp_path / "agent"
    with StateFolder(tmp_path / "servers", env="development") as state:
        broker = EmbeddedBroker(state)
        broker.start()
        try:
            async with (
                whole_club(mqtt_url=broker.url, pcs=2, heartbeat_s=1.0) as club,
                serving(club.app) as address,
                httpx.AsyncClient(
                    base_url=f"{address}/api/v1",
                    headers={"Authorization": f"Bearer {KEY}"},
                    trust_env=False,
                ) as client,
            ):
                await club.fleet.sever(PC)
                agent = start_agent(broker.url, display, folder, **settings)
                try:
                    yield Desk(club, display, folder, agent, client, address, broker.url)
                finally:
                    end(agent, folder / "screen.json")
        finally:
            broker.stop()


def start_agent(
    url: str, display: Display, state: Path, **settings: str
) -> "subprocess.Popen[bytes]":
    environment = {
        **os.environ,
        "CLUBCTL_PC_CLUB_ID": CLUB,
        "CLUBCTL_PC_PC_ID": PC,
        "CLUBCTL_PC_MQTT_URL": url,
        "CLUBCTL_PC_STATE_DIR": str(state),
        "CLUBCTL_PC_LOCKER": "tk",
        "CLUBCTL_PC_DISPLAY": display.name,
        "CLUBCTL_PC_HEARTBEAT_S": "1",
        **{f"CLUBCTL_PC_{name.upper()}": value for name, value in settings.items()},
    }
    return subprocess.Popen([sys.executable, "-m", "controller.cli", "pc"], env=environment)


def end(agent: "subprocess.Popen[bytes]", note: Path) -> None:
    agent.kill()
    agent.wait()
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        os.kill(json.loads(note.read_text())["pid"], signal.SIGKILL)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    with a_display(1_280, 720) as display:
        async with a_desk(tmp_path, display) as desk:
            await desk.shows(desk.covered)
            yield desk


async def test_a_player_who_kills_the_screen_gets_it_back_and_staff_is_told(
    desk: Desk, open_hall: OpenHall
) -> None:
    """How soon it covers again is measured by ``clubctl bench screen``."""
    await desk.online()
    async with open_hall(desk.address) as page:
        tile = page.locator(f'.tile[data-pc="{PC}"]')
        await expect(tile).to_have_attribute("data-link", "ONLINE", timeout=30_000)
        await expect(tile).not_to_contain_text("Not whole", timeout=30_000)
        first = desk.screen_pid
        os.kill(first, signal.SIGKILL)
        # The words stand for seconds only, so they are looked for before pictures take their time.
        await expect(tile).to_contain_text("Not whole", timeout=30_000)
        await desk.shows(lambda: desk.screen_pid != first and desk.covered())
        assert (await desk.tells("pc_degraded"))["payload"] == {"reasons": "locker-failed"}
        # A screen that was started again is not relied on at once, so this comes after all that.
        await desk.tells("pc_whole")
        await expect(tile).not_to_contain_text("Not whole", timeout=30_000)

    assert desk.covered()
    noted = [str(one["payload"]) for one in await desk.told("pc_journal")]
    # A machine that is held up for long may have it started once more.
    assert any("SCREEN_RESTARTED" in one for one in noted)


async def play(desk: Desk) -> None:
    """Seat a player who has money, and see the PC open."""
    await desk.post(f"/clubs/{CLUB}/players/anna/wallet/top-ups", {"amountMinor": 90_000})
    started = {"pcId": PC, "tariffId": "minute", "playerId": "anna", "start": True}
    await desk.post(f"/clubs/{CLUB}/sessions", started)
    await desk.shows(desk.playing)


async def test_play_opens_the_screen_and_a_dead_agent_does_not_keep_it_open(desk: Desk) -> None:
    await play(desk)

    first = desk.screen_pid
    os.kill(first, signal.SIGKILL)
    # A message to the dead one would fail.
    await desk.shows(lambda: desk.screen_pid != first and desk.playing())
    assert (await desk.tile()).use == "RUNNING"

    message = {"command": "MESSAGE", "text": "Your pizza is ready at the desk."}
    await desk.post(f"/clubs/{CLUB}/pcs/{PC}/commands", message, status=202)
    assert await desk.answered() == "DONE"


async def test_a_technician_opens_the_pc_by_code_and_by_nothing_else(desk: Desk) -> None:
    await desk.online()
    window = {"command": "MAINTENANCE", "durationSeconds": 600, "code": "TECH4711"}
    await desk.post(f"/clubs/{CLUB}/pcs/{PC}/commands", window, status=202)
    assert await desk.answered() == "DONE"

    desk.display.press("Escape", "1", "2", "3", "4", "5", "6", "Return")
    await asyncio.sleep(1)
    assert desk.covered()
    desk.display.press("Escape", *"TECH4711", "Return")
    await desk.shows(lambda: not desk.covered())

    over = {"command": "MAINTENANCE", "durationSeconds": 0}
    await desk.post(f"/clubs/{CLUB}/pcs/{PC}/commands", over, status=202)
    await desk.shows(desk.covered)


async def test_staff_sees_how_a_pc_is_doing(desk: Desk) -> None:
    path = f"/clubs/{CLUB}/pcs/{PC}/machine"
    async with asyncio.timeout(60):
        while (answer := await desk.client.get(path)).status_code != 200:
            assert answer.json()["code"] == "pc-unreachable"
            await asyncio.sleep(0.2)
        while (  # noqa: ASYNC110 - a read
            shown := (await desk.client.get(path)).json()
        )["memoryPercent"] is None:
            await asyncio.sleep(0.2)
    assert shown["pcId"] == PC
    assert shown["memoryTotalMb"] > 0
    assert shown["foreground"] is None
    strange = await desk.client.get(f"/clubs/{CLUB}/pcs/nowhere/machine")
    assert strange.json()["code"] == "pc-not-found"


class Beats(Listener):
    """What the PC tells of itself, as it goes over the wire; ``in_play`` is how its machine was
    doing while somebody played."""

    def __init__(self) -> None:
        super().__init__()
        self.in_play: list[HardwareFacts] = []

    def on_message(self, topic: str, payload: bytes, retain: bool) -> None:
        super().on_message(topic, payload, retain)
        beat = decode(UpLeaf.HEARTBEAT, payload)
        if isinstance(beat, Heartbeat) and beat.hardware and beat.mode is PcMode.UNLOCKED:
            self.in_play.append(beat.hardware)


@asynccontextmanager
async def listening(desk: Desk) -> AsyncIterator[Beats]:
    address, beats = parse_mqtt_url(desk.mqtt_url), Beats()
    settings = LinkSettings(address.host, address.port, "listener")
    link = GmqttLink(settings, beats, random=random.Random(1), mono_s=time.monotonic)
    link.subscribe(pc_topic(CLUB, PC, UpLeaf.HEARTBEAT))
    link.start()
    try:
        yield beats
    finally:
        await link.abort()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("told", [True, False], ids=["turned on", "off"])
async def test_the_program_in_front_is_named_only_where_the_club_has_turned_it_on(
    tmp_path: Path, *, told: bool
) -> None:
    turned_on = {"tell_foreground": "true"} if told else {}
    with a_display(1_280, 720) as display, a_program_in_front(display) as program:
        async with a_desk(tmp_path, display, **turned_on) as desk, listening(desk) as beats:
            await desk.online()
            await play(desk)
            # A first look may still see the lock.
            await eventually(lambda: len(beats.in_play) >= 2, timeout_s=120)
            await eventually_shown(desk, program if told else None)
            # The screen is the one who could look, and it is not even asked to.
            asked = "--foreground" in psutil.Process(desk.screen_pid).cmdline()
    assert asked is told
    assert beats.in_play[-1].foreground == (program if told else None)
    assert any(b"foreground" in one and program.encode() in one for one in beats.payloads) is told


async def eventually_shown(desk: Desk, foreground: str | None) -> None:
    """Until the API shows staff how the PC is doing, with this program in front."""
    async with asyncio.timeout(60):
        while True:
            answer = await desk.client.get(f"/clubs/{CLUB}/pcs/{PC}/machine")
            if answer.status_code == 200 and answer.json()["foreground"] == foreground:
                return
            await asyncio.sleep(0.2)
