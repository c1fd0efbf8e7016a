"""The controller process: starts or joins Ray, keeps the hosts alive, hands out shards.

It decides nothing about clubs. While it is down no shard moves. Hosts that live in a Ray of
their own go on billing, and that Ray replaces the ones that die. Without such a Ray
(``CLUBCTL_RAY_ADDRESS``) the controller starts one and owns it: its end is the end of the hosts,
and billing catches up when it is started again. It may be started twice: both would compute the
same map from the same facts. Of two releases the one that started last is in charge; its hosts
take over those of the other.
"""

import asyncio
import shutil
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol
from urllib.parse import quote, urlsplit

import structlog

from actors.heartline import DeathWatch
from actors.host_process import HostValues
from actors.local_host import shards_with_clubs
from actors.ray_host import (
    RayUnavailableError,
    RayValues,
    announce_ray,
    connect,
    disconnect,
    drain_host,
    ensure_host,
    has_nodes,
    node_address,
    remove_host,
)
from actors.signing_keys import KeyFileError, load_signing_keys
from actors.store import HostRecord, ShardId, Store, StoreUnavailableError
from actors.store_redis import RedisStore
from controller.business_time import read_anchor
from controller.coordinator import assign
from controller.draining import (
    RELEASE_DETAIL,
    departures,
    drained_hosts,
    release_in_charge,
    take_charge,
)
from controller.settings import PREFIX, Settings, SettingsError

STEP_EVERY_S: Final = 0.5
ENSURE_EVERY_STEPS: Final = 20
RAY_RETRY_STEPS: Final = 4
RAY_PATIENCE_STEPS: Final = 120
"""A Ray that answers nothing for this long while no host lives is not waited for any longer."""
SHARDS_FRESH_STEPS: Final = 60
"""Changes of the catalogue are announced; this is for the one announcement that got lost."""

log = structlog.get_logger(__name__)


class HostFleet(Protocol):
    """The host processes of one release. Methods block, and change nothing when repeated."""

    @property
    def release(self) -> str:
        """Whose hosts these are."""

    @property
    def names(self) -> tuple[str, ...]:
        """Hosts there should be, stable over restarts."""

    def ensure(self, name: str) -> None:
        """Have this host, of this release."""

    def drain(self, record: HostRecord) -> None:
        """Tell a host, of any release, to give its shards up."""

    def end(self, record: HostRecord) -> None:
        """End a host, of any release, for good."""

    def has_room(self) -> bool:
        """Whether there is any machine left that a host could start on."""


@dataclass(frozen=True, slots=True)
class RayHosts:
    """Hosts as Ray actors: how many, and the values each is made from.

    A name holds the release: two processes under one name would take shards from each other.
    """

    count: int
    release: str
    values_of: Callable[[str], HostValues]

    @property
    def names(self) -> tuple[str, ...]:
        """See :class:`HostFleet`."""
        return tuple(f"{self.release}-h{index}" for index in range(self.count))

    def ensure(self, name: str) -> None:
        """See :class:`HostFleet`."""
        ensure_host(self.values_of(name))

    def drain(self, record: HostRecord) -> None:
        """See :class:`HostFleet`."""
        drain_host(record.details[RELEASE_DETAIL], record.name)

    def end(self, record: HostRecord) -> None:
        """See :class:`HostFleet`."""
        remove_host(record.details[RELEASE_DETAIL], record.name)

    def has_room(self) -> bool:
        """See :class:`HostFleet`."""
        return has_nodes()


class NoRoomError(Exception):
    """No host lives and none can start here: this process has to begin again."""


