"""What a PC can prove: stretches in which it served, and what else happened to it. Pure.

Records and events are numbered together, so that one acknowledgement covers both. The book is
what is in memory of the journal; every entry in it is on disk before anything else is done.
"""

from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from pc_daemon.clock import Instant
from schemas.device import MAX_USAGE_BATCH, UsageAck, UsageEnd, UsageRecord
from schemas.journal_events import JournalEvent, JournalEventKind

MAX_JOURNAL_ENTRIES: Final = 2_048
"""A PC that nobody acknowledges anything to keeps so many, months of use."""

Entry: TypeAlias = UsageRecord | JournalEvent


@dataclass(frozen=True, slots=True)
class Stretch:
    """Unlocked since; not over yet."""

    session_id: str
    lease_id: str
    since: Instant


@dataclass(frozen=True, slots=True)
class UsageBook:
    """The running stretch and what nobody has acknowledged, oldest first.

    Beyond ``MAX_JOURNAL_ENTRIES`` the oldest is dropped and counted: what happened last is what
    somebody may still ask about.
    """

    stretch: Stretch | None = None
    entries: tuple[Entry, ...] = ()
    next_seq: int = 1
    dropped_count: int = 0

    @property
    def records(self) -> tuple[UsageRecord, ...]:
        """The finished stretches among the entries."""
        return tuple(entry for entry in self.entries if isinstance(entry, UsageRecord))

    def opened(self, session_id: str, lease_id: str, now: Instant) -> "UsageBook":
        """Start a stretch."""
        return replace(self, stretch=Stretch(session_id, lease_id, now))

    def closed(self, boot_id: str, end: UsageEnd, at: Instant) -> "UsageBook":
        """Finish the running stretch, if any, at ``at``."""
        if self.stretch is None:
            return self
        since = self.stretch.since
        record = UsageRecord(
            boot_id=boot_id,
            seq=self.next_seq,
            session_id=self.stretch.session_id,
            lease_id=self.stretch.lease_id,
            started_boot_ms=since.boot_ms,
            ended_boot_ms=max(since.boot_ms, at.boot_ms),
            started_at_ms=since.wall_ms,
            ended_at_ms=at.wall_ms,
            end=end,
        )
        return _with(replace(self, stretch=None), record)

    def noted(
        self,
        kind: JournalEventKind,
        *,
        boot_id: str,
        since: Instant,
        until: Instant,
        detail: str = "",
    ) -> "UsageBook":
        """Write down what happened, with the session that runs."""
        event = JournalEvent(
            boot_id=boot_id,
            seq=self.next_seq,
            kind=kind,
            started_boot_ms=since.boot_ms,
            ended_boot_ms=max(since.boot_ms, until.boot_ms),
            started_at_ms=since.wall_ms,
            ended_at_ms=until.wall_ms,
            session_id=None if self.stretch is None else self.stretch.session_id,
            detail=detail,
        )
        return _with(self, event)

    def acknowledged(self, ack: UsageAck) -> "UsageBook":
        """Forget entries up to the acknowledged one; an unknown one acknowledges nothing."""
        for index, entry in enumerate(self.entries):
            if (entry.boot_id, entry.seq) == (ack.boot_id, ack.seq):
                return replace(self, entries=self.entries[index + 1 :])
        return self

    def batch(self) -> tuple[tuple[UsageRecord, ...], tuple[JournalEvent, ...]]:
        """The oldest records and events that fit one message."""
        oldest = self.entries[:MAX_USAGE_BATCH]
        records = tuple(entry for entry in oldest if isinstance(entry, UsageRecord))
        return records, tuple(entry for entry in oldest if isinstance(entry, JournalEvent))


def _with(book: UsageBook, entry: Entry) -> UsageBook:
    entries = (*book.entries, entry)
    return replace(
        book,
        entries=entries[-MAX_JOURNAL_ENTRIES:],
        next_seq=book.next_seq + 1,
        dropped_count=book.dropped_count + max(0, len(entries) - MAX_JOURNAL_ENTRIES),
    )
