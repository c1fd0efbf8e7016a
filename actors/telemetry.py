"""What a host measures about itself. The only prometheus import of this room."""

from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

LATENCY_BUCKETS_S: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
)  # fmt: skip
PcCount = Mapping[tuple[str, str, str, str], int]
SessionCount = Mapping[tuple[str, str, str], int]


class Telemetry:
    """A host's registry. No label names a PC, a player or a session: series stay countable."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.pcs = Gauge(
            "clubctl_pcs",
            "PCs by club, zone, link and use.",
            ("club", "zone", "link", "use"),
            registry=self.registry,
        )
        self.sessions = Gauge(
            "clubctl_sessions",
            "Open sessions by club, status and coverage.",
            ("club", "status", "coverage"),
            registry=self.registry,
        )
        self.shards = Gauge(
            "clubctl_shards_owned", "Shards this host owns.", registry=self.registry
        )
        self.quarantined = Gauge(
            "clubctl_entities_quarantined",
            "Entities parked after repeated failures.",
            registry=self.registry,
        )
        self.inbox = Gauge("clubctl_inbox_depth", "Inputs waiting.", registry=self.registry)
        self.ticks = self._counter("clubctl_billing_ticks", "Advances by result.", "result")
        self.steps = self._counter("clubctl_billing_steps", "Steps posted.", "club")
        self.commands = self._counter(
            "clubctl_commands", "Commands by kind and answer.", "kind", "code"
        )
        self.device_messages = self._counter(
            "clubctl_device_messages", "Messages from PCs by leaf and result.", "leaf", "result"
        )
        self.desired = self._counter(
            "clubctl_desired_documents", "Desired documents handed to the link.", "result"
        )
        self.usage_acks = self._counter(
            "clubctl_usage_acks", "Acknowledgements of usage handed to the link.", "result"
        )
        self.pc_commands = self._counter(
            "clubctl_pc_commands", "One-shot orders to PCs handed to the link.", "result"
        )
        self.outages = self._counter(
            "clubctl_link_outages", "Broker and club outages, one each.", "kind"
        )
        self._add_troubles()
        self._add_histograms()

    def _add_troubles(self) -> None:
        self.fenced = self._counter("clubctl_fenced_commits", "Writes refused to a former owner.")
        self.loop_failures = self._counter(
            "clubctl_shard_loop_failures", "Shard loops that died of a defect."
        )
        self.failures = self._counter(
            "clubctl_entity_failures", "Steps of one entity that failed, alone.", "kind"
        )
        self.effects_failed = self._counter(
            "clubctl_effects_failed", "Answers and documents that could not be handed over."
        )
        self.catalogue_refusals = self._counter(
            "clubctl_catalogue_refusals",
            "Catalogues a running shard could not read and left alone.",
        )
        self.clubs_refused = self._counter(
            "clubctl_clubs_refused", "Clubs not served, because another chain has their id."
        )
        self.names_lost = self._counter(
            "clubctl_host_names_lost", "Times that a newer process took this host's name."
        )
        self.recoveries = self._counter("clubctl_shard_loads", "Shards taken over and loaded.")
        self.clock_ahead = Gauge(
            "clubctl_clock_ahead_seconds",
            "How far the machine's calendar is ahead of the time the host bills by.",
            registry=self.registry,
        )
        self.clock_jumps = self._counter(
            "clubctl_clock_jumps", "Times the machine's calendar jumped and was not followed."
        )

    def _add_histograms(self) -> None:
        self.tick_lateness = self._histogram(
            "clubctl_tick_lateness_seconds", "From a tick's due instant to its turn, real time."
        )
        self.commit_latency = self._histogram(
            "clubctl_commit_latency_seconds", "A batch's round trip to the store."
        )
        self.command_to_pc = self._histogram(
            "clubctl_command_to_pc_seconds", "From a new target to the PC's word that it is done."
        )
        self.turn_duration = self._histogram("clubctl_turn_seconds", "Deciding one turn.")
        self.echo = self._histogram(
            "clubctl_broker_echo_seconds", "From a host's word to itself until it is back."
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(name, text, buckets=LATENCY_BUCKETS_S, registry=self.registry)

    def set_population(self, pcs: PcCount, sessions: SessionCount) -> None:
        """Replace the gauges of PCs and sessions, so that what is gone stops being reported."""
        self.pcs.clear()
        for labels, count in pcs.items():
            self.pcs.labels(*labels).set(count)
        self.sessions.clear()
        for session_labels, count in sessions.items():
            self.sessions.labels(*session_labels).set(count)

    def exposition(self) -> bytes:
        """The registry in the Prometheus text format."""
        return generate_latest(self.registry)