class Supervisor:
    """One step at a time: make sure of the hosts, read who lives, store the changed map."""

    def __init__(
        self, store: Store, fleet: HostFleet, changed: Callable[[], None] = lambda: None
    ) -> None:
        """``changed`` is called when there is a new map."""
        self._store = store
        self._changed = changed
        self._mapping = asyncio.Lock()
        self._fleet = fleet
        self._steps = 0
        self._ensure_at_step = 0
        self.ray_failures = 0
        """Times that Ray failed since it last did what it was asked."""
        self._shards: set[ShardId] = set()
        self._catalogue_changes = 1
        self._changes_read = 0
        self._shards_until_step = 0
        self._ended: set[str] = set()
        self._drained: frozenset[str] = frozenset()

    async def step(self) -> dict[ShardId, str]:
        """Bring hosts and map up to date; returns what changed in the map. Raises NoRoomError."""
        if await release_in_charge(self._store) not in (None, self._fleet.release):
            return {}
        # First what the store alone can do: Ray may take its time.
        live, current, changes = await self._map_anew()
        await self._keep_hosts()
        if not live and not await self._has_room():
            raise NoRoomError("no host lives and Ray has no node left to start one on")
        await self._part(live, current)
        return changes

    async def host_gone(self, name: str, incarnation: str) -> None:
        """Take a dead host's shards away without waiting for its record to run out."""
        await self._store.retire(name, incarnation)
        if await release_in_charge(self._store) in (None, self._fleet.release):
            await self._map_anew()

    async def _map_anew(
        self,
    ) -> tuple[Sequence[HostRecord], Mapping[ShardId, str], dict[ShardId, str]]:
        """Who lives, the map before, and what changed in it; one at a time, so that no decision
        rests on a host that another has just seen die."""
        async with self._mapping:
            live = await self._store.hosts()
            current = await self._store.assignments()
            return live, current, await self._assign(live, current)

    async def _keep_hosts(self) -> None:
        drained = await drained_hosts(self._store)
        if self._steps >= self._ensure_at_step or drained != self._drained:
            wanted = [name for name in self._fleet.names if name not in drained]
            done = [await self._ask_ray(partial(self._fleet.ensure, name)) for name in wanted]
            pause = ENSURE_EVERY_STEPS if all(done) else RAY_RETRY_STEPS
            self._ensure_at_step = self._steps + pause
        self._drained = drained
        self._steps += 1

    async def _ask_ray(self, action: Callable[[], object]) -> bool:
        """Whether Ray did it. The map is kept up in any case: living hosts need no Ray for it."""
        try:
            await asyncio.to_thread(action)
        except RayUnavailableError as error:
            self.ray_failures += 1
            log.warning("ray_unavailable", failures=self.ray_failures, reason=str(error))
            return False
        self.ray_failures = 0
        return True

    async def _has_room(self) -> bool:
        try:
            return await asyncio.to_thread(self._fleet.has_room)
        except RayUnavailableError as error:
            self.ray_failures += 1
            log.warning("ray_unavailable", failures=self.ray_failures, reason=str(error))
            return self.ray_failures < RAY_PATIENCE_STEPS

    async def _part(self, live: Sequence[HostRecord], current: Mapping[ShardId, str]) -> None:
        going = departures(
            live, wanted=self._fleet.names, drained=self._drained, assigned=current.values()
        )
        for record in going.tell:
            log.info("host_draining", host=record.name, shards=record.shards_owned)
            await self._ask_ray(partial(self._fleet.drain, record))
        for record in going.end:
            # Its record outlives it for a moment.
            if record.incarnation in self._ended:
                continue
            if await self._ask_ray(partial(self._fleet.end, record)):
                self._ended.add(record.incarnation)
                log.info("host_ended", host=record.name)
        self._ended &= {record.incarnation for record in live}

    async def _assign(
        self, live: Sequence[HostRecord], current: Mapping[ShardId, str]
    ) -> dict[ShardId, str]:
        hosts = [record.name for record in live if not record.draining]
        if not hosts:
            return {}
        shards = await self._known_shards()
        wanted = assign(hosts, shards, current)
        changes = {shard: host for shard, host in wanted.items() if current.get(shard) != host}
        gone = [shard for shard in current if shard not in wanted]
        if changes or gone:
            await self._store.assign(changes, gone)
            self._changed()
            log.info("shards_assigned", changed=len(changes), gone=len(gone), hosts=len(hosts))
        return changes

    async def catalogue_changed(self) -> None:
        """Read which shards have clubs again before the next map."""
        self._catalogue_changes += 1

    async def _known_shards(self) -> set[ShardId]:
        # Counted before the read: a change during it asks for another one.
        changes = self._catalogue_changes
        if changes != self._changes_read or self._steps >= self._shards_until_step:
            self._shards = await shards_with_clubs(self._store)
            self._changes_read = changes
            self._shards_until_step = self._steps + SHARDS_FRESH_STEPS
        return self._shards


