"""What Prometheus reads: this process's own figures, and every host's, in one exposition.

Hosts leave their exposition text in the store (snapshots ``metrics:<host>``). A counter, a
histogram and a gauge without a ``club`` label are facts about one host and get the label
``host``. A gauge of a club belongs to the club, whichever host tells it: while a club moves and
two hosts tell it, the larger figure is shown, so that nothing is counted twice.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from actors.store import Snapshots, StoreError

SNAPSHOT_PREFIX: Final = "metrics:"
MEDIA_TYPE: Final = CONTENT_TYPE_LATEST
_LATENCY_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_CREATED: Final = "_created"
_KNOWN_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

Labels = dict[str, str]


class HttpMetrics:
    """This process's own figures, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "clubctl_http_requests_total",
            "HTTP requests by route template and status.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._latency = Histogram(
            "clubctl_http_request_seconds",
            "Real time from a request to the end of its response, live streams left out.",
            ("method", "route"),
            buckets=_LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self._streams = Gauge(
            "clubctl_http_live_streams", "Live hall streams open now.", registry=self.registry
        )
        self._unreadable = Counter(
            "clubctl_metrics_unreadable_snapshots_total",
            "Host expositions that could not be read and were left out.",
            registry=self.registry,
        )
        self._skipped_entries = Counter(
            "clubctl_live_entries_skipped_total",
            "Entries of a live stream that could not be read and were left out.",
            registry=self.registry,
        )

    def observe(self, *, method: str, route: str, status: int, took_ms: int | None) -> None:
        """Count one request; ``took_ms`` None leaves it out of the latencies (a stream)."""
        verb = method if method in _KNOWN_METHODS else "other"
        self._requests.labels(verb, route, str(status)).inc()
        if took_ms is not None:
            self._latency.labels(verb, route).observe(took_ms / 1_000)

    def stream_opened(self) -> None:
        """Count a live stream in."""
        self._streams.inc()

    def stream_closed(self) -> None:
        """Count a live stream out."""
        self._streams.dec()

    def snapshot_unreadable(self) -> None:
        """Count a host's text that is not an exposition."""
        self._unreadable.inc()

    def live_entry_skipped(self) -> None:
        """Count an entry of a live stream that is no tile and no event."""
        self._skipped_entries.inc()


class _Families(Collector):
    """Ready-made families, as a collector."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = tuple(families)

    def collect(self) -> Iterator[Metric]:
        """The families without their creation times: half the series, and nobody's question."""
        for family in self._families:
            if not family.name.endswith(_CREATED):
                family.samples = [each for each in family.samples if not _is_created(each)]
                yield family


def _is_created(sample: Sample) -> bool:
    return sample.name.endswith(_CREATED)


async def exposition(http: HttpMetrics, snapshots: Snapshots) -> bytes:
    """Everything, in the Prometheus text format.

    A store that does not answer leaves the hosts out and says so: ``clubctl_store_up`` is 0.
    """
    try:
        texts = await snapshots.snapshots(SNAPSHOT_PREFIX)
        store_up = True
    except StoreError:
        texts, store_up = {}, False
    by_host = {name.removeprefix(SNAPSHOT_PREFIX): text for name, text in texts.items()}
    families = merge_expositions(by_host, http)
    up = Metric("clubctl_store_up", "1 when the store answered this scrape.", "gauge")
    up.add_sample("clubctl_store_up", {}, float(store_up))
    merged = CollectorRegistry()
    merged.register(_Families([*http.registry.collect(), *families, up]))
    return generate_latest(merged)


def merge_expositions(by_host: Mapping[str, bytes], http: HttpMetrics) -> list[Metric]:
    """One family per name out of every host's text; unreadable texts are counted, not shown."""
    families: dict[str, _Merging] = {}
    for host, text in sorted(by_host.items()):
        for family in _parsed(text, http):
            merging = families.setdefault(family.name, _Merging(family))
            merging.add(family, host)
    return [merging.family() for _, merging in sorted(families.items())]


def _parsed(text: bytes, http: HttpMetrics) -> list[Metric]:
    try:
        return list(text_string_to_metric_families(text.decode()))
    except ValueError:
        http.snapshot_unreadable()
        return []


class _Merging:
    """One family while hosts are added to it."""

    def __init__(self, first: Metric) -> None:
        self._name = first.name
        self._type = first.type
        self._documentation = first.documentation
        self._samples: dict[tuple[str, tuple[tuple[str, str], ...]], Sample] = {}

    def add(self, family: Metric, host: str) -> None:
        """Take a host's samples, unless it speaks of another type under the same name."""
        if family.type != self._type:
            return
        for sample in family.samples:
            labels = self._labels(sample, host)
            key = (sample.name, tuple(sorted(labels.items())))
            known = self._samples.get(key)
            if known is None or sample.value > known.value:
                self._samples[key] = sample._replace(labels=labels)

    def _labels(self, sample: Sample, host: str) -> Labels:
        labels = dict(sample.labels)
        if self._type == "gauge" and "club" in labels:
            return labels
        labels.setdefault("host", host)
        return labels

    def family(self) -> Metric:
        """The merged family."""
        merged = Metric(self._name, self._documentation, self._type)
        merged.samples = list(self._samples.values())
        return merged
