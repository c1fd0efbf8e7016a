"""A club as enrolment meets it: real store, real broker with its follower, HTTPS, agents."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import uvicorn
from api_under_test import ScriptedGateway, dependencies
from brokers_under_test import eventually
from guarded_broker import NOW_MS

from actors.signing_keys import new_signing_keys
from actors.store_redis import RedisStore
from controller.broker.certificates import (
    Issued,
    make_authority,
    make_server_certificate,
    write_issued,
)
from controller.embedded.state import free_port
from controller.enrolment.terms import PcTerms
from pc_daemon.enrolment import EnrolmentFiles
from schemas.catalogue import ClubDocument, PcDocument, ZoneDocument
from schemas.trust import KeysDocument

CHAIN, CLUB = "chain-a", "arena"
KEYS = new_signing_keys().public


@dataclass
class House:
    """A club's servers, and the folders of the broker and of one PC."""

    redis_url: str
    folder: Path
    port: int
    controller_port: int
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "CLUBCTL_REDIS_URL": self.redis_url,
            "CLUBCTL_MQTT_USERNAME": "controller",
            "CLUBCTL_MQTT_PASSWORD": "the controller's secret",
        }

    @property
    def conf(self) -> Path:
        return self.folder / "conf"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def pc(self) -> EnrolmentFiles:
        return EnrolmentFiles(self.folder / "pc" / "pc.toml")

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "controller.cli", *words]

    async def said(self, *words: str, code: int = 0) -> str:
        """What a command prints."""
        process = await asyncio.create_subprocess_exec(
            *self.argv(*words),
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == code, said.decode()
        return said.decode()

    def start(self, *argv: str, **more: str) -> None:
        """A process that ends with the house."""
        log = (self.folder / f"{Path(argv[0]).name}-{len(argv)}.log").open("ab")
        with log:
            self.processes.append(
                subprocess.Popen(argv, env={**self.environment, **more}, stdout=log, stderr=log)
            )

    def stop(self) -> None:
        """End what was started, the last first."""
        for process in reversed(self.processes):
            process.kill()
            process.wait()


@asynccontextmanager
async def hall_in(redis_url: str) -> AsyncIterator[RedisStore]:
    """A store that knows a club with two PCs."""
    store = RedisStore.open(redis_url)
    club = ClubDocument(club_id=CLUB, name="Arena", timezone="UTC", currency="EUR")
    pcs = [PcDocument(pc_id=f"pc{n}", club_id=CLUB, zone_id="main", name=f"PC {n}") for n in (1, 2)]
    zone = ZoneDocument(zone_id="main", club_id=CLUB, name="Main")
    documents = {f"club:{CLUB}": club, "zone:main": zone, **{f"pc:{pc.pc_id}": pc for pc in pcs}}
    await store.put(
        CHAIN, {name: one.model_dump_json().encode() for name, one in documents.items()}
    )
    yield store
    await store.close()


@asynccontextmanager
async def https(app: Any, folder: Path) -> AsyncIterator[str]:
    """The application over TLS, with a certificate of the club's own."""
    authority = make_authority("api", NOW_MS)
    write_issued(authority, folder / "api-ca.crt", folder / "api-ca.key")
    issued: Issued = make_server_certificate(authority, ["localhost"], NOW_MS)
    write_issued(issued, folder / "api.crt", folder / "api.key")
    port = free_port()
    config = uvicorn.Config(
        app,
        port=port,
        log_level="warning",
        lifespan="off",
        ws="none",
        ssl_certfile=folder / "api.crt",
        ssl_keyfile=folder / "api.key",
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    try:
        yield f"https://localhost:{port}"
    finally:
        app.state.rooms.live.close()
        server.should_exit = True
        await running


@asynccontextmanager
async def house_in(redis_url: str, folder: Path) -> AsyncIterator[House]:
    """A broker on the configuration that clubctl writes, and who keeps its rules."""
    house = House(redis_url, folder, free_port(), free_port())
    out = ("--out", str(house.conf))
    await house.said("broker", "ca", *out)
    await house.said("broker", "cert", *out, "--host", "localhost")
    user = ("--user", "root") if os.geteuid() == 0 else ()
    await house.said(
        "broker",
        "config",
        *out,
        *user,
        "--data",
        str(house.data),
        "--listen",
        f"127.0.0.1:{house.port}",
        "--controller",
        f"127.0.0.1:{house.controller_port}",
    )
    house.start("/usr/sbin/mosquitto", "-c", str(house.conf / "mosquitto.conf"))
    house.start(*house.argv("broker", "follow", *out, "--data", str(house.data)))
    try:
        yield house
    finally:
        house.stop()


def given(store: RedisStore, house: House, keys: KeysDocument = KEYS) -> Any:
    """What the API is given, its keys among it."""
    terms = PcTerms(
        f"mqtts://localhost:{house.port}",
        (house.conf / "ca.crt").read_text(),
        keys=lambda: keys,
    )
    return replace(dependencies(store, ScriptedGateway()), pc_terms=terms)


async def agent_speaks(house: House) -> None:
    """Start the real agent from what enrolment wrote; returns once the broker let it in."""
    house.start(
        *house.argv("pc"),
        CLUBCTL_PC_CONFIG=str(house.pc.config),
        CLUBCTL_PC_STATE_DIR=str(house.folder / "state"),
        CLUBCTL_PC_HEARTBEAT_S="0.2",
    )
    await eventually(lambda: connections(house), timeout_s=40)


def broker_log(house: House) -> str:
    """What the broker has said."""
    return (house.folder / "mosquitto-3.log").read_text()


def connections(house: House) -> int:
    """How often pc1 was let in."""
    return sum(" as arena.pc1 " in line for line in broker_log(house).splitlines())
