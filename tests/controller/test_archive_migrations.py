"""An archive written by an older release is brought to the newest shape with all it holds."""

import threading
from pathlib import Path

import orjson
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from databases_under_test import Urls
from sqlalchemy import Engine, create_engine, text

import controller.archive
from actors.store import ChainStream, StreamEntry
from controller.archive import Archive, ArchiveError, open_archive, sums
from controller.archive.tables import metadata

MIGRATIONS = Path(controller.archive.__file__).parent / "migrations"
REVISIONS = sorted(path.name[:5] for path in (MIGRATIONS / "versions").glob("v0*.py"))
TRANSACTIONS = [
    orjson.dumps(
        {
            "id": f"step/s1/0/{number}",
            "at_ms": number,
            "kind": "step",
            "entries": [
                {"account": "EUR:wallet:p1:cash", "amount_minor": -number},
                {"account": "EUR:revenue:c1", "amount_minor": number},
            ],
            "session_id": "s1",
        }
    )
    for number in (1, 2)
]
OLD_EVENT = {
    "v": 1,
    "id": "s1.1",
    "chain_id": "c",
    "club_id": "north",
    "event": {
        "kind": "session_due",
        "session_id": "s1",
        "club_id": "north",
        "seq": 1,
        "at_ms": 5,
        "payload": {},
    },
}


def archive_of(url: str, revision: str) -> None:
    """An archive as a release with this revision left it, written as that release wrote."""
    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        source = {} if revision == "v0001" else {"source_id": "session:s1"}
        event = {"session_id": "s1", "seq": 1, "entry_id": "1700000000000-12", **source}
        event |= {"club_id": "north", "kind": "session_due", "at_ms": 5, "chain_id": "c"}
        rows = [("events", {**event, "document": orjson.dumps(OLD_EVENT)})]
        for number, document in enumerate(TRANSACTIONS, start=1):
            rows.append(("transactions", _transaction(number, document)))
            for side, one in enumerate(orjson.loads(document)["entries"]):
                key = {"chain_id": "c", "transaction_id": f"step/s1/0/{number}", "number": side}
                rows.append(("entries", {**key, **one}))
        for stream, entry_id in (("outbox", "1700000000000-12"), ("ledger", "1700000000002-0")):
            rows.append(("cursors", {"chain_id": "c", "stream": stream, "entry_id": entry_id}))
        for table, row in rows:
            if revision > "v0003" and table in ("events", "transactions"):
                at_ms, _, place = str(row["entry_id"]).partition("-")
                row |= {"place_ms": int(at_ms), "place_no": int(place)}
            names = ", ".join(row)
            values = ", ".join(f":{name}" for name in row)
            connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({values})"), row)
        if revision > "v0003":
            connection.execute(
                text(
                    "INSERT INTO account_totals SELECT chain_id, account, sum(amount_minor) "
                    "FROM entries GROUP BY chain_id, account"
                )
            )
    engine.dispose()


def _transaction(number: int, document: bytes) -> dict[str, object]:
    return {
        "chain_id": "c",
        "transaction_id": f"step/s1/0/{number}",
        "entry_id": f"170000000000{number}-0",
        "at_ms": number,
        "kind": "step",
        "session_id": "s1",
        "document": document,
    }


def shape_differs(engine: Engine) -> list[object]:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))


@pytest.mark.parametrize("revision", REVISIONS)
async def test_every_older_archive_is_read_and_written_on(sql_urls: Urls, revision: str) -> None:
    url = sql_urls("archive")
    archive_of(url, revision)
    archive = open_archive(url)
    ledger, outbox = ChainStream.LEDGER, ChainStream.OUTBOX
    held = await archive.transactions("c")
    assert [entry.payload for entry in held] == TRANSACTIONS
    assert (await archive.look(sums.totals, "c", ["EUR:revenue:c1"])).sums == {"EUR:revenue:c1": 3}
    assert await archive.look(sums.wrong_totals, "c") == []
    of_pc = orjson.dumps({**OLD_EVENT, "id": "pc:p1:1", "source": "pc:p1"})
    old = orjson.dumps(OLD_EVENT)
    read = [StreamEntry("1700000000001-0", of_pc), StreamEntry("1700000000002-0", old)]
    assert (await archive.write("c", outbox, read, after="1700000000000-12")).conflicts == ()
    assert [(e.entry_id, e.payload) for e in await archive.events("c")] == [
        ("1700000000000-12", old),
        ("1700000000001-0", of_pc),
    ]
    other = orjson.dumps({**OLD_EVENT, "event": {**OLD_EVENT["event"], "at_ms": 6}})  # type: ignore[dict-item]
    read = [StreamEntry("1700000000003-0", other)]
    assert (await archive.write("c", outbox, read, after="1700000000002-0")).conflicts == (
        "session:s1/1",
    )
    assert await archive.cursor("c", ledger) == "1700000000002-0"
    archive.close()


@pytest.mark.parametrize("revision", ["nothing", *REVISIONS])
def test_the_steps_lead_to_the_tables(sql_urls: Urls, revision: str) -> None:
    url = sql_urls("archive")
    if revision != "nothing":
        archive_of(url, revision)
    open_archive(url).close()
    engine = create_engine(url)
    assert shape_differs(engine) == []
    engine.dispose()


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_every_step_can_be_gone_back(sql_urls: Urls, revision: str) -> None:
    url = sql_urls("archive")
    archive_of(url, revision)
    open_archive(url).close()
    engine, config = create_engine(url), Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
    with engine.connect() as connection:
        count = connection.execute(text("SELECT count(*) FROM transactions")).scalar()
    engine.dispose()
    assert count == len(TRANSACTIONS)
    open_archive(url).close()


def test_processes_that_start_together_agree_on_who_makes_the_tables(sql_urls: Urls) -> None:
    url = sql_urls("archive")
    opened: list[Archive] = []
    failed: list[BaseException] = []

    def open_it() -> None:
        try:
            opened.append(open_archive(url))
        except ArchiveError as error:
            failed.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for archive in opened:
        archive.close()
    assert failed == []
    assert len(opened) == len(threads)


def test_an_archive_of_a_newer_release_is_not_touched(sql_urls: Urls) -> None:
    url = sql_urls("archive")
    open_archive(url).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'v9999'"))
    engine.dispose()
    with pytest.raises(ArchiveError, match="v9999"):
        open_archive(url)
