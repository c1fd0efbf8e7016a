"""How late ticks ran, from the histograms hosts leave in the store; a killed host's are kept."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from actors.store import Snapshots

METRICS_PREFIX: Final = "metrics:"
BUCKET: Final = re.compile(
    r'^clubctl_tick_lateness_seconds_bucket\{(?:[^}]*,)?le="([^"]+)"[^}]*\} (\S+)', re.MULTILINE
)


@dataclass(slots=True)
class TickLateness:
    """Cumulative counts by upper bound in seconds, summed over hosts and their restarts."""

    _last: dict[str, Counter[float]] = field(default_factory=dict)
    _gone: Counter[float] = field(default_factory=Counter)

    async def look(self, snapshots: Snapshots) -> None:
        """Take the hosts' newest figures."""
        for name, text in (await snapshots.snapshots(METRICS_PREFIX)).items():
            self.add(name, text.decode())

    def add(self, host: str, exposition: str) -> None:
        """One host's metrics in the Prometheus text format. Fewer than before: it began anew."""
        buckets = Counter(
            {float(bound): int(float(count)) for bound, count in BUCKET.findall(exposition)}
        )
        before = self._last.get(host, Counter())
        if _total(buckets) < _total(before):
            self._gone.update(before)
        self._last[host] = buckets

    def quantile_ms(self, quantile: float) -> float | None:
        """The upper bound of the bucket that holds the quantile; None without any tick."""
        buckets = Counter(self._gone)
        for counts in self._last.values():
            buckets.update(counts)
        wanted = _total(buckets) * quantile
        if not wanted:
            return None
        return 1_000 * min(bound for bound, count in buckets.items() if count >= wanted)


def _total(buckets: Mapping[float, int]) -> int:
    return max(buckets.values(), default=0)
