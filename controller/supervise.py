"""The controller process: starts or joins Ray, keeps the hosts alive, hands out shards.

It decides nothing about clubs. If it is down, no shard moves and no host is replaced; billing
goes on. It may be started twice: both would compute the same map from the same facts.
"""

import asyncio
import shutil
import signal
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

import structlog

from actors.host_process import HostValues
from actors.local_host import shards_with_clubs
from actors.ray_host import RayValues, announce_ray, connect, disconnect, ensure_host
from actors.store import ShardId, Store, StoreUnavailableError
from actors.store_redis import RedisStore
from controller.business_time import read_anchor
from controller.coordinator import assign
from controller.settings import PREFIX, Settings, SettingsError

STEP_EVERY_S: Final = 0.5
ENSURE_EVERY_STEPS: Final = 20

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FleetOfHosts:
    """How many hosts of which release there should be, and the values each is made from."""

    count: int
    values_of: Callable[[str], HostValues]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the hosts, stable over restarts."""
        return tuple(f"h{index}" for index in range(self.count))


class Supervisor:
    """One step at a time: make sure of the hosts, read who lives, store the changed map."""

    def __init__(self, store: Store, ensure: Callable[[], None]) -> None:
        self._store = store
        self._ensure = ensure
        self._steps = 0

    async def step(self) -> dict[ShardId, str]:
        """Bring the map up to date; returns what changed."""
        if self._steps % ENSURE_EVERY_STEPS == 0:
            await asyncio.to_thread(self._ensure)
        self._steps += 1
        hosts = [host.name for host in await self._store.hosts() if not host.draining]
        if not hosts:
            return {}
        current = await self._store.assignments()
        shards = await shards_with_clubs(self._store)
        wanted = assign(hosts, shards, current)
        changes = {shard: host for shard, host in wanted.items() if current.get(shard) != host}
        gone = [shard for shard in current if shard not in wanted]
        if changes or gone:
            await self._store.assign(changes, gone)
            log.info("shards_assigned", changed=len(changes), gone=len(gone), hosts=len(hosts))
        return changes


async def supervise(store: Store, fleet: FleetOfHosts, *, stop: asyncio.Event) -> None:
    """Run until ``stop``; an unreachable store is waited out."""

    def ensure() -> None:
        for name in fleet.names:
            ensure_host(fleet.values_of(name))

    supervisor = Supervisor(store, ensure)
    while not stop.is_set():
        try:
            await supervisor.step()
        except StoreUnavailableError as error:
            log.warning("store_unavailable", reason=repr(error))
        try:
            await asyncio.wait_for(stop.wait(), STEP_EVERY_S)
        except TimeoutError:
            continue


def stop_on_signals(stop: asyncio.Event) -> None:
    """SIGINT and SIGTERM end the loop; a second one is the system's business."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)


def run_controller(settings: Settings) -> None:
    """The controller process, until SIGINT or SIGTERM. Raises SettingsError without servers."""
    for name in ("redis_url", "mqtt_url"):
        if getattr(settings, name) is None:
            raise SettingsError(f"{PREFIX}{name.upper()}: not set; `clubctl demo` starts its own")
    temp_dir = None
    if settings.ray_address is None:
        temp_dir = tempfile.mkdtemp(prefix="clubctl-ray-")
    try:
        asyncio.run(_controller(settings, temp_dir))
    finally:
        if temp_dir is not None:
            shutil.rmtree(temp_dir, ignore_errors=True)


async def _controller(settings: Settings, temp_dir: str | None) -> None:
    assert settings.redis_url is not None
    assert settings.mqtt_url is not None
    redis_url, mqtt_url = settings.redis_url, _with_credentials(settings)
    store = RedisStore.open(redis_url)
    stop = asyncio.Event()
    try:
        anchor = await read_anchor(store)
        values = RayValues(address=settings.ray_address, temp_dir=temp_dir)
        address = await asyncio.to_thread(connect, values)
        stop_on_signals(stop)
        await announce_ray(store, address)

        def host_values(name: str) -> HostValues:
            return HostValues(name, settings.release, redis_url, mqtt_url, anchor)

        await supervise(store, FleetOfHosts(settings.hosts, host_values), stop=stop)
    finally:
        await asyncio.to_thread(disconnect)
        await store.close()


def _with_credentials(settings: Settings) -> str:
    """The broker's URL with the user that is configured beside it."""
    assert settings.mqtt_url is not None
    if settings.mqtt_username is None:
        return settings.mqtt_url
    parts = urlsplit(settings.mqtt_url)
    password = settings.mqtt_password.get_secret_value() if settings.mqtt_password else ""
    user = f"{quote(settings.mqtt_username, safe='')}:{quote(password, safe='')}"
    return parts._replace(netloc=f"{user}@{parts.netloc.rpartition('@')[2]}").geturl()
