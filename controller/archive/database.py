"""An SQL database as archive: opened, brought to the newest shape, used from a worker thread."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import ArgumentError, DBAPIError

from actors.store import ChainStream, StoredEntity, StreamEntry
from controller.archive import copying, rows, tables

BUSY_TIMEOUT_SECONDS = 30

_P = ParamSpec("_P")
_Result = TypeVar("_Result")


class ArchiveError(Exception):
    """The archive cannot be opened or written, or holds other content under the same id."""


class Archive:
    """Reads and writes, each call one SQL transaction in a worker thread. Raises ArchiveError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def cursor(self, chain_id: str, stream: ChainStream) -> str:
        """Up to which entry the archive holds this stream; ``0-0`` for nothing."""
        return await self.transact(rows.cursor, chain_id, stream)

    async def write(
        self, chain_id: str, stream: ChainStream, read: Sequence[StreamEntry], *, after: str
    ) -> None:
        """Add entries that follow ``after`` and move the cursor to the last one, or do neither.

        Raises ArchiveError if the cursor is not ``after`` any more: somebody else is archiving.
        """
        await self.transact(rows.write_entries, chain_id, stream, read=read, after=after)

    async def write_sessions(self, chain_id: str, closed: Sequence[StoredEntity]) -> None:
        """Add closed sessions; one that is there gives way to a newer version only."""
        await self.transact(rows.write_sessions, chain_id, closed)

    async def archived_among(self, chain_id: str, session_ids: Sequence[str]) -> set[str]:
        """Which of these sessions are archived, in any version."""
        return await self.transact(rows.session_ids, chain_id, session_ids)

    async def closed_before(self, chain_id: str, closed_ids: Sequence[str], at_ms: int) -> set[str]:
        """Which of these sessions are archived and were closed before an instant."""
        return await self.transact(rows.closed_before, chain_id, closed_ids, at_ms=at_ms)

    async def transactions(self, chain_id: str) -> list[StreamEntry]:
        """Every archived transaction, oldest first."""
        return await self.transact(rows.documents, tables.transactions, chain_id)

    async def events(self, chain_id: str) -> list[StreamEntry]:
        """Every archived event, oldest first."""
        return await self.transact(rows.documents, tables.events, chain_id)

    async def sessions(self, chain_id: str) -> list[StoredEntity]:
        """Every archived session; ``key`` is the session id."""
        return await self.transact(rows.sessions, chain_id)

    async def session(self, chain_id: str, session_id: str) -> StoredEntity | None:
        """One archived session's final document."""
        return await self.transact(rows.session, chain_id, session_id)

    async def account_sums(self, chain_id: str) -> tuple[str, dict[str, int]]:
        """(the ledger's cursor, account -> sum of the entries archived up to it)."""
        return await self.transact(rows.account_sums, chain_id)

    async def transactions_of(self, chain_id: str, session_ids: Sequence[str]) -> list[StreamEntry]:
        """Archived transactions of these sessions."""
        return await self.transact(rows.transactions_of, chain_id, session_ids)

    async def sessions_after(
        self, chain_id: str, session_id: str, *, count: int
    ) -> list[StoredEntity]:
        """Archived sessions in the order of their ids, from after one on."""
        return await self.transact(rows.sessions_after, chain_id, session_id, count=count)

    def chain_rows(self, chain_id: str) -> Iterator[tuple[str, copying.Rows]]:
        """Every row of a chain as of one instant, for a backup; blocks. Raises ArchiveError."""
        with _translated():
            yield from copying.chain_rows(self._engine, chain_id)

    @contextmanager
    def filling(self, chain_ids: Sequence[str]) -> Iterator[Callable[[str, copying.Rows], None]]:
        """Take rows of chains this archive knows nothing of, all or none; blocks.

        Raises ArchiveError, also when it does know one.
        """
        with _translated(), self._engine.begin() as connection:
            for chain_id in chain_ids:
                if copying.holds_chain(connection, chain_id):
                    raise ArchiveError(f"the archive holds rows of {chain_id} already")
            yield partial(copying.write_rows, connection)

    def close(self) -> None:
        """Free connections."""
        self._engine.dispose()

    async def transact(
        self,
        work: Callable[Concatenate[Connection, _P], _Result],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _Result:
        """Do ``work`` in one SQL transaction, in a worker thread."""

        def run() -> _Result:
            with _translated(), self._engine.begin() as connection:
                return work(connection, *args, **kwargs)

        return await asyncio.to_thread(run)


def open_archive(url: str) -> Archive:
    """Open and bring to the newest shape. SQLite and PostgreSQL URLs. Raises ArchiveError."""
    with _translated():
        engine = create_engine(url, connect_args=_connect_args(url))
        if engine.dialect.name == "sqlite":
            _prepare_sqlite(engine)
        with engine.begin() as connection:
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    return Archive(engine)


def _connect_args(url: str) -> dict[str, object]:
    return {"timeout": BUSY_TIMEOUT_SECONDS} if url.startswith("sqlite") else {}


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
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except rows.ConflictError as error:
        raise ArchiveError(str(error)) from error
    except (ArgumentError, DBAPIError, ImportError) as error:
        raise ArchiveError(f"archive: {error}") from error
