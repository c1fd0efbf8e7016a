"""What happens to PCs and to a club's link, told once each and numbered per source.

Like a session's events they are part of the unit that makes them true, so that an alert is
neither lost nor told twice, whoever owns the club.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from actors.pc import PcState
from schemas.device import MAX_USAGE_BATCH, UsageRecord
from schemas.events import ClubEventKind, LinkDownCause
from schemas.journal_events import JournalEvent
from schemas.views import LinkState

CLUB_KEY_PREFIX: Final = "club:"
BOOTS_REMEMBERED: Final = MAX_USAGE_BATCH
"""Runs of a PC whose journal is known to be recorded: a batch that comes again tells of no more."""

Value: TypeAlias = str | int | None
JournalEntry: TypeAlias = UsageRecord | JournalEvent
UsageMark: TypeAlias = tuple[str, int]
"""Records of a boot up to this number are durable."""


def club_key(club_id: str) -> str:
    """The entity key of a club's own state in its shard."""
    return CLUB_KEY_PREFIX + club_id


@dataclass(frozen=True, slots=True)
class ClubState:
    """The durable side of a club: its incident, and how many events it has told."""

    club_id: str
    event_seq: int = 0
    down_since_ms: int | None = None
    down_cause: str | None = None
    v: int = 1

    @property
    def is_silent(self) -> bool:
        """Its PCs fell silent together; the broker is there."""
        return self.down_cause == LinkDownCause.CLUB


@dataclass(frozen=True, slots=True)
class PcEvent:
    """One fact about a PC. ``seq`` counts per PC without gaps; ``at_ms`` is when it happened."""

    kind: ClubEventKind
    pc_id: str
    session_id: str | None
    club_id: str
    seq: int
    at_ms: int
    payload: Mapping[str, Value]

    @property
    def source(self) -> str:
        """What it happened to."""
        return f"pc:{self.pc_id}"


@dataclass(frozen=True, slots=True)
class OwnClubEvent:
    """One fact about a club's link, or its desk. ``seq`` counts per club without gaps."""

    kind: ClubEventKind
    club_id: str
    seq: int
    at_ms: int
    payload: Mapping[str, Value]

    @property
    def source(self) -> str:
        """What it happened to."""
        return f"club:{self.club_id}"


ClubEvent: TypeAlias = PcEvent | OwnClubEvent


@dataclass(frozen=True, slots=True)
class PcTold:
    """A PC and what is to be told of it with the change."""

    state: PcState
    events: tuple[PcEvent, ...] = ()

    def tell(
        self,
        kind: ClubEventKind,
        *,
        at_ms: int,
        session_id: str | None,
        payload: Mapping[str, Value],
    ) -> "PcTold":
        """The same with one more event."""
        state = replace(self.state, event_seq=self.state.event_seq + 1)
        event = PcEvent(
            kind, state.pc_id, session_id, state.club_id, state.event_seq, at_ms, payload
        )
        return PcTold(state, (*self.events, event))


def alerted(state: PcState, session_id: str | None, *, muted: bool, now_ms: int) -> PcTold:
    """Say that a PC somebody plays on is not heard, and say when it is again.

    ``session_id`` is the started session on it. Silence without a session, or of a PC that
    flaps (``muted``), is shown in the hall and told nobody.
    """
    told = PcTold(state)
    since_ms = state.alert_since_ms
    if since_ms is None:
        if state.link is not LinkState.NOT_RESPONDING or session_id is None or muted:
            return told
        payload = {"last_seen_at_ms": state.last_seen_at_ms}
        told = PcTold(replace(state, alert_since_ms=now_ms))
        return told.tell(
            ClubEventKind.PC_NOT_RESPONDING, at_ms=now_ms, session_id=session_id, payload=payload
        )
    if state.link is not LinkState.ONLINE:
        return told
    told = PcTold(replace(state, alert_since_ms=None))
    payload = {"not_responding_since_ms": since_ms}
    return told.tell(
        ClubEventKind.PC_RECOVERED, at_ms=now_ms, session_id=session_id, payload=payload
    )


_UNREACHABLE: Final = frozenset({LinkState.NOT_RESPONDING, LinkState.LINK_UNKNOWN})


