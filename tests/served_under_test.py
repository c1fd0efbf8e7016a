"""Clubs and their APIs in a thread with a loop of its own, for tests that wait while they ask."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import clubs_under_test
from api_under_test import dependencies, serving
from fastapi import FastAPI
from outages_under_test import ShardGateway, opened, pass_time, play
from whole_club import WholeClub, whole_club

from actors.store import Store
from actors.store_memory import MemoryStore
from controller.api.app import create_app
from controller.api.auth import ApiKey, digest_of
from controller.api.tokens import TokenReader
from controller.enrolment.terms import PcTerms
from schemas.device import UsageEnd

JUDGING_KEY = "key-of-the-judging-club"
STARTS_S = 60
TIMES_LOST = 2

T = TypeVar("T")
Seed = Callable[[Store], Awaitable[None]]


@dataclass
class Served:
    """``address`` is of the API of a whole club, ``judging`` of one where time was lost."""

    club: WholeClub
    address: str
    judging: str


class ServedClubs:
    """As long as the block lasts. ``seed`` fills the store first, ``tokens`` are good in both, and
    ``more`` is given to the whole club."""

    def __init__(
        self, *, seed: Seed | None = None, tokens: TokenReader | None = None, **more: Any
    ) -> None:
        self._seed = seed
        self._tokens = tokens
        self._more = more
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._served: Served | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(STARTS_S)
        return self

    def __exit__(self, *_raised: object) -> None:
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(STARTS_S)
        assert not self._thread.is_alive(), "the club goes on"

    @property
    def at(self) -> Served:
        """Where everything is."""
        assert self._served is not None
        return self._served

    def run(self, asked: Coroutine[Any, Any, T]) -> T:
        """What it comes to in the clubs' loop."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result(STARTS_S)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        terms = PcTerms("mqtts://broker.lan", "-----BEGIN CERTIFICATE-----")
        store = MemoryStore()
        if self._seed is not None:
            await self._seed(store)
        async with (
            whole_club(
                store=store,
                tokens=self._tokens,
                pc_terms=terms,
                heartbeat_s=2.0,
                tells_machine=True,
                **self._more,
            ) as club,
            serving(club.app) as address,
            serving(await _judging(self._tokens)) as judging,
        ):
            self._served = Served(club, address, judging)
            self._ready.set()
            await self._stop.wait()


async def _judging(tokens: TokenReader | None) -> FastAPI:
    """The API of a club that proposes to give time back that a PC lost, twice in one session."""
    store = MemoryStore()
    shard = await opened(store, "PROPOSE")
    pc = await play(shard)
    for _ in range(TIMES_LOST):
        pc.stop(UsageEnd.FROZEN)
        await pass_time(shard, 12 * 60, None)
        pc.serve()
        await pass_time(shard, 60, pc)
    keys = [ApiKey(clubs_under_test.CHAIN, "judge", digest_of(JUDGING_KEY))]
    return create_app(dependencies(store, ShardGateway(shard), keys=keys, tokens=tokens))
