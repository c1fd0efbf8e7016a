"""Keeps the broker's files as the books say, and has the broker read them at once.

It runs on the broker's machine. Mosquitto reads password and access files again on SIGHUP and
drops every client that they no longer let in, so a revoked PC is gone with the same signal.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

import structlog

from actors.store import Catalogue, StoreUnavailableError
from actors.store_enrolment import EnrolmentBooks
from actors.store_values import Listening
from controller.broker.access import KnownPc
from controller.broker.clones import CloneGuard
from controller.broker.config import write_rules
from controller.enrolment.book import parsed
from controller.enrolment.halls import halls_of

GATHER_S: Final = 0.05
"""Changes that come together are written together."""
LOOK_AGAIN_S: Final = 30.0
"""A message of a change may be lost; this long at most until it is found all the same."""
RETRY_S: Final = 1.0
CLONES_EVERY_S: Final = 2.0
OVERDUE_EVERY_S: Final = 60.0

log = structlog.get_logger(__name__)


class RulesStore(Catalogue, EnrolmentBooks, Protocol):
    """What the rules follow from."""


class RulesKeeper:
    """Writes the rules of every club into ``folder``; ``reload`` makes the broker read them."""

    def __init__(self, store: RulesStore, folder: Path, reload: Callable[[], None]) -> None:
        self._store = store
        self._folder = folder
        self._reload = reload
        self._dirty = asyncio.Event()
        # Whoever wrote the files last may have died before the broker was told.
        self._untold = True

    async def refresh(self) -> bool:
        """Read everything, write what differs and reload; whether anything differed.

        The broker is told at the first look in any case, and again until it could be.
        """
        pcs = await known_pcs(self._store)
        changed = await asyncio.to_thread(write_rules, self._folder, pcs)
        self._untold = self._untold or changed
        if self._untold:
            self._reload()
            self._untold = False
        if changed:
            log.info("broker_rules_written", pcs=len(pcs))
        return changed

    async def run(self) -> None:
        """Follow until cancelled. Without the store the last rules stay in force."""
        store = self._store
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(store.enrolment_changes))
            group.create_task(self._listen(store.catalogue_changes))
            group.create_task(self._write())

    async def _write(self) -> None:
        self._dirty.set()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await self._dirty.wait()
            await asyncio.sleep(GATHER_S)
            self._dirty.clear()
            try:
                await self.refresh()
            except (StoreUnavailableError, OSError, ValueError) as error:
                # What cannot be read or written leaves the last rules in force.
                log.warning("broker_rules_not_written", reason=repr(error))
                await asyncio.sleep(RETRY_S)
                self._dirty.set()

    async def _listen(self, changes: Callable[[Listening], AsyncIterator[object]]) -> None:
        while True:
            try:
                async for _ in changes(self._mark):
                    self._dirty.set()
            except StoreUnavailableError as error:
                log.warning("store_unavailable", reason=repr(error))
            await asyncio.sleep(RETRY_S)

    async def _mark(self) -> None:
        self._dirty.set()


async def known_pcs(store: RulesStore) -> tuple[KnownPc, ...]:
    """Every PC in service whose credentials are in force."""
    found: list[KnownPc] = []
    for chain_id in await store.chains():
        for club_id, hall in halls_of(await store.catalogue(chain_id)).items():
            book = parsed(await store.enrolment(chain_id, club_id))
            found += (
                KnownPc(club_id, one.pc_id, one.broker_hash)
                for one in book.credentials.values()
                if one.is_active and one.pc_id in hall
            )
    return tuple(found)


def reload_of(pid_file: Path) -> Callable[[], None]:
    """Sends SIGHUP to the process that a file names. A broker that is down reads them at start."""

    def reload() -> None:
        try:
            os.kill(int(pid_file.read_text()), signal.SIGHUP)
        except (FileNotFoundError, ProcessLookupError, ValueError) as error:
            log.warning("broker_not_running", reason=repr(error))

    return reload


async def follow(keeper: RulesKeeper, guard: CloneGuard, stopped: Awaitable[object]) -> None:
    """Keep the rules, look for clones and for overdue renewals until ``stopped``."""
    running = asyncio.ensure_future(_all(keeper, guard))
    stopping = asyncio.ensure_future(stopped)
    try:
        await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    finally:
        for task in (running, stopping):
            task.cancel()
        await asyncio.gather(running, stopping, return_exceptions=True)


async def _all(keeper: RulesKeeper, guard: CloneGuard) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(keeper.run())
        group.create_task(_every(CLONES_EVERY_S, guard.look))
        group.create_task(_every(OVERDUE_EVERY_S, guard.office.revoke_overdue))


async def _every(seconds: float, look: Callable[[], Awaitable[int]]) -> None:
    while True:
        try:
            await look()
        except StoreUnavailableError as error:
            log.warning("store_unavailable", reason=repr(error))
        await asyncio.sleep(seconds)
