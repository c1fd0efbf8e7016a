"""Its presence puts this folder on the import path, for what several rooms' tests share."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from databases_under_test import (
    DATABASES,
    PostgresUnderTest,
    Urls,
    running_postgres,
    sqlite_urls,
)

from controller.archive import Archive, open_archive

# The default renders every local variable of a traceback, which takes seconds a time.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)

TESTS = Path(__file__).parent
LONGEST_FIRST = ("e2e", "faults", "integration", "simulation", "controller", "pc_daemon")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Rooms whose single tests take long come first, or one worker ends long after the others."""
    ranks = {room: rank for rank, room in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: ranks.get(room_of(item.path), len(ranks)))


def room_of(path: Path) -> str:
    """The folder of tests a file is in."""
    return path.relative_to(TESTS).parts[0]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What each room held and took; with several workers the seconds of all of them."""
    tests: Counter[str] = Counter()
    broken: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    reports = [each for some in terminalreporter.stats.values() for each in some]
    for report in reports:
        if isinstance(report, pytest.TestReport):
            room = room_of(terminalreporter.config.rootpath / report.fspath)
            tests[room] += report.when == "call"
            broken[room] += report.failed
            seconds[room] += report.duration
    terminalreporter.section("rooms")
    for room in sorted(tests, key=lambda room: -seconds[room]):
        ok = "all pass" if not broken[room] else f"{broken[room]} BROKEN"
        terminalreporter.line(f"{room:<14}{tests[room]:>6} tests {seconds[room]:>6.0f} s  {ok}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresUnderTest]:
    """One PostgreSQL for all tests of a process; each test has databases of its own in it."""
    with running_postgres() as server:
        yield server


@pytest.fixture(params=DATABASES)
def sql_urls(request: pytest.FixtureRequest, tmp_path: Path) -> Urls:
    """URLs of new databases by name, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return sqlite_urls(tmp_path)
    server: PostgresUnderTest = request.getfixturevalue("postgres")
    return server.urls()


@pytest.fixture
def archive(sql_urls: Urls) -> Iterator[Archive]:
    """A new archive, once on SQLite and once on PostgreSQL."""
    opened = open_archive(sql_urls("archive"))
    yield opened
    opened.close()
