"""Faults on purpose, every few seconds: hosts killed, servers restarted under the players."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Final

import structlog

from actors.store import HostRegistry, StoreUnavailableError
from controller.demo.figures import HostFigures
from controller.demo.processes import DemoProcesses

PAUSE_S: Final = (3.0, 6.0)
PID_DETAIL: Final = "pid"

log = structlog.get_logger(__name__)


class Chaos(StrEnum):
    """What goes wrong."""

    KILL_HOST = "kill-host"
    RESTART_REDIS = "restart-redis"
    RESTART_BROKER = "restart-broker"
    RESTART_API = "restart-api"
    ALL = "all"


@dataclass(slots=True)
class Saboteur:
    """Causes one kind of fault (or each in turn) until cancelled. ``faults`` counts them."""

    kind: Chaos
    processes: DemoProcesses
    registry: HostRegistry
    hosts: HostFigures
    random: Random
    faults: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        """Cause a fault every few seconds."""
        deeds = self._deeds()
        turn = 0
        while True:
            await asyncio.sleep(self.random.uniform(*PAUSE_S))
            kind = deeds[turn % len(deeds)]
            turn += 1
            if await self._cause(kind):
                self.faults[kind] += 1
                log.info("fault_caused", kind=kind.value)

    def _deeds(self) -> list[Chaos]:
        if self.kind is not Chaos.ALL:
            return [self.kind]
        return [kind for kind in Chaos if kind is not Chaos.ALL]

    async def _cause(self, kind: Chaos) -> bool:
        restart = self.processes.restart
        causes: dict[Chaos, Callable[[], Awaitable[bool | None]]] = {
            Chaos.KILL_HOST: self._kill_host,
            Chaos.RESTART_REDIS: lambda: restart(self.processes.valkey.child),
            Chaos.RESTART_BROKER: lambda: restart(self.processes.broker.child),
            Chaos.RESTART_API: lambda: restart(self.processes.api),
        }
        return await causes[kind]() is not False

    async def _kill_host(self) -> bool:
        try:
            records = await self.registry.hosts()
        except StoreUnavailableError:
            return False
        known = [record for record in records if PID_DETAIL in record.details]
        if not known:
            return False
        victim = self.random.choice(known)
        try:
            os.kill(int(victim.details[PID_DETAIL]), signal.SIGKILL)
        except ProcessLookupError:
            # It died already and its record has not expired.
            return False
        self.hosts.kills[victim.name] += 1
        return True
