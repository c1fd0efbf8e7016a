"""The people of the demo: they come until the hall is as full as it should be, play, and go.

One step reads every club's hall, lets whoever is due do what they meant to, and lets others in.
What the hall does not show any more is over, whoever ended it.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final

import structlog

from actors.clock import Clock
from controller.demo.club_api import ClubApi, Seat
from controller.demo.errands import Errands, Visit
from controller.demo.intentions import (
    Act,
    Deed,
    Intention,
    departure,
    intention,
    usual_stay_minutes,
)
from controller.demo.plan import ClubPlan, DemoPlan, Player

STEP_S: Final = 0.5
ERRANDS_AT_ONCE: Final = 16
FULLNESS: Final = 0.7
FULLNESS_SWING: Final = 0.1
SWING_PERIOD_MS: Final = 3 * 3_600_000
ARRIVALS_PER_STEP: Final = 2
ARRIVALS_SHARE: Final = 0.1
"""At most this part of the empty seats, and a few, fills in one step."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Crowd:
    """Drives everybody through the public API. ``halls`` is the last hall seen of each club."""

    api: ClubApi
    plan: DemoPlan
    clock: Clock
    random: Random
    halls: dict[str, tuple[Seat, ...]] = field(default_factory=dict)
    deeds: Counter[str] = field(default_factory=Counter)
    _errands: Errands = field(init=False)
    _visits: dict[str, Visit] = field(default_factory=dict)
    _arriving: set[str] = field(default_factory=set)
    _pcs_promised: set[str] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(ERRANDS_AT_ONCE))
    _step_count: int = 0
    _looked_around: bool = False

    def __post_init__(self) -> None:
        self._errands = Errands(self.api, self.random)

    async def run(self) -> None:
        """Step until cancelled. Commands in flight are awaited by :meth:`leave`."""
        while True:
            await self.step()
            await asyncio.sleep(STEP_S)

    async def step(self) -> None:
        """Read the halls, then let people act."""
        if not await self._look():
            return
        if not self._looked_around:
            self._adopt_strangers()
            self._looked_around = True
        self._notice_departures()
        now_ms = self.clock.wall_ms()
        for visit in self._visits.values():
            if not visit.busy and visit.acts and visit.acts[0].at_ms <= now_ms:
                visit.busy = True
                self._spawn(self._act(visit, visit.acts.pop(0).deed))
        for club in self.plan.clubs:
            self._let_in(club, now_ms)

    async def leave(self, *, timeout_s: float) -> bool:
        """Everybody ends what they play or booked; whether the halls were empty in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    if await self._emptied():
                        return True
                    await asyncio.sleep(STEP_S)
        except TimeoutError:
            log.warning("people are still playing", sessions=self._open_sessions())
            return False

    async def _look(self) -> bool:
        self._step_count += 1
        for club in self.plan.clubs:
            hall = await self.api.hall(club.club_id)
            if hall is None:
                return False
            self.halls[club.club_id] = hall
        return True

    def _adopt_strangers(self) -> None:
        """Sessions of an earlier run go on: whoever sits there plays a while and leaves."""
        players = {player.player_id: player for player in self.plan.players}
        now_ms = self.clock.wall_ms()
        for club, seat in self._seats():
            if seat.session_id is None:
                continue
            acts = departure(self.random, stay_minutes=self._stay_minutes, now_ms=now_ms)
            begins = () if seat.session_status == "STARTED" else (Act(now_ms, Deed.START),)
            self._visits[seat.session_id] = Visit(
                club=club,
                player=players.get(seat.player_id or ""),
                pc_id=seat.pc_id,
                session_id=seat.session_id,
                acts=[*begins, *acts],
                since_step=self._step_count,
            )

    def _notice_departures(self) -> None:
        shown = self._open_sessions()
        for visit in list(self._visits.values()):
            settled = not visit.busy and visit.since_step < self._step_count
            if settled and visit.session_id not in shown:
                del self._visits[visit.session_id]

    def _let_in(self, club: ClubPlan, now_ms: int) -> None:
        hall = self.halls[club.club_id]
        free = self._free_pcs(club)
        taken = sum(
            seat.session_id is not None or seat.pc_id in self._pcs_promised for seat in hall
        )
        missing = round(len(hall) * _fullness(now_ms)) - taken
        for _ in range(min(missing, ARRIVALS_PER_STEP + int(missing * ARRIVALS_SHARE))):
            if not free:
                return
            seat = free.pop(self.random.randrange(len(free)))
            means = intention(
                self.random,
                club,
                zone_id=seat.zone_id,
                stay_minutes=self._stay_minutes,
                now_ms=now_ms,
            )
            self._welcome(club, seat, means)

    def _welcome(self, club: ClubPlan, seat: Seat, means: Intention) -> None:
        player = None if means.as_guest else self._somebody()
        if player is None and not means.as_guest:
            return
        self._pcs_promised.add(seat.pc_id)
        if player is not None:
            self._arriving.add(player.player_id)
        self._spawn(self._arrive(club, seat, means=means, player=player))

    async def _arrive(
        self, club: ClubPlan, seat: Seat, *, means: Intention, player: Player | None
    ) -> None:
        try:
            async with self._gate:
                session_id = await self._errands.sit_down(club, seat, means=means, player=player)
        finally:
            self._pcs_promised.discard(seat.pc_id)
            if player is not None:
                self._arriving.discard(player.player_id)
        if session_id is None:
            return
        self.deeds[means.habit] += 1
        self._visits[session_id] = Visit(
            club=club,
            player=player,
            pc_id=seat.pc_id,
            session_id=session_id,
            acts=list(means.acts),
            since_step=self._step_count + 1,
        )

    async def _act(self, visit: Visit, deed: Deed) -> None:
        try:
            async with self._gate:
                free = [seat.pc_id for seat in self._free_pcs(visit.club)]
                done = await self._errands.do(visit, deed, free_pcs=free)
        finally:
            visit.since_step = self._step_count + 1
            visit.busy = False
        if done:
            self.deeds[deed] += 1

    async def _emptied(self) -> bool:
        if self._tasks:
            await asyncio.wait(self._tasks)
        if not await self._look():
            return False
        playing = [
            (seat.session_id, seat.session_status == "STARTED")
            for _, seat in self._seats()
            if seat.session_id is not None
        ]
        await asyncio.gather(*(self._finish(each, started=started) for each, started in playing))
        return not playing

    async def _finish(self, session_id: str, *, started: bool) -> None:
        async with self._gate:
            await self._errands.finish(session_id, started=started)

    def _somebody(self) -> Player | None:
        present = {visit.player.player_id for visit in self._visits.values() if visit.player}
        absent = [
            player
            for player in self.plan.players
            if player.player_id not in present and player.player_id not in self._arriving
        ]
        return self.random.choice(absent) if absent else None

    def _free_pcs(self, club: ClubPlan) -> list[Seat]:
        return [
            seat
            for seat in self.halls[club.club_id]
            if seat.is_free and seat.pc_id not in self._pcs_promised
        ]

    def _seats(self) -> Iterator[tuple[ClubPlan, Seat]]:
        for club in self.plan.clubs:
            for seat in self.halls.get(club.club_id, ()):
                yield club, seat

    def _open_sessions(self) -> frozenset[str]:
        return frozenset(seat.session_id for _, seat in self._seats() if seat.session_id)

    @property
    def _stay_minutes(self) -> float:
        return usual_stay_minutes(self.clock.speed)

    def _spawn(self, errand: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(errand)
        self._tasks.add(task)
        task.add_done_callback(self._reap)

    def _reap(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.deeds["failed"] += 1
            log.error("an errand of the demo failed", exc_info=error)


def _fullness(now_ms: int) -> float:
    phase = 2 * math.pi * (now_ms % SWING_PERIOD_MS) / SWING_PERIOD_MS
    return FULLNESS + FULLNESS_SWING * math.sin(phase)
