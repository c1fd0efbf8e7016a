"""The demo's child processes: store, broker, controller, API and the simulated PCs."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
import orjson

from actors.signing_keys import new_signing_keys, save_signing_keys
from actors.store import HostRegistry, StoreUnavailableError
from controller.api.auth import digest_of
from controller.demo import guard
from controller.demo.plan import CHAIN_ID
from controller.embedded import ChildFailedError, ChildProcess, EmbeddedBroker, EmbeddedValkey
from controller.embedded.state import LOOPBACK, StateFolder

READY_TIMEOUT_S: Final = 120.0
POLL_S: Final = 0.2
KEY_NAME: Final = "demo"
GUARDED: Final = (sys.executable, "-I", "-S", guard.__file__)
SIGNING_KEYS_FILE: Final = "signing-keys.json"


@dataclass(frozen=True, slots=True)
class DemoShape:
    """What the demo starts: ``port`` of the hall page, hosts, and how it is reached."""

    api_port: int
    hosts: int
    api_key: str

    @property
    def hall_url(self) -> str:
        """Where a browser finds the hall."""
        return f"http://{LOOPBACK}:{self.api_port}"


@dataclass(slots=True)
class DemoProcesses:
    """Children of this process, in the order they were made. All end with :meth:`stop`."""

    state: StateFolder
    shape: DemoShape
    valkey: EmbeddedValkey = field(init=False)
    broker: EmbeddedBroker = field(init=False)
    controller: ChildProcess = field(init=False)
    api: ChildProcess = field(init=False)
    archive: ChildProcess = field(init=False)
    fleet: ChildProcess = field(init=False)

    def __post_init__(self) -> None:
        self.valkey = EmbeddedValkey(self.state)
        self.broker = EmbeddedBroker(self.state)
        self.controller = self._clubctl("controller", "run", under=GUARDED)
        self.api = self._clubctl("api", "api")
        self.archive = self._clubctl("archive", "archive")
        self.fleet = self._clubctl(
            "fleet", "sim", "fleet", "--machine-facts", "--roster", str(self.roster_file)
        )

    @property
    def roster_file(self) -> Path:
        """Which PCs the fleet simulates."""
        return self.state.path / "roster.json"

    @property
    def archive_url(self) -> str:
        """The SQL database of this state folder."""
        return f"sqlite:///{self.state.path / 'archive.db'}"

    def write_roster(self, roster: Sequence[tuple[str, str]]) -> None:
        """Name the PCs for the fleet."""
        self.roster_file.write_bytes(orjson.dumps(roster))

    async def until(
        self, child: ChildProcess, ready: Callable[[], Awaitable[bool]], *, what: str
    ) -> None:
        """Wait until ``ready``. Raises ChildFailedError when the child ends or takes too long."""
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                while True:
                    if not child.is_running:
                        raise ChildFailedError(child.name, "ended", child.log_tail())
                    if await ready():
                        return
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            late = f"took too long: {what} within {READY_TIMEOUT_S:.0f} s"
            raise ChildFailedError(child.name, late, child.log_tail()) from None

    async def restart(self, child: ChildProcess) -> None:
        """End a child without holding up this process, then start it in the main thread."""
        await asyncio.to_thread(child.stop)
        child.start()

    async def stop_writers(self) -> None:
        """End all but the servers, so that the store stands still."""
        for child in (self.fleet, self.api, self.controller, self.archive):
            await asyncio.to_thread(child.stop)

    async def stop(self) -> None:
        """End everything, those who depend on others first."""
        await self.stop_writers()
        for child in (self.broker.child, self.valkey.child):
            await asyncio.to_thread(child.stop)

    def ended(self) -> list[str]:
        """Names of children that should run and do not."""
        children = (
            *(self.valkey.child, self.broker.child, self.controller),
            *(self.api, self.archive, self.fleet),
        )
        return [child.name for child in children if not child.is_running]

    @property
    def environment(self) -> Mapping[str, str]:
        """What every ``clubctl`` child is configured with."""
        key = {"chain_id": CHAIN_ID, "name": KEY_NAME, "sha256": digest_of(self.shape.api_key)}
        return {
            "CLUBCTL_REDIS_URL": self.valkey.url,
            "CLUBCTL_MQTT_URL": self.broker.url,
            "CLUBCTL_STATE_DIR": str(self.state.path),
            "CLUBCTL_LEASE_KEY_FILE": str(self._signing_keys()),
            "CLUBCTL_ARCHIVE_URL": self.archive_url,
            "CLUBCTL_HOSTS": str(self.shape.hosts),
            "CLUBCTL_API_HOST": LOOPBACK,
            "CLUBCTL_API_PORT": str(self.shape.api_port),
            "CLUBCTL_API_KEYS": orjson.dumps([key]).decode(),
        }

    def _signing_keys(self) -> Path:
        """The keys that this demo's PCs believe, made the first time."""
        file = self.state.path / SIGNING_KEYS_FILE
        if not file.exists():
            save_signing_keys(file, new_signing_keys(), replace=False)
        return file

    def _clubctl(self, name: str, *arguments: str, under: Sequence[str] = ()) -> ChildProcess:
        return ChildProcess(
            name,
            [*under, sys.executable, "-m", "controller.cli", *arguments],
            log_file=self.state.log_file(name),
            environment=self.environment,
        )


async def hosts_alive(registry: HostRegistry, count: int) -> bool:
    """Whether this many hosts beat."""
    try:
        return len(await registry.hosts()) >= count
    except StoreUnavailableError:
        return False


async def answers(url: str) -> bool:
    """Whether a GET of ``url`` succeeds."""
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            response = await client.get(url, timeout=2.0)
        except httpx.TransportError:
            return False
        return response.is_success
