"""The store frozen for 60 s: the books of that day are those of a day when nothing happened.

The same day is lived twice by the same players, once undisturbed. Everybody has money for so many
minutes and plays until it is used up; for some that is while the store is frozen.
"""

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from clubs_under_test import CHAIN, CLUBS
from faulted_house import FaultReport, archived_is_the_ledger, machine_ms
from pcs_watched import PcWatch, watched_pcs
from stack_under_test import Stack, running_stack, until

from actors.clock import clock_for
from actors.store import ChainStream
from schemas.device import PcMode

pytestmark = [
    pytest.mark.faults,
    pytest.mark.integration,
    pytest.mark.ray,
    pytest.mark.timeout(900),
]
SPEED = 10.0
FROZEN_S = float(os.environ.get("FAULTS_STORE_FROZEN_S", "60"))
FROZEN_AFTER_S = 10.0
PER_ZONE = 6
MINUTES_FIRST = 4
PRICE_MINOR = {"main": 2_00, "vip": 4_00}
MINUTE_MS = 60_000
EVERYTHING = 1_000_000
EARLY_MAX_MS = 1_500
LATE_MAX_MS = 60_000
"""Business time: a tenth of it passes for us. A PC says that it is locked once it is."""


@dataclass(frozen=True)
class Seat:
    """A player, where, and for how many minutes the money lasts."""

    player_id: str
    pc_id: str
    minutes: int
    price_minor: int


def seats() -> list[Seat]:
    places = [(club, zone, n) for n in range(PER_ZONE) for club in CLUBS for zone in PRICE_MINOR]
    return [
        Seat(f"p{index}", f"{club}-{zone}-{n}", MINUTES_FIRST + index % 18, PRICE_MINOR[zone])
        for index, (club, zone, n) in enumerate(places)
    ]


@dataclass
class Day:
    """What a day left: each player's books with times from the session's start, who locked."""

    books: Mapping[str, list[dict[str, Any]]]
    receipts: Mapping[str, object]
    locked_at_ms: Mapping[str, int]
    went_on_after_s: float
    """Real seconds from the store's return to the first entry."""


async def lived(folder: Path, *, frozen_s: float) -> Day:
    """Seat everybody, freeze the store if asked to, and wait until the last one is locked out."""
    guests = seats()
    players = tuple(seat.player_id for seat in guests)
    async with AsyncExitStack() as opened:
        stack = await opened.enter_async_context(
            running_stack(
                folder,
                speed=SPEED,
                fleet_per_zone=PER_ZONE,
                archive=True,
                pcs_per_zone=PER_ZONE,
                players=players,
            )
        )
        watch = await opened.enter_async_context(watched_pcs(stack.processes.broker.url))
        clock = clock_for(stack.anchor)
        sessions = {
            seat.player_id: await stack.play(
                seat.player_id, seat.pc_id, seat.minutes * seat.price_minor
            )
            for seat in guests
        }
        await asyncio.sleep(FROZEN_AFTER_S)
        returned_ms = await frozen(stack, frozen_s)
        last_ms = max(seat.minutes for seat in guests) * MINUTE_MS

        async def all_over() -> bool:
            return not await stack.store.all_claims(CHAIN)

        await until(all_over, within_s=last_ms / 1_000 / SPEED + 60, what="the end of all sessions")
        await asyncio.sleep(3)
        day = await read_day(stack, sessions, guests, watch=watch, returned_ms=returned_ms)
        await archived_is_the_ledger(stack, clock)
        return day


async def frozen(stack: Stack, seconds: float) -> int:
    """Freeze the store; when it returned (UTC ms)."""
    pid = stack.processes.valkey.child.pid
    assert pid is not None
    if seconds:
        os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        returned_ms = machine_ms()
        os.kill(pid, signal.SIGCONT)
    return returned_ms


async def read_day(
    stack: Stack,
    sessions: Mapping[str, str],
    guests: list[Seat],
    *,
    watch: PcWatch,
    returned_ms: int,
) -> Day:
    entries = await stack.store.stream(CHAIN, ChainStream.LEDGER, count=EVERYTHING)
    books, receipts, locked = {}, {}, {}
    for seat in guests:
        session_id = sessions[seat.player_id]
        stored = await stack.store.session(CHAIN, session_id)
        assert stored is not None
        start_ms = orjson.loads(stored.blob)["state"]["actual_start_at_ms"]
        receipt = orjson.loads(stored.blob)["receipt"]
        receipts[seat.player_id] = told(receipt, session_id, start_ms)
        ours = [
            row for e in entries if (row := orjson.loads(e.payload))["session_id"] == session_id
        ]
        books[seat.player_id] = [told(row, session_id, start_ms) for row in ours]
        locked[seat.player_id] = first_lock_ms(watch, seat, stack, start_ms)
    written_ms = (int(entry.entry_id.partition("-")[0]) for entry in entries)
    first_ms = min(at_ms for at_ms in written_ms if at_ms >= returned_ms)
    return Day(books, receipts, locked, (first_ms - returned_ms) / 1_000)


def first_lock_ms(watch: PcWatch, seat: Seat, stack: Stack, start_ms: int) -> int:
    """When the PC said that it is locked: business ms since the session's start."""
    anchor = stack.anchor
    start_real_ms = anchor.real_at_ms + (start_ms - anchor.business_at_ms) / anchor.speed
    words = [one for one in watch.reports if one.pc_id == seat.pc_id]
    unlocked_ms = min(one.at_ms for one in words if one.mode is PcMode.UNLOCKED)
    first = min(one.at_ms for one in words if one.mode is PcMode.LOCKED and one.at_ms > unlocked_ms)
    return int((first - start_real_ms) * anchor.speed)


def told(document: Any, session_id: str, start_ms: int) -> Any:
    """The document of another day: the session without its name, instants from its start."""
    if isinstance(document, dict):
        return {
            key: value - start_ms
            if key.endswith("at_ms") and isinstance(value, int)
            else told(value, session_id, start_ms)
            for key, value in document.items()
        }
    if isinstance(document, list):
        return [told(one, session_id, start_ms) for one in document]
    return document.replace(session_id, "session") if isinstance(document, str) else document


def assert_locked_in_time(day: Day) -> None:
    for seat in seats():
        late_ms = day.locked_at_ms[seat.player_id] - seat.minutes * MINUTE_MS
        assert -EARLY_MAX_MS <= late_ms <= LATE_MAX_MS, (seat, late_ms)


async def test_a_frozen_store_leaves_the_books_of_an_undisturbed_day(
    tmp_path: Path, report: FaultReport
) -> None:
    calm = await lived(tmp_path / "calm", frozen_s=0)
    other = await lived(tmp_path / "frozen", frozen_s=FROZEN_S)
    assert_locked_in_time(calm)
    assert_locked_in_time(other)
    for seat in seats():
        assert len(calm.books[seat.player_id]) >= seat.minutes
        assert other.books[seat.player_id] == calm.books[seat.player_id], seat
        assert other.receipts[seat.player_id] == calm.receipts[seat.player_id], seat
    entries = sum(map(len, other.books.values()))
    report.note(
        f"store frozen {FROZEN_S:.0f} s (from its return)",
        [other.went_on_after_s],
        speed=SPEED,
        sessions=len(tuple(seats())),
        entries_equal=entries,
    )