def exposed(told: PcTold, session_id: str | None, *, now_ms: int) -> PcTold:
    """Say that a PC which cannot be told to lock could stay open, and when it obeys again."""
    state = told.state
    until_ms, told_ms = state.exposed_until_ms, state.exposure_told_until_ms
    if until_ms is None and told_ms is not None:
        cleared = replace(told, state=replace(state, exposure_told_until_ms=None))
        if told_ms <= now_ms:
            return cleared
        return cleared.tell(
            ClubEventKind.SEAT_SECURED, at_ms=now_ms, session_id=session_id, payload={}
        )
    fresh = until_ms is not None and until_ms != told_ms and until_ms > now_ms
    if not fresh or state.link not in _UNREACHABLE:
        return told
    noted = replace(told, state=replace(state, exposure_told_until_ms=until_ms))
    return noted.tell(
        ClubEventKind.SEAT_EXPOSED,
        at_ms=now_ms,
        session_id=session_id,
        payload={"until_ms": until_ms},
    )


def described(
    told: PcTold, before: PcState | None, session_id: str | None, *, now_ms: int
) -> PcTold:
    """Say that a PC which is heard is not whole, or is whole again, when that changes."""
    reasons = told.state.degraded
    if reasons == (() if before is None else before.degraded):
        return told
    kind = ClubEventKind.PC_DEGRADED if reasons else ClubEventKind.PC_WHOLE
    payload = {"reasons": ",".join(reasons)} if reasons else {}
    return told.tell(kind, at_ms=now_ms, session_id=session_id, payload=payload)


def used(state: PcState, entries: Sequence[JournalEntry], *, now_ms: int) -> PcTold:
    """Take what is not durable yet of a journal; the same PC when there is nothing."""
    told, marks = PcTold(state), dict(state.usage_marks)
    for entry in sorted(entries, key=lambda one: one.seq):
        if entry.seq <= marks.get(entry.boot_id, -1):
            continue
        marks.pop(entry.boot_id, None)
        marks[entry.boot_id] = entry.seq
        is_usage = isinstance(entry, UsageRecord)
        told = told.tell(
            ClubEventKind.PC_USAGE if is_usage else ClubEventKind.PC_JOURNAL,
            at_ms=now_ms,
            session_id=entry.session_id,
            payload=_usage(entry) if isinstance(entry, UsageRecord) else _journal(entry),
        )
    if not told.events:
        return told
    newest = tuple(marks.items())[-BOOTS_REMEMBERED:]
    return replace(told, state=replace(told.state, usage_marks=newest))


def _journal(event: JournalEvent) -> dict[str, Value]:
    return {
        "what": event.kind.value,
        "boot_id": event.boot_id,
        "record_sequence": event.seq,
        "started_at_ms": event.started_at_ms,
        "ended_at_ms": event.ended_at_ms,
        "duration_ms": max(0, event.ended_boot_ms - event.started_boot_ms),
        "detail": event.detail,
    }


def _usage(record: UsageRecord) -> dict[str, Value]:
    return {
        "lease_id": record.lease_id,
        "boot_id": record.boot_id,
        "record_sequence": record.seq,
        "started_at_ms": record.started_at_ms,
        "ended_at_ms": record.ended_at_ms,
        "duration_ms": max(0, record.ended_boot_ms - record.started_boot_ms),
        "end": record.end.value,
    }


def link_down(
    state: ClubState, cause: LinkDownCause, *, pcs: int, now_ms: int
) -> tuple[ClubState, OwnClubEvent]:
    """The incident begins."""
    after = replace(
        state, event_seq=state.event_seq + 1, down_since_ms=now_ms, down_cause=cause.value
    )
    payload = {"cause": cause.value, "pcs": pcs}
    kind = ClubEventKind.CLUB_LINK_DOWN
    return after, OwnClubEvent(kind, state.club_id, after.event_seq, now_ms, payload)


def link_restored(state: ClubState, *, now_ms: int) -> tuple[ClubState, OwnClubEvent]:
    """The incident is over."""
    after = replace(state, event_seq=state.event_seq + 1, down_since_ms=None, down_cause=None)
    payload = {"cause": state.down_cause, "down_since_ms": state.down_since_ms}
    kind = ClubEventKind.CLUB_LINK_RESTORED
    return after, OwnClubEvent(kind, state.club_id, after.event_seq, now_ms, payload)


def topped_up(
    state: ClubState, payload: Mapping[str, Value], *, now_ms: int
) -> tuple[ClubState, OwnClubEvent]:
    """Money was taken at the club's desk for a player's wallet."""
    after = replace(state, event_seq=state.event_seq + 1)
    kind = ClubEventKind.WALLET_TOPPED_UP
    return after, OwnClubEvent(kind, state.club_id, after.event_seq, now_ms, payload)
