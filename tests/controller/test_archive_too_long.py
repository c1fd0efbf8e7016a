"""A look through history that takes too long is ended, and costs nobody else anything."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from api_under_test import ScriptedGateway, client_of, dependencies, seed_chain
from databases_under_test import Urls
from sqlalchemy import Connection, text

from actors.store_memory import MemoryStore
from controller.api import serve
from controller.api.serve import LazyArchive
from controller.archive import Archive, ArchiveError, ArchiveSlowError
from controller.lists import audit_list

LIMIT_MS = 300
HOURS_OF_WORK = text(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000000000)"
    " SELECT count(*) FROM n"
)


def endless(connection: Connection, *_: object, **__: object) -> object:
    return connection.scalar(HOURS_OF_WORK)


def nothing(connection: Connection) -> object:
    return connection.scalar(text("SELECT 1"))


def some_work(connection: Connection) -> object:
    """More than the steps after which SQLite looks at the time."""
    counted = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)"
    return connection.scalar(text(f"{counted} SELECT count(*) FROM n"))


def limit_of(connection: Connection) -> object:
    if connection.dialect.name == "sqlite":
        return "0"
    return connection.scalar(text("SHOW statement_timeout"))


def wrong(connection: Connection) -> object:
    return connection.scalar(text("SELECT 1 FROM nowhere"))


async def test_it_is_ended_and_the_connection_serves_the_next(archive: Archive) -> None:
    began_s = time.monotonic()
    with pytest.raises(ArchiveSlowError):
        await archive.look_within(LIMIT_MS, endless)
    assert time.monotonic() - began_s > LIMIT_MS / 1_000
    assert await archive.look_within(LIMIT_MS, nothing) == 1
    await asyncio.sleep(LIMIT_MS / 1_000)
    assert await archive.look(some_work) == 200_000, "no limit is left behind"
    assert await archive.look(limit_of) == "0"


async def test_what_fails_for_another_reason_is_no_long_look(archive: Archive) -> None:
    with pytest.raises(ArchiveError) as caught:
        await archive.look_within(LIMIT_MS, wrong)
    assert not isinstance(caught.value, ArchiveSlowError)


@pytest.fixture
async def client(
    sql_urls: Urls, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    """An API whose archive is busy for hours with whatever is asked of the audit."""
    monkeypatch.setattr(serve, "ARCHIVE_LOOK_MAX_MS", LIMIT_MS)
    monkeypatch.setattr(audit_list, "audit_page", endless)
    store = MemoryStore()
    await seed_chain(store)
    archived = LazyArchive(sql_urls("archive"))
    given = replace(dependencies(store, ScriptedGateway()), archived=archived)
    async with client_of(given) as opened:
        yield opened
    await archived.close()


async def test_who_asked_for_too_much_is_told_to_ask_for_less(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/audit", params={"operation": "endSession"})
    assert (answer.status_code, answer.json()["code"]) == (422, "query-too-broad")
    assert "shorter period" in answer.json()["detail"]
