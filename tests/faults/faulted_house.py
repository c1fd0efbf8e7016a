"""A chain full of players as real processes, and what must be true of it after any fault.

``FAULTS_SESSIONS`` says how many play (24), ``FAULTS_SPEED`` how fast business time runs (30),
``FAULTS_REPORT`` where figures go: a file of one JSON object a row.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import orjson
from clubs_under_test import CHAIN, CLUBS
from stack_under_test import Stack, running_stack, until

from actors.clock import Clock, SystemClock, clock_for
from actors.store import (
    SESSION_KEY_PREFIX,
    ChainStream,
    HostRecord,
    StoreUnavailableError,
    StreamEntry,
)
from billing_core.session import SessionState, SessionStatus
from billing_core.stored import session_from_dict
from controller.archive import ArchiveConsumer, open_archive
from controller.demo.processes import DemoProcesses
from controller.embedded import ChildProcess
from controller.verify import Report, verify

SESSIONS = int(os.environ.get("FAULTS_SESSIONS", "24"))
SPEED = float(os.environ.get("FAULTS_SPEED", "30"))
ZONES = 4
IDLE = "idle"
PAYER = "payer"
STEP_MS = 60_000
STARTS_AT_ONCE = 8
CAUGHT_UP_WITHIN_S = 60.0
EVERYTHING = 1_000_000
IN_FLIGHT_MS = 100
"""What a process sent before it died is written within this; no process starts as fast."""


@dataclass
class FaultReport:
    """Figures by row; ``write`` appends them to the file, if there is one."""

    path: Path | None
    rows: dict[str, dict[str, object]] = field(default_factory=dict)

    @classmethod
    def from_environment(cls) -> "FaultReport":
        path = os.environ.get("FAULTS_REPORT")
        return cls(None if path is None else Path(path))

    def note(self, row: str, seconds: list[float], **more: object) -> None:
        """How long it took, each time, until ticks went on."""
        self.rows[row] = {
            "row": row,
            "times": len(seconds),
            "median_s": round(median(seconds), 2),
            "worst_s": round(max(seconds), 2),
            "sessions": SESSIONS,
            "speed": SPEED,
            **more,
        }

    def write(self) -> None:
        if self.path is not None and self.rows:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.writelines(orjson.dumps(row) + b"\n" for row in self.rows.values())


@dataclass
class FaultedHouse:
    """The stack, its players' sessions by club, and the business clock all of it goes by."""

    stack: Stack
    clock: Clock
    sessions: Mapping[str, frozenset[str]]

    @property
    def session_ids(self) -> frozenset[str]:
        return frozenset().union(*self.sessions.values())

    async def owner(self, club_id: str) -> HostRecord:
        """Who owns the club, once somebody alive does."""
        found: list[HostRecord] = []

        async def owned() -> bool:
            try:
                found.append(await self.stack.owner_of(club_id))
            except (AssertionError, KeyError):
                return False
            return True

        await until(owned, what=f"an owner of {club_id}")
        return found[-1]

    async def clubs_of(self, host: HostRecord) -> tuple[str, ...]:
        return tuple([club for club in CLUBS if (await self.owner(club)).name == host.name])

    async def newest_entry(self) -> str:
        return (await self.stack.store.image(CHAIN)).ledger_until

    async def ticks_go_on(self, since_ms: int, *, after: str, clubs: tuple[str, ...]) -> float:
        """Wait for a step of each club after ``since_ms``; real seconds to the last club's first.

        ``since_ms`` is the machine's UTC, ``after`` a ledger entry from before.
        """
        first_ms: dict[str, int] = {}
        place = after

        async def all_tick() -> bool:
            nonlocal place
            for entry in await self._entries(place):
                place = entry.entry_id
                at_ms = int(entry.entry_id.partition("-")[0])
                transaction = orjson.loads(entry.payload)
                for club in clubs:
                    ours = transaction.get("session_id") in self.sessions[club]
                    if ours and at_ms > since_ms + IN_FLIGHT_MS:
                        first_ms.setdefault(club, at_ms)
            return len(first_ms) == len(clubs)

        await until(all_tick, what="the next tick")
        return (max(first_ms.values()) - since_ms) / 1_000

    async def _entries(self, after: str) -> tuple[StreamEntry, ...]:
        try:
            return await self.stack.store.stream(CHAIN, ChainStream.LEDGER, after=after)
        except StoreUnavailableError:
            return ()

    async def states(self) -> dict[str, SessionState]:
        """The players' open sessions."""
        image = await self.stack.store.image(CHAIN)
        found = {}
        for entity in image.entities:
            session_id = entity.key.removeprefix(SESSION_KEY_PREFIX)
            if session_id != entity.key and session_id in self.session_ids:
                found[session_id] = session_from_dict(orjson.loads(entity.blob))
        return found

    async def books_are_whole(self) -> Report:
        """Every session has caught up to now with no step too many, and the books agree."""
        now_ms = self.clock.wall_ms()

        async def caught_up() -> bool:
            try:
                states = await self.states()
            except StoreUnavailableError:
                return False
            later_ms = self.clock.wall_ms()
            assert states.keys() == self.session_ids
            assert all(state.status is SessionStatus.STARTED for state in states.values())
            counts = {key: sum(s.steps for s in state.segments) for key, state in states.items()}
            doubled = {k for k, n in counts.items() if n > steps_due(states[k], later_ms)}
            assert not doubled, doubled
            return all(n >= steps_due(states[k], now_ms) for k, n in counts.items())

        await until(caught_up, within_s=CAUGHT_UP_WITHIN_S, what="every session caught up")
        archive = open_archive(self.stack.processes.archive_url)
        try:
            return sound(await verify(self.stack.store, archive))
        finally:
            archive.close()

    async def worst_lateness_s(self, since_ms: int) -> float:
        """The players' latest step written since an instant of the machine: real seconds behind its
        due."""
        states, anchor = await self.states(), self.stack.anchor
        entries = await self.stack.store.stream(CHAIN, ChainStream.LEDGER, count=EVERYTHING)
        worst_s = 0.0
        for entry in entries:
            at_ms = int(entry.entry_id.partition("-")[0])
            step = orjson.loads(entry.payload)
            if at_ms < since_ms or step["kind"] != "step":
                continue
            if step["session_id"] not in self.session_ids:
                continue
            start_ms = states[step["session_id"]].actual_start_at_ms
            assert start_ms is not None
            due_ms = start_ms + step["step_index"] * STEP_MS
            due_real_ms = anchor.real_at_ms + (due_ms - anchor.business_at_ms) / anchor.speed
            worst_s = max(worst_s, (at_ms - due_real_ms) / 1_000)
        return worst_s

    async def archive_is_the_ledger(self) -> None:
        """See :func:`archived_is_the_ledger`."""
        await archived_is_the_ledger(self.stack, self.clock)


