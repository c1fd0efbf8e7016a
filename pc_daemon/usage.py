"""Proof of service: stretches in which this PC was unlocked, kept until they are acknowledged."""

from dataclasses import dataclass, replace
from typing import Final

from pc_daemon.clock import Instant
from schemas.device import MAX_USAGE_BATCH, UsageAck, UsageEnd, UsageRecord

MAX_USAGE_RECORDS: Final = 256


@dataclass(frozen=True, slots=True)
class Stretch:
    """Unlocked since; not over yet."""

    session_id: str
    lease_id: str
    since: Instant


@dataclass(frozen=True, slots=True)
class UsageBook:
    """The running stretch and the finished ones nobody has acknowledged, oldest first.

    Beyond ``MAX_USAGE_RECORDS`` the oldest is dropped and counted.
    """

    stretch: Stretch | None = None
    records: tuple[UsageRecord, ...] = ()
    next_seq: int = 1
    dropped_count: int = 0

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
        records = (*self.records, record)
        return UsageBook(
            records=records[-MAX_USAGE_RECORDS:],
            next_seq=self.next_seq + 1,
            dropped_count=self.dropped_count + max(0, len(records) - MAX_USAGE_RECORDS),
        )

    def acknowledged(self, ack: UsageAck) -> "UsageBook":
        """Forget records up to the acknowledged one; an unknown one acknowledges nothing."""
        for index, record in enumerate(self.records):
            if (record.boot_id, record.seq) == (ack.boot_id, ack.seq):
                return replace(self, records=self.records[index + 1 :])
        return self

    def batch(self) -> tuple[UsageRecord, ...]:
        """The oldest records that fit one message."""
        return self.records[:MAX_USAGE_BATCH]
