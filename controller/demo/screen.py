"""What the demo shows: each step while it starts, then one table kept up to date.

On anything but a terminal it prints plain lines instead.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from actors.clock import Clock, SystemClock
from controller.api.instants import render_instant
from controller.demo.plan import CHAIN_NAME

LINE_EVERY_MS: Final = 15_000


@dataclass(frozen=True, slots=True)
class LiveSummary:
    """What is known of the running demo. Each pair is a caption and its value."""

    business_at_ms: int
    pcs: tuple[tuple[str, int], ...]
    seated: int
    sessions_started: int
    sessions_ended: int
    steps: int
    revenue: tuple[tuple[str, int], ...]
    hosts: tuple[str, ...]
    faults: tuple[tuple[str, int], ...]
    trouble: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where to look, shown above everything else."""

    hall_url: str
    api_key: str
    key_file: str
    logs: str
    speed: float


class Progress:
    """A step under way; ``say`` changes what is shown of it."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say


class Screen:
    """Shows the demo on ``console``."""

    def __init__(self, console: Console, clock: Clock | None = None) -> None:
        self._console = console
        self._clock = clock or SystemClock()
        self._live: Live | None = None
        self._line_due_ms = 0

    @contextmanager
    def step(self, name: str) -> Iterator[Progress]:
        """Show a step while it runs, then how long it took."""
        began_ms = self._clock.mono_ms()
        with self._console.status(name) as status:
            yield Progress(lambda text: status.update(f"{name}: {text}"))
        took_s = (self._clock.mono_ms() - began_ms) / 1_000
        self._console.print(Text(f"  ✔ {name} ({took_s:.1f} s)"))

    def say(self, text: str) -> None:
        """A line of its own."""
        self._console.print(Text(text), soft_wrap=True)

    def fail(self, text: str) -> None:
        """Why the demo cannot go on."""
        self._console.print(Text(f"✘ {text}", style="bold red"), soft_wrap=True)

    @contextmanager
    def summary(self, addresses: Addresses) -> Iterator[None]:
        """Keep one table up to date while the demo runs."""
        for caption, value in _addresses(addresses):
            self._console.print(Text(f"  {caption:<9}{value}"), soft_wrap=True)
        if not self._console.is_terminal:
            yield
            return
        with Live(console=self._console, auto_refresh=False) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def show(self, summary: LiveSummary) -> None:
        """The newest figures."""
        if self._live is not None:
            self._live.update(_table(summary), refresh=True)
        elif self._clock.mono_ms() >= self._line_due_ms:
            self._line_due_ms = self._clock.mono_ms() + LINE_EVERY_MS
            pairs = "; ".join(f"{caption} {value}" for caption, value in _rows(summary))
            self._console.print(Text(pairs), soft_wrap=True)


def _addresses(addresses: Addresses) -> Iterator[tuple[str, str]]:
    yield "Hall", addresses.hall_url
    yield "API key", f"{addresses.api_key}   (kept in {addresses.key_file})"
    yield (
        "API",
        f"{addresses.hall_url}/api/v1/openapi.json, metrics at {addresses.hall_url}/metrics",
    )
    yield "Logs", addresses.logs
    yield "Time", f"runs at {addresses.speed:g} times real time. Ctrl-C stops everything."


def _rows(summary: LiveSummary) -> Iterator[tuple[str, str]]:
    yield "club time", render_instant(summary.business_at_ms).replace("T", " ")[:16] + " UTC"
    yield "PCs", _pairs(summary.pcs)
    yield "playing", str(summary.seated)
    yield "sessions", f"{summary.sessions_started} started, {summary.sessions_ended} ended"
    yield "ticks", f"{summary.steps:,} minutes billed"
    yield "revenue", ", ".join(f"{minor / 100:,.2f} {name}" for name, minor in summary.revenue)
    yield "hosts", ", ".join(summary.hosts) or "none alive"
    if summary.faults:
        yield "faults", _pairs(summary.faults)
    if summary.trouble:
        yield "trouble", ", ".join(summary.trouble)


def _pairs(pairs: tuple[tuple[str, int], ...]) -> str:
    return ", ".join(f"{count} {name}" for name, count in pairs) or "none yet"


def _table(summary: LiveSummary) -> RenderableType:
    table = Table(show_header=False, box=None, padding=(0, 2))
    table.add_column(style="dim")
    table.add_column()
    for caption, value in _rows(summary):
        alarming = caption == "trouble"
        table.add_row(caption, Text(value, style="bold red" if alarming else ""))
    return Group(Text(f"\n{CHAIN_NAME}", style="bold"), table)