async def archived_is_the_ledger(stack: Stack, clock: Clock) -> None:
    """End the archive process, archive the rest, and hold both side by side."""
    await asyncio.to_thread(stack.processes.archive.stop)
    await asyncio.to_thread(stack.processes.controller.stop)
    archive = open_archive(stack.processes.archive_url)
    until = (await stack.store.image(CHAIN)).ledger_until
    try:
        await ArchiveConsumer(stack.store, archive, clock).step()
        # An archive that has taken nothing would agree with everything.
        assert _place(await archive.cursor(CHAIN, ChainStream.LEDGER)) >= _place(until)
        sound(await verify(stack.store, archive))
    finally:
        archive.close()


def _place(entry_id: str) -> tuple[int, ...]:
    return tuple(map(int, entry_id.split("-")))


def sound(report: Report) -> Report:
    """A report without a row."""
    assert report.ok, report.rows[:5]
    return report


def steps_due(state: SessionState, now_ms: int) -> int:
    """Steps that have begun by ``now_ms`` of a session billed by the minute."""
    assert state.actual_start_at_ms is not None
    return (now_ms - state.actual_start_at_ms) // STEP_MS + 1


@asynccontextmanager
async def full_house(
    folder: Path,
    *,
    fleet: bool = False,
    speed: float = SPEED,
    sessions: int = SESSIONS,
    controller: Callable[[DemoProcesses], ChildProcess] | None = None,
    documents: Mapping[str, bytes] | None = None,
) -> AsyncIterator[FaultedHouse]:
    """Start everything and seat a player at every PC; ``IDLE`` and ``PAYER`` do not play."""
    per_zone = max(2, sessions // ZONES)
    players = (*(f"p{number}" for number in range(per_zone * ZONES)), IDLE, PAYER)
    async with running_stack(
        folder,
        speed=speed,
        fleet=fleet,
        archive=True,
        pcs_per_zone=per_zone,
        players=players,
        controller=controller,
        documents=documents,
    ) as stack:
        seats = [
            f"{club}-{zone}-{number}"
            for number in range(per_zone)
            for club in CLUBS
            for zone in ("main", "vip")
        ]
        seated = await _seated(stack, dict(zip(players, seats, strict=False)))
        yield FaultedHouse(stack, clock_for(stack.anchor), seated)


async def _seated(stack: Stack, seats: Mapping[str, str]) -> dict[str, frozenset[str]]:
    places = asyncio.Semaphore(STARTS_AT_ONCE)
    sessions: dict[str, set[str]] = {club: set() for club in CLUBS}

    async def seat(player_id: str, pc_id: str) -> None:
        async with places:
            session_id = await stack.play(player_id, pc_id)
        sessions[pc_id.partition("-")[0]].add(session_id)

    async with asyncio.TaskGroup() as group:
        for player_id, pc_id in seats.items():
            group.create_task(seat(player_id, pc_id))
    return {club: frozenset(ids) for club, ids in sessions.items()}


def machine_ms() -> int:
    """The machine's UTC, the clock that ledger entries are numbered by."""
    return SystemClock().wall_ms()
