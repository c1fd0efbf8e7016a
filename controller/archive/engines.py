"""How each kind of database is talked to, so that what was committed stays."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

from psycopg.errors import QueryCanceled
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError

from actors.clock import SystemClock

BUSY_TIMEOUT_SECONDS: Final = 30
STATEMENTS_KEPT: Final = 16
"""By an SQLite connection. A list of keys is a statement of its own for each length it has had,
and takes memory by its length: the driver's 128 are some megabytes a connection."""
CONNECT_TIMEOUT_SECONDS: Final = 10
CONNECTIONS_MAX: Final = 8
SILENCE_SECONDS: Final = 30
"""Of a PostgreSQL's machine, after which a connection to it is given up."""
ONLY_READS: Final = "clubctl_only_reads"
SQLITE_STEPS_BETWEEN_LOOKS: Final = 10_000
"""Steps of SQLite's machine after which it looks at the time, some tenths of a millisecond."""
UPGRADE_LOCK: Final = 0x636C7562
"""Whoever opens the database first brings it to the newest shape; the others wait here."""


def engine_of(url: str) -> Engine:
    """An engine for SQLite or PostgreSQL. Its errors show no rows, as these hold people's data."""
    if make_url(url).get_backend_name() == "sqlite":
        engine = create_engine(
            url,
            hide_parameters=True,
            connect_args={
                "timeout": BUSY_TIMEOUT_SECONDS,
                "cached_statements": STATEMENTS_KEPT,
            },
        )
        _prepare_sqlite(engine)
        return engine
    engine = create_engine(
        url,
        hide_parameters=True,
        # What one transaction reads is as of one instant, as on SQLite.
        isolation_level="REPEATABLE READ",
        pool_size=CONNECTIONS_MAX,
        max_overflow=0,
        # A server that was restarted has closed the connections we keep.
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "application_name": "clubctl",
            "keepalives_idle": SILENCE_SECONDS,
            "tcp_user_timeout": SILENCE_SECONDS * 1_000,
        },
    )
    _prepare_postgres(engine)
    return engine


def readers_of(engine: Engine) -> Engine:
    """The same engine for transactions that only read."""
    return engine.execution_options(postgresql_readonly=True, **{ONLY_READS: True})


def changers_of(engine: Engine) -> Engine:
    """The same engine for changes of the shape: who waited sees what was changed meanwhile."""
    if engine.dialect.name == "postgresql":
        return engine.execution_options(isolation_level="READ COMMITTED")
    return engine


def take_turns(connection: Connection) -> None:
    """Only one process at a time changes the shape. SQLite's transactions are one at a time."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK})


class TookTooLongError(Exception):
    """A read was ended because its time was over."""


@contextmanager
def ended_after(connection: Connection, limit_ms: int) -> Iterator[None]:
    """End what is read within this transaction when its time is over: TookTooLongError."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL statement_timeout = {int(limit_ms)}"))
        with _told_when(lambda cause: isinstance(cause, QueryCanceled)):
            yield
        return
    clock = SystemClock()
    until_ms = clock.mono_ms() + limit_ms

    def is_over() -> bool:
        return clock.mono_ms() > until_ms

    driver = cast("Any", connection.connection.driver_connection)
    driver.set_progress_handler(is_over, SQLITE_STEPS_BETWEEN_LOOKS)
    try:
        with _told_when(lambda cause: "interrupted" in str(cause)):
            yield
    finally:
        driver.set_progress_handler(None, 0)


@contextmanager
def _told_when(is_end: Callable[[BaseException | None], bool]) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if is_end(error.orig):
            raise TookTooLongError from error
        raise


def _prepare_postgres(engine: Engine) -> None:
    """A commit that was answered is on disk: the store is trimmed on the strength of it."""

    @event.listens_for(engine, "connect")
    def _on_connect(connection: object, _record: object) -> None:
        connection.autocommit = True  # type: ignore[attr-defined]
        (how,) = connection.execute("SHOW synchronous_commit").fetchone()  # type: ignore[attr-defined]
        if how == "off":
            connection.execute("SET synchronous_commit TO on")  # type: ignore[attr-defined]
        connection.autocommit = False  # type: ignore[attr-defined]


def _prepare_sqlite(engine: Engine) -> None:
    """Durable commits, and transactions that take the write lock when they begin."""

    @event.listens_for(engine, "connect")
    def _on_connect(connection: object, _record: object) -> None:
        # The driver would begin transactions of its own, too late and not for reads.
        connection.isolation_level = None  # type: ignore[attr-defined]
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")  # type: ignore[attr-defined]

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        if connection.get_execution_options().get(ONLY_READS):
            # It locks nothing yet, so nothing can go wrong that would have to be translated.
            cast("Any", connection.connection.driver_connection).execute("BEGIN")
        else:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
