"""A whole club in one process: a host that owns it, simulated PCs, the API. No part is faked.

The store and the broker are the in-memory twins unless real ones are given.
"""

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from random import Random

from api_under_test import CHAIN, CLUB, dependencies, eventually, seed_chain
from fastapi import FastAPI

from actors.clock import Clock, SystemClock
from actors.host import Host
from actors.local_host import LocalHost, local_host
from actors.store import Store
from actors.store_memory import MemoryStore
from controller.api.app import create_app
from controller.api.auth import ApiKey
from controller.api.tokens import TokenReader
from controller.enrolment.terms import PcTerms
from pc_daemon.fleet import FleetSettings, FleetSimulator
from schemas.link import GmqttLink
from schemas.link_memory import MemoryBroker, MemoryLink
from schemas.link_port import LinkHost, LinkSettings, MqttLink, Will, parse_mqtt_url


@dataclass
class WholeClub:
    """What a test may reach for."""

    app: FastAPI
    store: Store
    host: LocalHost
    fleet: FleetSimulator


class InProcess:
    """Links of everybody over one broker in memory."""

    def __init__(self) -> None:
        self._broker = MemoryBroker(time.monotonic)

    def of_host(self, host: Host) -> MqttLink:
        settings = LinkSettings("in-process", 1, "host-local")
        return MemoryLink(settings, host, broker=self._broker)

    def of_pc(self, club_id: str, pc_id: str) -> Callable[..., MqttLink]:
        settings = LinkSettings("in-process", 1, f"{club_id}.{pc_id}")

        def make(host: LinkHost, will: Callable[[], Will | None]) -> MqttLink:
            return MemoryLink(settings, host, broker=self._broker, will=will)

        return make


class OverMqtt:
    """Links of the host to a real broker."""

    def __init__(self, url: str) -> None:
        self._address = parse_mqtt_url(url)

    def of_host(self, host: Host) -> MqttLink:
        settings = LinkSettings(self._address.host, self._address.port, "host-local")
        return GmqttLink(settings, host, random=Random(1), mono_s=time.monotonic)


@asynccontextmanager
async def whole_club(
    *,
    store: Store | None = None,
    mqtt_url: str | None = None,
    pcs: int = 4,
    heartbeat_s: float = 10.0,
    tells_machine: bool = False,
    catalogue: Mapping[str, bytes] | None = None,
    keys: Sequence[ApiKey] = (),
    tokens: TokenReader | None = None,
    pc_terms: PcTerms | None = None,
) -> AsyncIterator[WholeClub]:
    """The club of :func:`seed_chain` (with more in its catalogue), every PC connected."""
    store = store or MemoryStore()
    await seed_chain(store, pcs=pcs)
    await store.put(CHAIN, catalogue or {})
    clock: Clock = SystemClock()
    links = InProcess() if mqtt_url is None else OverMqtt(mqtt_url)
    settings = FleetSettings(
        mqtt_url or "mqtt://127.0.0.1:1",
        tuple((CLUB, f"pc-{number}") for number in range(1, pcs + 1)),
        heartbeat_s=heartbeat_s,
        reconnect_cap_s=1.0,
        tells_machine=tells_machine,
    )
    fleet = FleetSimulator(settings, make_link=getattr(links, "of_pc", None))
    async with local_host(store, clock, links.of_host) as host:
        given = dependencies(store, host, clock=clock, keys=keys, tokens=tokens)
        app = create_app(replace(given, pc_terms=pc_terms))
        await fleet.start()
        try:
            await eventually(lambda: fleet.counts().connected == pcs)
            yield WholeClub(app, store, host, fleet)
        finally:
            await fleet.stop()
