"""Sessions as an owner looks through them, in any order, page by page."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import orjson

from actors.clock import Clock
from actors.store import ReadModels, StoredEntity
from billing_core.coverage import Coverage
from billing_core.session import SessionState, SessionStatus
from billing_core.stored import session_from_dict
from controller.archive.listing import PageAsk, SessionFilter, SortValue, sessions_page
from controller.lists.cursors import cursor_after, merged
from controller.lists.running import RunningSessions
from controller.lists.sources import Archived, ids_told, told_since_archived

OPEN_END_MS: Final = 2**53
"""Where a session without an end stands among ends."""
LABELS: Final[Mapping[SessionStatus, str]] = {
    SessionStatus.PENDING: "Wait",
    SessionStatus.ACTIVE: "Wait",
    SessionStatus.STARTED: "Active",
    SessionStatus.ENDED: "Ended",
    SessionStatus.CANCELLED: "Cancelled",
}


@dataclass(frozen=True, slots=True)
class ListedSession:
    """A session as of one instant. ``tariff_names`` are its own once it is over."""

    state: SessionState
    version: int
    now_ms: int
    tariff_names: Mapping[str, str] | None = None
    billed: tuple[int, int] | None = None
    """Total and bonus part of the receipt, once there is one."""

    @property
    def amount_minor(self) -> int:
        """What it cost, or has cost so far."""
        return self.state.amount_minor if self.billed is None else self.billed[0]

    @property
    def bonus_minor(self) -> int:
        """The bonus part of it."""
        return self.state.bonus_minor if self.billed is None else self.billed[1]

    @property
    def row_id(self) -> str:
        """The session's id."""
        return self.state.session_id

    @property
    def label(self) -> str:
        """Its status as the list calls it."""
        return LABELS[self.state.status]

    @property
    def played_ms(self) -> int:
        """How long it was, or has been, played."""
        started_ms = self.state.actual_start_at_ms
        if started_ms is None:
            return 0
        ended_ms = self.state.actual_end_at_ms
        return max(0, (self.now_ms if ended_ms is None else ended_ms) - started_ms)

    @property
    def end_at_ms(self) -> int | None:
        """When it ended, once it is over; never before it began, or was to."""
        return self.state.effective_end_at_ms if self.state.status.is_final else None

    @property
    def coverage(self) -> Coverage | None:
        """Until when it is paid for; None once it is over."""
        return None if self.state.status.is_final else self.state.coverage

    def value(self, sort: str) -> SortValue:
        """See :class:`controller.lists.cursors.Listed`."""
        return _SORTED_BY[sort](self)


_SORTED_BY: Final[Mapping[str, Callable[[ListedSession], SortValue]]] = {
    "startAt": lambda one: one.state.effective_start_at_ms,
    "endAt": lambda one: OPEN_END_MS if one.end_at_ms is None else one.end_at_ms,
    "playedSeconds": lambda one: one.played_ms,
    "amount": lambda one: one.amount_minor,
    "status": lambda one: one.label,
    "zoneId": lambda one: one.state.zone_id,
    "pcId": lambda one: one.state.pc_id,
    "tariffId": lambda one: one.state.tariff.id,
}


class SessionSource(ReadModels, Protocol):
    """The part of the store that sessions are listed from."""

    async def closed_among(
        self, chain_id: str, session_ids: Sequence[str]
    ) -> tuple[StoredEntity, ...]:
        """Those of these sessions that are closed and not yet dropped."""


class SessionList:
    """Pages of one chain's sessions."""

    def __init__(
        self,
        store: SessionSource,
        archived: Archived | None,
        clock: Clock,
        *,
        running: RunningSessions,
    ) -> None:
        self._store = store
        self._archived = archived
        self._clock = clock
        self._running = running

    async def page(
        self, chain_id: str, clubs: Collection[str], wanted: SessionFilter, *, ask: PageAsk
    ) -> tuple[list[ListedSession], str | None]:
        """(sessions, cursor of the next page) among ``clubs``.

        A session whose sort value does not change while pages are turned is on exactly one of
        them, wherever it moves meanwhile. Raises ArchiveBehindError, CursorError.
        """
        one_more = replace(ask, count=ask.count + 1)
        now_ms = self._clock.wall_ms()
        recent = await self._recent(chain_id, clubs, now_ms=now_ms)
        known = {name: one for name, one in recent.items() if is_wanted(one, wanted)}
        rows = merged(known.values(), one_more)
        if self._archived is not None:
            page, archived = await self._archived.look(
                sessions_page, chain_id, wanted, ask=one_more, among=[one.row_id for one in rows]
            )
            # What ran a moment ago and is archived now is what the archive says.
            known = {name: one for name, one in known.items() if name not in archived}
            known |= {stored.key: _closed(stored, now_ms) for stored in page}
            rows = merged(known.values(), one_more)
        if len(rows) <= ask.count:
            return rows, None
        return rows[: ask.count], cursor_after(ask, rows[ask.count - 1])

    async def _recent(
        self, chain_id: str, clubs: Collection[str], *, now_ms: int
    ) -> dict[str, ListedSession]:
        """What runs or waits, then what has closed since the archive looked: in this order a
        session that closes in between is seen twice, and never not at all."""
        by_club = await asyncio.gather(
            *(self._running.of(chain_id, club_id) for club_id in sorted(clubs))
        )
        known = {
            state.session_id: ListedSession(state, stored.version, now_ms)
            for sessions in by_club
            for stored, state in sessions
        }
        told = await told_since_archived(self._store, self._archived, chain_id)
        for stored in await self._store.closed_among(chain_id, ids_told(told, "session_id")):
            known[stored.key] = _closed(stored, now_ms)
        return known


def is_wanted(one: ListedSession, wanted: SessionFilter) -> bool:
    """Whether a session passes the filter, as the archive's query has it."""
    state = one.state
    if one.label not in wanted.statuses:
        return False
    for among, has in (
        (wanted.club_ids, state.club_id),
        (wanted.coverage_statuses, None if one.coverage is None else one.coverage.status),
        (wanted.ended_reasons, state.ended_reason),
    ):
        if among is not None and has not in among:
            return False
    for asked, found in (
        (wanted.zone_id, state.zone_id),
        (wanted.pc_id, state.pc_id),
        (wanted.player_id, state.player_id),
        (wanted.tariff_id, state.tariff.id),
    ):
        if asked is not None and found != asked:
            return False
    start_ms = state.effective_start_at_ms
    if wanted.from_ms is not None and start_ms < wanted.from_ms:
        return False
    if wanted.until_ms is not None and start_ms >= wanted.until_ms:
        return False
    return wanted.search is None or _is_found(state, wanted.search, wanted.found_players)


def _is_found(state: SessionState, begins: str, players: Collection[str]) -> bool:
    return state.session_id.startswith(begins) or state.player_id in players


def _closed(stored: StoredEntity, now_ms: int) -> ListedSession:
    document = orjson.loads(stored.blob)
    state = session_from_dict(document["state"])
    receipt = document["receipt"]
    billed = (receipt["total_minor"], receipt["bonus_minor"])
    return ListedSession(state, stored.version, now_ms, document["tariff_names"], billed)
