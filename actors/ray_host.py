"""Shard hosts as Ray actors, and the gateway that calls them. The only module that imports ray.

Ray gives processes, placement, restart and calls across machines. It does not decide who owns
a shard: leases in the store do, so two copies of a host may live at once and harm nothing.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

import ray
import structlog
from ray.exceptions import RayError

from actors.clock import SystemClock
from actors.gateway import ANSWERS
from actors.host_process import HostValues, start_host
from actors.logs import configure_logs
from actors.placement import shard_of_club
from actors.store import ShardId, Snapshots, Store, StoreUnavailableError
from schemas.commands import CommandEnvelope, CommandReply, ReplyStatus

NAMESPACE: Final = "clubctl"
RAY_SNAPSHOT: Final = "ray"
# Hosts bill: Ray may neither run them after others nor end them, small as they are, because
# something else on the machine has taken its memory.
RAY_SPARES_HOSTS: Final = {"worker_niceness": 0, "memory_monitor_refresh_ms": 0}
LOCAL_NODE_ADDRESS: Final = "127.0.0.2" if sys.platform == "linux" else None
"""Ray takes 127.0.0.1 to mean the machine's outward address; its neighbour it takes at its word."""
MAX_CALLS_IN_FLIGHT: Final = 1_000
RESERVED_CPUS: Final = 0.001
"""Next to nothing, but Ray spreads only what reserves something, and keeps it off a node that is
declared to have no processors."""
OWNERS_FRESH_MS: Final = 500
RETRY_PAUSE_S: Final = 0.1
CALL_TIMEOUT_S: Final = 4.0
HEAD_LOOK_EVERY_S: Final = 1.0
HEAD_SILENT_MAX_S: Final = 5.0

log = structlog.get_logger(__name__)


class ShardHost:
    """The body of the Ray actor: one host in a thread of its own, called by name.

    Ray runs the constructor again after a crash, which is all a restart needs: the new process
    takes its shards anew. If the host's thread dies the process ends, and Ray starts another.
    """

    def __init__(self, values: HostValues) -> None:
        configure_logs()
        self._running = start_host(values, on_death=_end_process)

    async def execute(self, request: bytes) -> bytes:
        """Decide one command: JSON of CommandEnvelope in, JSON of CommandReply out."""
        envelope = CommandEnvelope.model_validate_json(request)
        reply = await asyncio.wrap_future(self._running.submit(envelope))
        return reply.model_dump_json().encode()

    async def drain(self) -> None:
        """Ask to have every shard moved away."""
        self._running.drain()

    async def ping(self) -> str:
        """The incarnation that answers."""
        return self._running.identity.incarnation


def _end_process() -> None:
    os._exit(1)


@dataclass(frozen=True, slots=True)
class RayValues:
    """How to start or join Ray. ``address`` None starts a local one, ended with this process."""

    address: str | None = None
    temp_dir: str | None = None
    object_store_bytes: int = 80 * 1024 * 1024


def connect(values: RayValues) -> str:
    """Start or join Ray; returns the address others join by."""
    common: dict[str, Any] = {
        "namespace": NAMESPACE,
        "log_to_driver": False,
        "configure_logging": False,
    }
    if values.address is not None:
        ray.init(address=values.address, **common)
    else:
        ray.init(
            include_dashboard=False,
            _node_ip_address=LOCAL_NODE_ADDRESS,
            num_cpus=os.cpu_count(),
            object_store_memory=values.object_store_bytes,
            _temp_dir=values.temp_dir,
            _system_config=RAY_SPARES_HOSTS,
            **common,
        )
    return str(ray.get_runtime_context().gcs_address)


def disconnect() -> None:
    """Leave Ray; a local one started by this process ends."""
    ray.shutdown()


class RayUnavailableError(Exception):
    """Ray did not do what it was asked; asking again later is safe."""


@contextmanager
def _ray_failures() -> Iterator[None]:
    try:
        yield
    except (RayError, ConnectionError, RuntimeError) as error:
        raise RayUnavailableError(str(error)) from error


def host_actor_name(release: str, host: str) -> str:
    """Ray's name for a host: a new release never answers for an old one."""
    return f"host-{release}-{host}"


@_ray_failures()
def ensure_host(values: HostValues) -> None:
    """Create the named, detached host actor unless it lives. Raises RayUnavailableError."""
    remote = ray.remote(ShardHost)
    remote.options(
        name=host_actor_name(values.release, values.name),
        namespace=NAMESPACE,
        lifetime="detached",
        get_if_exists=True,
        max_restarts=-1,
        max_task_retries=0,
        max_concurrency=MAX_CALLS_IN_FLIGHT,
        num_cpus=RESERVED_CPUS,
        scheduling_strategy="SPREAD",
        enable_task_events=False,
    ).remote(values)


@_ray_failures()
def drain_host(release: str, name: str) -> None:
    """Ask a host to have every shard moved away; it says so with its next beat."""
    try:
        ray.get_actor(host_actor_name(release, name), NAMESPACE).drain.remote()
    except ValueError:
        log.info("host_already_gone", host=name)


@_ray_failures()
def remove_host(release: str, name: str) -> None:
    """End a host for good; its shards are free once its beats stop."""
    try:
        ray.kill(ray.get_actor(host_actor_name(release, name), NAMESPACE), no_restart=True)
    except ValueError:
        log.info("host_already_gone", host=name)


@_ray_failures()
def node_address() -> str:
    """Where the hosts of all machines of this Ray reach this process."""
    here = ray.get_runtime_context().get_node_id()
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return next(str(node["NodeManagerAddress"]) for node in nodes if node["NodeID"] == here)


