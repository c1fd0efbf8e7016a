"""A host in a thread of its own event loop, built from plain values: what a process needs."""

import asyncio
import gc
import os
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from typing import Final

import structlog

from actors.clock import ClockAnchor, SteadyClock, ThisMachine, clock_for
from actors.device_signing import signer_of
from actors.heartline import Heartline
from actors.host import Host, HostIdentity
from actors.store_redis import RedisStore
from actors.timekeeping import Timekeeper, boot_id
from actors.waking import Address, UdpWaker
from schemas.commands import CommandEnvelope, CommandReply
from schemas.link import GmqttLink
from schemas.link_port import BackoffPolicy, LinkSettings, parse_mqtt_url

START_TIMEOUT_S: Final = 30.0
COLLECTOR_THRESHOLDS: Final = (100_000, 50, 100)
HOST_BACKOFF: Final = BackoffPolicy(base_s=0.25, cap_s=5.0)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class HostValues:
    """Plain values a host process is made from. URLs may hold secrets: never logged."""

    name: str
    release: str
    redis_url: str
    mqtt_url: str
    anchor: ClockAnchor | None = None
    mqtt_ca_pem: str = ""
    """Whom to trust as the broker; empty: the authorities of the system."""
    lease_key_file: str | None = None
    wake_addresses: tuple[tuple[str, Address], ...] = ()
    """(club, where its network's magic packets go); other clubs are woken by their PCs alone."""


class RunningHost:
    """A host at work in its thread, reachable from any other."""

    def __init__(self, identity: HostIdentity, host: Host, loop: asyncio.AbstractEventLoop) -> None:
        self.identity = identity
        self._host = host
        self._loop = loop

    def submit(self, envelope: CommandEnvelope) -> Future[CommandReply]:
        """Hand a command to the host's loop."""
        return asyncio.run_coroutine_threadsafe(self._host.execute(envelope), self._loop)

    def drain(self) -> None:
        """Ask to have every shard moved away."""
        self._loop.call_soon_threadsafe(self._host.drain)


def start_host(values: HostValues, *, on_death: Callable[[], None]) -> RunningHost:
    """Start the host and return once it can be called. ``on_death`` runs when it ever ends."""
    tune_collector()
    ready: Future[RunningHost] = Future()

    def body() -> None:
        try:
            asyncio.run(_serve(values, ready))
        except Exception:
            log.exception("host_died", host=values.name)
        finally:
            on_death()

    threading.Thread(target=body, name=f"host-{values.name}", daemon=True).start()
    return ready.result(START_TIMEOUT_S)


def tune_collector() -> None:
    """Let the cycle collector look seldom: states are immutable and hold no cycles, and a look
    at every one of a hundred thousand of them in the middle of a turn is a late tick."""
    gc.set_threshold(*COLLECTOR_THRESHOLDS)


async def _serve(values: HostValues, ready: Future[RunningHost]) -> None:
    store = RedisStore.open(values.redis_url, host=values.name)
    identity = HostIdentity.of_process(values.name, pid=os.getpid(), release=values.release)
    machine = ThisMachine()
    steady = SteadyClock(machine)
    keeper = Timekeeper(store, machine, boot_id())
    clock = clock_for(values.anchor, steady)
    host = Host(
        identity,
        store=store,
        clock=clock,
        connect=lambda host: GmqttLink(
            _link_settings(values, identity),
            host,
            mono_s=lambda: clock.mono_ms() / 1_000,
            random=SystemRandom(),
        ),
        signer=signer_of(Path(values.lease_key_file) if values.lease_key_file else None),
        waker=UdpWaker(dict(values.wake_addresses)),
    )
    line = Heartline(store, name=identity.name, incarnation=identity.incarnation, look=host.look)
    ready.set_result(RunningHost(identity, host, asyncio.get_running_loop()))
    try:
        await keeper.begin(steady)
        async with asyncio.TaskGroup() as group:
            group.create_task(keeper.run(steady, host.telemetry))
            group.create_task(line.run())
            group.create_task(host.run())
    finally:
        await store.close()


def _link_settings(values: HostValues, identity: HostIdentity) -> LinkSettings:
    address = parse_mqtt_url(values.mqtt_url)
    trust = values.mqtt_ca_pem or None
    return LinkSettings(
        host=address.host,
        port=address.port,
        client_id=f"host-{values.name}-{identity.incarnation}",
        credentials=address.credentials,
        tls=ssl.create_default_context(cadata=trust) if address.tls else None,
        session_expiry_s=30,
        backoff=HOST_BACKOFF,
    )
