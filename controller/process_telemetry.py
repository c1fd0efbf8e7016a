"""What the archive's and the webhooks' processes count, each in a registry of its own."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from controller.archive.deliveries import Owed
from controller.archive.sums import Oddities
from controller.verify.report import Report

MS_PER_S: Final = 1_000
ODDITIES: Final = {
    "rewinds": "How often the store was found to have gone back in time.",
    "conflicts": "Rows that came again with other content than is archived.",
    "gaps_lost": "Gaps in what is archived that the store cannot fill any more.",
    "unreadable": "Documents and entries that cannot be read and wait beside the tables.",
    "unsettled": "Transactions that a rewind undid and that nobody has settled.",
}


class WatchTelemetry:
    """What the checks came to, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._runs = Counter(
            "clubctl_verify_runs",
            "Checks of the books by result: ok, differ, failed.",
            ("result",),
            registry=self._registry,
        )
        self._mismatches = self._gauge("mismatches", "Rows that differed in the last check.")
        self._sessions = self._gauge("sessions", "Sessions the last check looked at.")
        self._seconds = self._gauge("duration_seconds", "How long the last check took.")
        self._finished = self._gauge(
            "last_finished_timestamp_seconds", "When a check last came to a result, UTC."
        )

        self._odd = {
            name: Gauge(f"clubctl_archive_{name}", text, registry=self._registry)
            for name, text in ODDITIES.items()
        }

        self._unread = Gauge(
            "clubctl_archive_webhooks_behind_seconds",
            "How far the sender of webhooks is behind the archive; after three days events go.",
            registry=self._registry,
        )

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"clubctl_verify_{name}", text, registry=self._registry)

    def stands(self, odd: Oddities, *, webhooks_behind_ms: int) -> None:
        """What the archive has noted that should not happen, and who lags behind it."""
        self._unread.set(webhooks_behind_ms / MS_PER_S)
        self._odd["rewinds"].set(odd.rewinds)
        self._odd["conflicts"].set(odd.conflicts)
        self._odd["gaps_lost"].set(odd.lost_gaps)
        self._odd["unreadable"].set(odd.unreadable)
        self._odd["unsettled"].set(odd.unsettled)

    def finished(self, report: Report, *, at_ms: int, took_ms: int) -> None:
        """Count a check that came to a result."""
        self._runs.labels("ok" if report.ok else "differ").inc()
        self._mismatches.set(len(report.rows))
        self._sessions.set(report.sessions)
        self._seconds.set(took_ms / MS_PER_S)
        self._finished.set(at_ms / MS_PER_S)

    def failed(self) -> None:
        """Count a check that could not be done."""
        self._runs.labels("failed").inc()

    def exposition(self) -> bytes:
        """The registry in the Prometheus text format."""
        return generate_latest(self._registry)


class WebhookTelemetry:
    """Attempts by what they came to, and what is owed. No labels of receivers: they are many."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._attempts = Counter(
            "clubctl_webhook_attempts",
            "Attempts by result: delivered, failed (it is tried again), dead (it is not).",
            ("result",),
            registry=self._registry,
        )
        for result in ("delivered", "failed", "dead"):
            self._attempts.labels(result)
        self._waiting = self._gauge("waiting", "Letters that wait to be sent or sent again.")
        self._dead = self._gauge("dead_letters", "Letters given up, kept for a replay.")
        self._lag = self._gauge("lag_seconds", "Age of the oldest letter that waits.")

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"clubctl_webhook_{name}", text, registry=self._registry)

    def tried(self, *, delivered: int, failed: int, dead: int) -> None:
        """Count attempts."""
        self._attempts.labels("delivered").inc(delivered)
        self._attempts.labels("failed").inc(failed)
        self._attempts.labels("dead").inc(dead)

    def owed(self, owed: Iterable[Owed], *, now_ms: int) -> None:
        """Note what every subscription of every chain is owed now (real UTC ms)."""
        found = list(owed)
        self._waiting.set(sum(one.waiting for one in found))
        self._dead.set(sum(one.dead for one in found))
        oldest = (one.oldest_at_ms for one in found if one.oldest_at_ms is not None)
        self._lag.set(max(0, now_ms - min(oldest, default=now_ms)) / MS_PER_S)

    def exposition(self) -> bytes:
        """The registry in the Prometheus text format."""
        return generate_latest(self._registry)
