"""One run of the demo: start everything, let people play, and end everything again."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import structlog

from actors.clock import Clock, SystemClock, clock_for
from actors.store import StoreUnavailableError
from actors.store_redis import RedisStore
from controller.demo.chaos import Chaos, Saboteur
from controller.demo.club_api import ClubApi, open_client
from controller.demo.crowd import Crowd
from controller.demo.figures import ChainFigures, HostFigures
from controller.demo.lateness import TickLateness
from controller.demo.plan import CHAIN_ID, DemoPlan, demo_plan
from controller.demo.processes import (
    DemoProcesses,
    DemoShape,
    answers,
    hosts_alive,
)
from controller.demo.screen import Addresses, LiveSummary, Progress, Screen
from controller.demo.seed import (
    DemoSize,
    agreed_size,
    note_business_time,
    seed_catalogue,
    set_business_time,
)
from controller.embedded.state import StateFolder
from controller.kept_secret import kept_secret

KEY_FILE: Final = "api-key"
LOOK_EVERY_S: Final = 1.0
LEAVE_TIMEOUT_S: Final = 60.0
SETTLE_TIMEOUT_S: Final = 20.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the demo was asked for. ``seconds`` None plays until stopped."""

    size: DemoSize
    speed: float
    port: int
    hosts: int
    seconds: float | None = None
    chaos: Chaos | None = None


