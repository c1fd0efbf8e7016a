"""One seed: a chain lives through its mishaps, comes to rest and is checked."""

import asyncio
import gc
import hashlib
import itertools
import traceback
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, TypeVar

import structlog
from structlog.typing import EventDict

from controller.archive import Archive, open_archive
from controller.simulation import town
from controller.simulation.chaos import Chaos
from controller.simulation.desk import Desk, Request
from controller.simulation.invariants import final_violations, pc_violations, unrest
from controller.simulation.last_guests import last_guests
from controller.simulation.players import Player
from controller.simulation.staff import Operator
from controller.simulation.swarm import Swarm, drawn
from controller.simulation.virtual_loop import VirtualLoop
from controller.simulation.world import World

REST_WITHIN_S: Final = 180.0
LOOK_EVERY_S: Final = 1.0
TOLD_WITHIN_S: Final = 20.0
CHAIN: Final = "simulated"
CALLER_LOSS: Final = 0.1
DEFECT_EVENTS: Final = frozenset({"step_failed", "shard_loop_failed"})

_RUNS: Final = itertools.count(1)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a seed. ``digest`` is the same whenever the seed is played again.

    ``done`` counts commands answered OK by kind, ``refused`` those answered with a refusal.
    """

    seed: int
    violations: tuple[str, ...]
    digest: str = ""
    club_hours: float = 0.0
    sessions: int = 0
    transactions: int = 0
    batches: int = 0
    done: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)


class SeedRunner:
    """Plays seeds one after another; all share one archive, each has a chain of its own."""

    def __init__(self, archive: Archive | None = None) -> None:
        self._archive = archive or open_archive("sqlite://")

    def close(self) -> None:
        """Free the archive."""
        self._archive.close()

    def play(self, seed: int) -> Result:
        """Play one seed to its end."""
        defects: list[str] = []
        with heard(defects), _uncollected():
            try:
                result: Result = in_virtual_time(lambda: _played(seed, self._archive, defects))
            except Exception as error:  # noqa: BLE001 - others are to be played whatever it is
                told = "".join(traceback.format_exception(error, limit=-3))
                return Result(seed=seed, violations=(told, *defects))
        return result


def in_virtual_time(main: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
    """Run a coroutine on a loop of its own and end every task it leaves behind."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main())
    finally:
        tasks = sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name())
        for task in tasks:
            task.cancel()
        loop.thaw_all()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _played(seed: int, archive: Archive, defects: list[str]) -> Result:
    random = Random(seed)  # noqa: S311 - a simulation's dice
    swarm = drawn(random)
    # Each run has a chain of its own in the archive; digests do not see its name.
    world = World(
        seed=seed,
        chain_id=f"{CHAIN}-{next(_RUNS)}",
        hosts=swarm.hosts,
        speed=swarm.speed,
        archive=archive if swarm.has_archive else None,
        start_at_ms=swarm.start_at_ms,
        customs=swarm.customs,
    )
    world.surrounds.defects = defects
    luck = Random(f"{seed}/desk")  # noqa: S311
    desk = Desk(world, luck, top_ups_minor=swarm.top_ups_minor)
    found = await _lived(world, desk, swarm)
    if world.archive is None:
        world.has_archive_from_now(archive)
    found += await final_violations(world, desk)
    result = _result(seed, world, desk, found=found)
    await world.close()
    return result


async def _lived(world: World, desk: Desk, swarm: Swarm) -> list[str]:
    found: list[str] = []
    await asyncio.sleep(2.0)
    desk.loss = CALLER_LOSS
    players = [
        Player(name, desk, Random(f"{world.random.random()}/{name}"))  # noqa: S311
        for name in (*town.PLAYERS, None)
    ]
    operator = Operator(desk, Random(f"{world.random.random()}/desk"))  # noqa: S311
    playing = [asyncio.create_task(player.play(swarm.think_s)) for player in players]
    if swarm.has_stayers:
        stayers = [
            Player(name, desk, Random(f"{world.random.random()}/stays"), alias="stayer")  # noqa: S311
            for name in (town.STAYER, None)
        ]
        seats = len(town.CLUBS) if swarm.customs.parallel_sessions else 1
        playing += [
            asyncio.create_task(player.stay(swarm.think_s, seats=seats)) for player in stayers
        ]
        players += stayers
    playing.append(asyncio.create_task(operator.work(swarm.think_s)))
    watching = asyncio.create_task(_watch(world, found))
    await Chaos(world, swarm).run()
    desk.loss = 0.0
    if swarm.notices:
        # What a PC did while it was not heard is told once it is back.
        await asyncio.sleep(TOLD_WITHIN_S)
    for pauses in (operator.pauses, *(player.pauses for player in players)):
        pauses.leave()
    await asyncio.wait(playing, timeout=REST_WITHIN_S)
    found += [f"somebody failed: {one.exception()!r}" for one in playing if _failed(one)]
    await _rest(world, found)
    if not found:
        found += await last_guests(world, desk)
        await _rest(world, found)
    watching.cancel()
    return found


async def _rest(world: World, found: list[str]) -> None:
    until_s = world.loop.time() + REST_WITHIN_S
    restless = unrest(world)
    while restless is not None and world.loop.time() < until_s:
        await asyncio.sleep(LOOK_EVERY_S)
        restless = unrest(world)
    if restless is not None:
        found.append(f"no rest: {restless}")


def _failed(task: "asyncio.Task[None]") -> bool:
    return task.done() and not task.cancelled() and task.exception() is not None


async def _watch(world: World, found: list[str]) -> None:
    while not found:
        await asyncio.sleep(LOOK_EVERY_S)
        now_ms = world.business.now_ms()
        for pc in world.pcs.values():
            pc.observe(now_ms)
        found += pc_violations(world)


def _result(seed: int, world: World, desk: Desk, *, found: list[str]) -> Result:
    witness = world.witness
    history = hashlib.blake2b(digest_size=8)
    for payload in (*witness.transactions, *witness.events):
        history.update(payload.replace(world.chain_id.encode(), b""))
    history.update(f"{world.loop.time()} {witness.batches}".encode())
    chain = world.server.chain(world.chain_id)
    hours = world.loop.time() * world.business.speed / 3_600
    return Result(
        seed=seed,
        violations=tuple(one.replace(world.chain_id, CHAIN) for one in found),
        digest=history.hexdigest(),
        club_hours=hours * len(town.CLUBS),
        sessions=len(chain.index),
        transactions=len(witness.transactions),
        batches=witness.batches,
        done=_kinds(request for request in desk.requests if request.ok),
        refused=_kinds(request for request in desk.requests if not request.ok),
    )


def _kinds(requests: Iterable[Request]) -> Mapping[str, int]:
    return Counter(request.envelope.command.kind for request in requests)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Leave cyclic garbage until the end: a seed makes little, and looking for it is dear."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def heard(defects: list[str]) -> Iterator[None]:
    """Take log events out of sight, but for those that mean a defect."""

    def listen(_logger: object, _name: str, event: EventDict) -> EventDict:
        if event["event"] in DEFECT_EVENTS:
            shown = {name: value for name, value in event.items() if name != "exc_info"}
            defects.append(f"{shown} {traceback.format_exc(limit=-3)}")
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[listen])
    try:
        yield
    finally:
        structlog.configure(**before)