@_ray_failures()
def has_nodes() -> bool:
    """Whether Ray has a machine that actors could be placed on."""
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return any(node["Alive"] for node in nodes)


class RemoteMethod(Protocol):
    """A method of a Ray actor, called from here."""

    def remote(self, request: bytes) -> Awaitable[bytes]:
        """Send the call; awaiting it raises RayError when the actor dies."""


class HostHandle(Protocol):
    """What callers see of a ShardHost."""

    @property
    def execute(self) -> RemoteMethod:
        """See :meth:`ShardHost.execute`."""


async def announce_ray(store: Snapshots, address: str) -> None:
    """Leave the address of the Ray that hosts live in, for callers to join."""
    await store.put_snapshot(RAY_SNAPSHOT, address.encode(), ttl_ms=None)


class RayMembership:
    """Keeps this process joined to the Ray that hosts live in, also after that was replaced."""

    def __init__(self, store: Snapshots) -> None:
        self._store = store
        self.joins = 0
        """Times that a Ray was joined; what was looked up in the one before is of no use."""
        self._joined: str | None = None
        self._joining: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()

    async def ensure(self) -> bool:
        """Join the announced Ray if need be; whether this process is a member now.

        Raises ConnectionError when it cannot be joined. One attempt runs at a time, and a caller
        that gives up does not end it.
        """
        announced = (await self._store.snapshots(RAY_SNAPSHOT)).get(RAY_SNAPSHOT)
        if announced is None:
            return False
        address = announced.decode()
        if self._joined == address:
            return True
        if self._joining is None or self._joining.done():
            self._joining = asyncio.create_task(self._join(address))
        await asyncio.shield(self._joining)
        return self._joined == address

    async def _join(self, address: str) -> None:
        if not await _listens(address):
            raise ConnectionError("cannot join Ray: nobody listens at its head")
        try:
            async with self._changing:
                await asyncio.to_thread(_rejoin, address)
        except (RayError, RuntimeError, ValueError) as error:
            raise ConnectionError(f"cannot join Ray: {error}") from error
        self._joined = address
        self.joins += 1
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        """Leave a Ray that has lost its head: it ends processes that stay for a minute."""
        silent_s = 0.0
        while True:
            await asyncio.sleep(HEAD_LOOK_EVERY_S)
            joined = self._joined
            silent_s = (
                0.0 if joined is None or await _listens(joined) else silent_s + HEAD_LOOK_EVERY_S
            )
            if silent_s >= HEAD_SILENT_MAX_S:
                log.warning("ray_head_lost")
                self._joined = None
                async with self._changing:
                    await asyncio.to_thread(disconnect)


async def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(HEAD_LOOK_EVERY_S):
            _, writer = await asyncio.open_connection(host, int(port))
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _rejoin(address: str) -> None:
    if ray.is_initialized():
        ray.shutdown()
    connect(RayValues(address=address))


class RayGateway:
    """CommandGateway over Ray: looks up the owner in the store, calls it, follows moves."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._membership = RayMembership(store)
        self._clock = SystemClock()
        self._owners: dict[ShardId, tuple[str, str, int]] = {}
        self._handles: dict[str, HostHandle | None] = {}
        self._handles_of_join = 0

    async def execute(self, envelope: CommandEnvelope, *, timeout_ms: int = 8_000) -> CommandReply:
        """Send one command to the owner until it answers or ``timeout_ms`` has passed."""
        shard = shard_of_club(envelope.chain_id, envelope.club_id)
        request = envelope.model_dump_json().encode()
        deadline_ms = self._clock.mono_ms() + timeout_ms
        while (left_ms := deadline_ms - self._clock.mono_ms()) > 0:
            reply = await self._try(shard, request, min(left_ms / 1_000, CALL_TIMEOUT_S))
            if reply is not None and reply.status in ANSWERS:
                return reply
            self._owners.pop(shard, None)
            await asyncio.sleep(RETRY_PAUSE_S)
        return CommandReply(status=ReplyStatus.BUSY)

    async def _try(self, shard: ShardId, request: bytes, timeout_s: float) -> CommandReply | None:
        try:
            async with asyncio.timeout(timeout_s):
                handle = await self._handle(shard) if await self._membership.ensure() else None
                if handle is None:
                    return None
                answer = await handle.execute.remote(request)
        except (RayError, ConnectionError, StoreUnavailableError, TimeoutError) as error:
            log.info("command_retry", shard=str(shard), reason=type(error).__name__)
            self._handles.clear()
            return None
        return CommandReply.model_validate_json(answer)

    async def _handle(self, shard: ShardId) -> HostHandle | None:
        """The owner's actor handle, or None while nobody owns the shard."""
        if self._handles_of_join != self._membership.joins:
            self._handles.clear()
            self._handles_of_join = self._membership.joins
        known = self._owners.get(shard)
        now_ms = self._clock.mono_ms()
        if known is None or now_ms - known[2] > OWNERS_FRESH_MS:
            owners = await self._store.owners([shard])
            if shard not in owners:
                return None
            host = owners[shard].host
            release = await self._release_of(host)
            if release is None:
                return None
            known = (host, release, now_ms)
            self._owners[shard] = known
        name = host_actor_name(known[1], known[0])
        if name not in self._handles:
            self._handles[name] = await asyncio.to_thread(_actor, name)
        return self._handles[name]

    async def _release_of(self, host: str) -> str | None:
        for record in await self._store.hosts():
            if record.name == host:
                return record.details.get("release")
        return None


def _actor(name: str) -> HostHandle | None:
    try:
        return cast("HostHandle", ray.get_actor(name, NAMESPACE))
    except ValueError:
        return None
