"""docs/limits.md names bounds that exist, at the values they have, and those that code shows by
its form (see ``bounds_found``)."""

import importlib
import re
from pathlib import Path

import pytest
from bounds_found import NO_LIMIT, Bound, bounds_in

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "limits.md"
ROOMS = ("actors", "billing_core", "controller", "pc_daemon", "schemas")
ROW = re.compile(r"^\| [^|]+ \| `([a-z_.]+)\.([A-Z_]+)` \| (\d+) \| [^|]+ \|$", re.MULTILINE)
ROWS = ROW.findall(PAGE.read_text())
ON_THE_PAGE = {(module, name) for module, name, _ in ROWS}

NO_CLUB_RUNS = (
    "actors.store_memory",
    "controller.bench",
    "controller.client",
    "controller.demo",
    "controller.simulation",
    "pc_daemon.fleet",
    "schemas.link_memory",
)
"""Twins, simulations, tools: their limits are those of a test."""

NOT_WAITED_FOR = {
    ("actors.inbox", NO_LIMIT): "commands: `put_command` refuses beyond COMMANDS_MAX",
    ("actors.presence", "FLAPPING_EDGES"): "so many edges are flapping; a window, not a queue",
    ("actors.quarantine", "FAILURES_MAX"): "so many failures park; a window, not a queue",
    ("controller.api.live", NO_LIMIT): "`take` forgets beyond KEPT_ENTRIES",
    ("controller.club_ids", "CHAIN_ID_MAX"): "the length of a name",
    ("controller.api.players", "DECODED_AT_ONCE"): "then others have their turn",
    ("controller.broker.config", "MAX_INFLIGHT"): "MQTT's own window; beyond it MAX_QUEUED counts",
    ("controller.coordinator", "REBALANCE_SLACK"): "how uneven hosts may be",
    ("controller.lists.audit_list", "ENTRIES_PER_READ"): "the size of a read, one after another",
    ("controller.lists.running", "DECODED_AT_ONCE"): "then others have their turn",
    ("pc_daemon.cover_watch", "LOOKS"): "the newest looks; a window, not a queue",
    ("pc_daemon.session_screen", "TAMPER_DEATHS"): "so many deaths are tampering; a window",
    ("schemas.link_connection", "_PUBACK_REASON_AT"): "where a byte is in a packet",
}
"""What looks like a bound and is none that anybody waits at, and why."""


@pytest.mark.parametrize(("module", "name", "value"), ROWS, ids=[row[1] for row in ROWS])
def test_a_bound_is_what_the_page_says(module: str, name: str, value: str) -> None:
    assert getattr(importlib.import_module(module), name) == int(value)


def test_every_named_bound_of_the_page_was_read() -> None:
    assert len(ROWS) == PAGE.read_text().count("` | ") > 15


def found() -> list[Bound]:
    paths = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in paths}
    return [
        bound
        for module, path in modules.items()
        if not module.startswith(NO_CLUB_RUNS)
        for bound in bounds_in(module, path.read_text())
    ]


def left_out(bound: Bound) -> bool:
    if (bound.module, bound.name) in NOT_WAITED_FOR:
        return False
    return not bound.is_named or (bound.module, bound.name) not in ON_THE_PAGE


def test_whatever_waits_has_a_bound_with_a_name_and_a_row() -> None:
    assert [f"{one.module}:{one.line}: {one.name}" for one in found() if left_out(one)] == []


def test_nothing_is_excused_that_is_not_there() -> None:
    known = {(one.module, one.name) for one in found()}
    assert NOT_WAITED_FOR.keys() - known == set()


@pytest.mark.parametrize(
    "source",
    [
        "from asyncio import Queue\nq = Queue()",
        "import asyncio\nq: asyncio.Queue[int] = asyncio.Queue(maxsize=0)",
        "import queue\nq = queue.SimpleQueue()",
        "import queue\nq = queue.Queue(64)",
        "q = deque()",
        "q = deque[int]([], maxlen=None)",
        "q = deque(maxlen=NEWS_MAX)",
        "q: deque[int] = field(default_factory=deque)",
        "gate = asyncio.Semaphore(8)",
        "gate = asyncio.Semaphore(CALLS_AT_ONCE)",
        "def put(self):\n    if len(self.news) >= NEWS_MAX:\n        return False",
        "MAX_CALLS_WAITING: Final = 8",
        "from actors.inbox import COMMANDS_AT_ONCE\ngate = Semaphore(COMMANDS_AT_ONCE)",
    ],
)
def test_a_new_queue_without_a_row_is_found(source: str) -> None:
    (bound,) = bounds_in("actors.news", source)
    assert left_out(bound)


@pytest.mark.parametrize(
    "source",
    [
        "from actors.inbox import LINKS_MAX\nq = deque(maxlen=LINKS_MAX)",
        "from schemas.link_port import MAX_OUTBOX\nfull = len(q) >= MAX_OUTBOX",
    ],
)
def test_a_bound_of_the_page_is_good_wherever_it_is_used(source: str) -> None:
    (bound,) = bounds_in("actors.news", source)
    assert not left_out(bound)