@dataclass(slots=True)
class RunningDemo:
    """Everything at work. ``halls`` and figures are as of the last look."""

    options: DemoOptions
    plan: DemoPlan
    clock: Clock
    processes: DemoProcesses
    store: RedisStore
    crowd: Crowd
    figures: ChainFigures = field(default_factory=lambda: ChainFigures(CHAIN_ID))
    hosts: HostFigures = field(default_factory=HostFigures)
    lateness: TickLateness = field(default_factory=TickLateness)
    faults: Counter[str] = field(default_factory=Counter)

    async def play(self, screen: Screen, stop: asyncio.Event) -> None:
        """Let people play until ``stop`` or until the time is over."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self.crowd.run()),
                group.create_task(self._watch(screen)),
            ]
            if self.options.chaos is not None:
                tasks.append(group.create_task(self._saboteur(self.options.chaos).run()))
            with suppress(TimeoutError):
                async with asyncio.timeout(self.options.seconds):
                    await stop.wait()
            for task in tasks:
                task.cancel()

    async def look(self) -> None:
        """Bring all figures up to date."""
        await self.figures.follow(self.store)
        await self.hosts.look(self.store)
        await self.lateness.look(self.store)
        await note_business_time(self.store, self.clock.wall_ms())

    async def settle(self) -> bool:
        """Everybody leaves; whether all sessions ended and every PC obeys its last document."""
        left = await self.crowd.leave(timeout_s=LEAVE_TIMEOUT_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_TIMEOUT_S):
                while True:
                    if not await self._any_pc_behind():
                        break
                    await asyncio.sleep(LOOK_EVERY_S)
        return left

    def pcs_by_link(self) -> Counter[str]:
        """How many PCs are in which state of link, in the halls last seen."""
        return Counter(seat.link for hall in self.crowd.halls.values() for seat in hall)

    def summary(self) -> LiveSummary:
        """The newest figures for the screen."""
        seats = [seat for hall in self.crowd.halls.values() for seat in hall]
        return LiveSummary(
            business_at_ms=self.clock.wall_ms(),
            pcs=tuple(sorted(Counter(f"{seat.link} {seat.use}" for seat in seats).items())),
            seated=sum(seat.session_id is not None for seat in seats),
            sessions_started=self.figures.sessions_started,
            sessions_ended=self.figures.sessions_ended,
            steps=self.figures.steps,
            revenue=tuple(sorted(self.figures.revenue.items())),
            hosts=self.hosts.alive,
            faults=tuple(sorted(self.faults.items())),
            trouble=tuple(f"{name} ended" for name in self.processes.ended()),
        )

    async def _any_pc_behind(self) -> bool:
        for club in self.plan.clubs:
            _, tiles = await self.store.hall(CHAIN_ID, club.club_id)
            if any(b'"in_sync":false' in tile for tile in tiles.values()):
                return True
        return False

    async def _watch(self, screen: Screen) -> None:
        while True:
            try:
                await self.look()
            except StoreUnavailableError as error:
                log.info("store_unavailable", reason=repr(error))
            screen.show(self.summary())
            await asyncio.sleep(LOOK_EVERY_S)

    def _saboteur(self, chaos: Chaos) -> Saboteur:
        return Saboteur(
            kind=chaos,
            processes=self.processes,
            registry=self.store,
            hosts=self.hosts,
            random=Random(self.options.size.seed),  # noqa: S311 - which host dies is no secret
            faults=self.faults,
        )


@asynccontextmanager
async def running_demo(
    options: DemoOptions, state: StateFolder, screen: Screen
) -> AsyncIterator[RunningDemo]:
    """Start everything, step by step, and end it on the way out, however that happens.

    Raises EmbeddedError when something cannot start. ``state`` is entered by the caller.
    """
    key = api_key(state.path)
    processes = DemoProcesses(state, DemoShape(options.port, options.hosts, key))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(processes.stop)
        with screen.step("State store"):
            processes.valkey.start()
        with screen.step(f"MQTT broker ({processes.broker.kind})"):
            processes.broker.start()
        store = RedisStore.open(processes.valkey.url)
        stack.push_async_callback(store.close)
        with screen.step("Chain, clubs and players"):
            size = await agreed_size(store, options.size)
            plan = demo_plan(pcs=size.pcs, players=size.players, seed=size.seed)
            anchor = await set_business_time(
                store, real_now_ms=SystemClock().wall_ms(), speed=options.speed
            )
            await seed_catalogue(store, plan)
            processes.write_roster(plan.roster)
        if size != options.size:
            screen.say(f"  This state folder holds a chain of {size.pcs} PCs; --fresh starts anew.")
        await _start_controller(processes, store, screen=screen)
        client = open_client(processes.shape.hall_url, key)
        stack.push_async_callback(client.aclose)
        clock = clock_for(anchor)
        crowd = Crowd(ClubApi(client), plan, clock, Random(size.seed))  # noqa: S311 - a game
        demo = RunningDemo(options, plan, clock, processes, store, crowd)
        with screen.step(f"{size.pcs} simulated PCs") as progress:
            await _start_fleet(demo, progress)
        await demo.figures.skip(store)
        yield demo


async def _start_controller(processes: DemoProcesses, store: RedisStore, *, screen: Screen) -> None:
    count = processes.shape.hosts
    with screen.step(f"Ray with {count} shard hosts"):
        processes.controller.start()
        await processes.until(
            processes.controller,
            lambda: hosts_alive(store, count),
            what=f"{count} hosts alive",
        )
    with screen.step("API and hall page"):
        processes.archive.start()
        processes.api.start()
        url = f"{processes.shape.hall_url}/readyz"
        await processes.until(processes.api, lambda: answers(url), what=f"{url} answers")


async def _start_fleet(demo: RunningDemo, progress: Progress) -> None:
    wanted = len(demo.plan.roster)

    async def all_online() -> bool:
        for club in demo.plan.clubs:
            demo.crowd.halls[club.club_id] = await demo.crowd.api.hall(club.club_id) or ()
        online = demo.pcs_by_link()["ONLINE"]
        progress.say(f"{online} of {wanted} online")
        return online >= wanted

    demo.processes.fleet.start()
    await demo.processes.until(demo.processes.fleet, all_online, what="all PCs online")


def addresses(demo: RunningDemo, state: Path) -> Addresses:
    """Where to look."""
    shape = demo.processes.shape
    return Addresses(
        hall_url=shape.hall_url,
        api_key=shape.api_key,
        key_file=str(state / KEY_FILE),
        logs=str(state / "logs"),
        speed=demo.options.speed,
    )


def api_key(state: Path) -> str:
    """The key of this state folder: drawn on the first start, readable by its owner alone."""
    file = kept_secret(state / KEY_FILE, f"ck_{secrets.token_urlsafe(24)}\n")
    return file.read_text().strip()
