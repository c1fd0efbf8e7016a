"""Its presence puts this folder on the import path, for what several rooms' tests share."""

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

# The default renders every local variable of a traceback, which takes seconds a time.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)


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
