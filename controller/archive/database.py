"""An SQL database as archive: opened, brought to the newest shape, used from a worker thread."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import ArgumentError, DBAPIError

from actors.store import ChainStream, StoredEntity, StreamEntry
from controller.archive import copying, engines, rows, session_rows, tables, writing
from controller.archive.aside import Unread
from controller.archive.writing import Written

_P = ParamSpec("_P")
_Result = TypeVar("_Result")


class ArchiveError(Exception):
    """The archive cannot be opened or written, or holds other content under the same id."""


class ArchiveSlowError(ArchiveError):
    """A read was ended because its time was over: it asked for too much at once."""


class Archive:
    """Reads and writes, each call one SQL transaction in a worker thread. Raises ArchiveError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._readers = engines.readers_of(engine)

    @property
    def kind(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._engine.dialect.name

    async def cursor(self, chain_id: str, stream: ChainStream) -> str:
        """Up to which entry the archive holds this stream; ``0-0`` for nothing."""
        return await self.look(rows.cursor, chain_id, stream)

    async def write(
        self,
        chain_id: str,
        stream: ChainStream,
        read: Sequence[StreamEntry],
        *,
        after: str,
        now_ms: int = 0,
        orders: Sequence[StoredEntity] = (),
        closed: Sequence[StoredEntity] = (),
    ) -> Written:
        """Add entries that follow ``after``, with the orders and closed sessions they tell of, and
        move the cursor to the last one, or do nothing.

        Other content under an archived id, and what cannot be read, is set aside and told. Raises
        ArchiveError if the cursor is not ``after`` any more: somebody else is archiving.
        """
        return await self.transact(
            writing.write_entries,
            chain_id,
            stream,
            read=read,
            after=after,
            now_ms=now_ms,
            orders=orders,
            closed=closed,
        )

    async def write_sessions(
        self, chain_id: str, closed: Sequence[StoredEntity], *, now_ms: int = 0
    ) -> tuple[Unread, ...]:
        """Add closed sessions; one that is there gives way to a newer version only. What cannot be
        read is kept beside them, and returned when it is found."""
        return await self.transact(session_rows.write_sessions, chain_id, closed, now_ms=now_ms)

    async def archived_among(self, chain_id: str, session_ids: Sequence[str]) -> set[str]:
        """Which of these sessions are archived, in any version."""
        return await self.look(rows.session_ids, chain_id, session_ids)

    async def closed_before(
        self, chain_id: str, closed_ids: Sequence[str], at_ms: int
    ) -> dict[str, int]:
        """In which version those of these sessions are archived that closed before an instant."""
        return await self.look(rows.closed_before, chain_id, closed_ids, at_ms=at_ms)

    async def transactions(
        self, chain_id: str, *, after: str = rows.BEGINNING, count: int | None = None
    ) -> list[StreamEntry]:
        """Archived transactions after a place, oldest first; all of them without ``count``."""
        return await self.look(
            rows.documents, tables.transactions, chain_id, after=after, count=count
        )

    async def events(
        self, chain_id: str, *, after: str = rows.BEGINNING, count: int | None = None
    ) -> list[StreamEntry]:
        """Archived events after a place, oldest first; all of them without ``count``."""
        return await self.look(rows.documents, tables.events, chain_id, after=after, count=count)

    async def sessions(self, chain_id: str) -> list[StoredEntity]:
        """Every archived session; ``key`` is the session id."""
        return await self.look(rows.sessions, chain_id)

    async def session(self, chain_id: str, session_id: str) -> StoredEntity | None:
        """One archived session's final document."""
        return await self.look(rows.session, chain_id, session_id)

    async def sessions_after(
        self, chain_id: str, session_id: str, *, count: int
    ) -> list[StoredEntity]:
        """Archived sessions in the order of their ids, from after one on."""
        return await self.look(rows.sessions_after, chain_id, session_id, count=count)

    def chain_rows(self, chain_id: str) -> Iterator[tuple[str, copying.Rows]]:
        """Every row of a chain as of one instant, for a backup; blocks. Raises ArchiveError."""
        with _translated():
            yield from copying.chain_rows(self._readers, chain_id)

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
            for chain_id in chain_ids:
                copying.add_up(connection, chain_id)

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
        return await self._in_thread(self._engine, work, *args, **kwargs)

    async def look(
        self,
        work: Callable[Concatenate[Connection, _P], _Result],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _Result:
        """Do ``work``, which only reads, as of one instant; it keeps no writer waiting."""
        return await self._in_thread(self._readers, work, *args, **kwargs)

    async def look_within(
        self,
        limit_ms: int,
        work: Callable[Concatenate[Connection, _P], _Result],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _Result:
        """``look``, with so much time for each statement. Raises ArchiveSlowError when it ends."""

        def bounded(connection: Connection) -> _Result:
            with engines.ended_after(connection, limit_ms):
                return work(connection, *args, **kwargs)

        return await self._in_thread(self._readers, bounded)

    async def _in_thread(
        self,
        engine: Engine,
        work: Callable[Concatenate[Connection, _P], _Result],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _Result:
        def run() -> _Result:
            with _translated(), engine.begin() as connection:
                return work(connection, *args, **kwargs)

        return await asyncio.to_thread(run)


def open_archive(url: str) -> Archive:
    """Open and bring to the newest shape. SQLite and PostgreSQL URLs. Raises ArchiveError."""
    with _translated():
        engine = _engine(url)
        try:
            _upgrade(engine)
        except BaseException:
            engine.dispose()
            raise
    return Archive(engine)


def _engine(url: str) -> Engine:
    try:
        return engines.engine_of(url)
    except ValueError as error:
        # A port that is no number; the text it is quoted from may hold a password.
        raise ArchiveError("archive: not a database URL") from error


def _upgrade(engine: Engine) -> None:
    with engines.changers_of(engine).begin() as connection:
        engines.take_turns(connection)
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except engines.TookTooLongError as error:
        raise ArchiveSlowError("archive: it took too long") from error
    except rows.ConflictError as error:
        raise ArchiveError(str(error)) from error
    except (ArgumentError, CommandError, DBAPIError, ImportError) as error:
        raise ArchiveError(f"archive: {error}") from error
