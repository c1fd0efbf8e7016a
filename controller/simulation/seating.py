"""Who sits where, as the store is told: what must be true of sessions after every single write."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

LEAST_TIME_MS: Final = 60_000
"""A booking without an end keeps its PC free for this long at least."""

NEXT_STATUSES: Final[Mapping[str | None, frozenset[str]]] = MappingProxyType(
    {
        None: frozenset({"PENDING", "ACTIVE", "STARTED", "ENDED"}),
        "PENDING": frozenset({"PENDING", "ACTIVE", "STARTED", "ENDED", "CANCELLED"}),
        "ACTIVE": frozenset({"ACTIVE", "STARTED", "ENDED", "CANCELLED"}),
        "STARTED": frozenset({"STARTED", "ENDED"}),
        # Written again when time comes back that its PC did not serve.
        "ENDED": frozenset({"ENDED"}),
        "CANCELLED": frozenset(),
    }
)

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """One session's place: its PC, from when, until when as far as that was said or is paid."""

    pc_id: str
    status: str
    player_id: str | None
    booked: bool
    from_ms: int
    until_ms: int
    ended_ms: int | None


@dataclass(slots=True)
class Seating:
    """``places`` are all sessions' last known; finished ones stay, so that none comes back."""

    parallel_sessions: bool = False
    places: dict[str, Place] = field(default_factory=dict)

    def saw(self, state: Document) -> Iterator[str]:
        """A session was written; what is wrong with that."""
        session_id, status = state["session_id"], state["status"]
        before = self.places.get(session_id)
        if status not in NEXT_STATUSES[None if before is None else before.status]:
            yield f"{session_id} became {status} after {before and before.status}"
        place = self.places[session_id] = _place_of(state)
        if before is not None and before.ended_ms not in (None, place.ended_ms):
            yield f"{session_id} ended {before.ended_ms} and then {place.ended_ms}"
        started_ms, coverage = state["actual_start_at_ms"], state["coverage"]
        if started_ms is not None and coverage is not None:
            until_ms = coverage["until_ms"]
            if until_ms is not None and until_ms < started_ms:
                yield f"{session_id} is covered until {started_ms - until_ms} ms before its start"
        for other_id, other in self.places.items():
            if other_id != session_id:
                yield from self._together(session_id, place, other_id, other=other)

    def _together(
        self, session_id: str, place: Place, other_id: str, *, other: Place
    ) -> Iterator[str]:
        both_play = place.status == other.status == "STARTED"
        if both_play and place.pc_id == other.pc_id:
            yield f"{session_id} and {other_id} both play on {place.pc_id}"
        same_player = place.player_id is not None and place.player_id == other.player_id
        if both_play and same_player and not self.parallel_sessions:
            yield f"{place.player_id} plays in {session_id} and {other_id} at once"
        if place.pc_id == other.pc_id and _are_booked(place, other) and _overlap(place, other):
            yield f"{session_id} and {other_id} have both booked {place.pc_id}"


def _place_of(state: Document) -> Place:
    planned_ms, end_ms = state["planned_start_at_ms"], state["planned_end_at_ms"]
    return Place(
        pc_id=state["pc_id"],
        status=state["status"],
        player_id=state["player_id"],
        booked=planned_ms > state["created_at_ms"],
        from_ms=planned_ms,
        until_ms=end_ms or planned_ms + LEAST_TIME_MS,
        ended_ms=state["actual_end_at_ms"],
    )


def _are_booked(one: Place, other: Place) -> bool:
    """Both for later. One that is due already takes a PC for as long as that is free."""
    return one.status == other.status == "PENDING" and one.booked and other.booked


def _overlap(one: Place, other: Place) -> bool:
    return one.from_ms < other.until_ms and other.from_ms < one.until_ms
