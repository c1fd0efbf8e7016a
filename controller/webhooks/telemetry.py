"""What becomes of deliveries, for Prometheus, in a registry of their own."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from controller.archive.deliveries import Owed

METRICS_SNAPSHOT: Final = "metrics:webhooks"
METRICS_TTL_MS: Final = 60_000
MS_PER_S: Final = 1_000


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