async def supervise(
    store: Store, fleet: HostFleet, *, stop: asyncio.Event, address: str | None = None
) -> None:
    """Run until ``stop``; an unreachable store is waited out. Raises NoRoomError.

    Hosts that can reach ``address`` are found dead at once, the others when their records run out.
    """

    async def gone(name: str, incarnation: str) -> None:
        await supervisor.host_gone(name, incarnation)

    watch = DeathWatch(gone)
    supervisor = Supervisor(store, fleet, watch.tell_to_look)
    following = asyncio.create_task(_follow_catalogue(store, supervisor))
    try:
        if address is not None:
            await watch.open(address, store)
        await _supervise(supervisor, stop)
    finally:
        following.cancel()
        await watch.close()


async def _follow_catalogue(store: Store, supervisor: Supervisor) -> None:
    while True:
        try:
            async for _ in store.catalogue_changes(supervisor.catalogue_changed):
                await supervisor.catalogue_changed()
        except StoreUnavailableError as error:
            log.warning("store_unavailable", reason=repr(error))
        await asyncio.sleep(STEP_EVERY_S)


async def _supervise(supervisor: Supervisor, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            await supervisor.step()
        except StoreUnavailableError as error:
            log.warning("store_unavailable", reason=repr(error))
        try:
            async with asyncio.timeout(STEP_EVERY_S):
                await stop.wait()
        except TimeoutError:
            continue


def stop_on_signals(stop: asyncio.Event) -> None:
    """SIGINT and SIGTERM end the loop; a second one is the system's business."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)


def run_controller(settings: Settings) -> None:
    """The controller process, until SIGINT or SIGTERM. Raises SettingsError without servers.

    It ends with code 1 when its Ray has died, for whoever keeps it alive to start it again.
    """
    for name in ("redis_url", "mqtt_url"):
        if getattr(settings, name) is None:
            raise SettingsError(f"{PREFIX}{name.upper()}: not set; `clubctl demo` starts its own")
    key_file = settings.lease_key_file
    if key_file is not None:
        try:
            load_signing_keys(key_file)
        except KeyFileError as error:
            raise SettingsError(f"{PREFIX}LEASE_KEY_FILE: {error}") from error
    temp_dir = None
    if settings.ray_address is None:
        temp_dir = tempfile.mkdtemp(prefix="clubctl-ray-")
    try:
        asyncio.run(_controller(settings, temp_dir))
    except NoRoomError as error:
        log.warning("controller_ends", reason=str(error))
        raise SystemExit(1) from error
    finally:
        if temp_dir is not None:
            shutil.rmtree(temp_dir, ignore_errors=True)


async def _controller(settings: Settings, temp_dir: str | None) -> None:
    assert settings.redis_url is not None
    assert settings.mqtt_url is not None
    redis_url, mqtt_url = settings.redis_url, _with_credentials(settings)
    ca_pem = settings.mqtt_ca_pem()
    store = RedisStore.open(redis_url)
    stop = asyncio.Event()
    try:
        anchor = await read_anchor(store)
        values = RayValues(address=settings.ray_address, temp_dir=temp_dir)
        address = await asyncio.to_thread(connect, values)
        stop_on_signals(stop)
        await announce_ray(store, address)

        keys = settings.lease_key_file
        key_file = None if keys is None else str(keys.resolve())

        def host_values(name: str) -> HostValues:
            return HostValues(
                name,
                settings.release,
                redis_url,
                mqtt_url,
                anchor,
                mqtt_ca_pem=ca_pem,
                lease_key_file=key_file,
                wake_addresses=tuple(settings.wake_to().items()),
            )

        await take_charge(store, settings.release)
        fleet = RayHosts(settings.hosts, settings.release, host_values)
        await supervise(store, fleet, stop=stop, address=node_address())
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
