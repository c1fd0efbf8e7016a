"""An archive written by an older release is brought to the newest shape with all it holds."""

import asyncio
from pathlib import Path

import orjson
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

import controller.archive
from actors.store import ChainStream, StreamEntry
from controller.archive import ArchiveError, open_archive

MIGRATIONS = Path(controller.archive.__file__).parent / "migrations"
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


def archive_of_the_first_release(url: str) -> bytes:
    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    document = orjson.dumps(OLD_EVENT)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "v0001")
        connection.execute(
            text("INSERT INTO events VALUES ('c', 's1', 1, '1-0', 'north', 'session_due', 5, :d)"),
            {"d": document},
        )
        connection.execute(text("INSERT INTO cursors VALUES ('c', 'outbox', '1-0')"))
    engine.dispose()
    return document


def test_events_of_sessions_keep_their_place_beside_those_of_pcs(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'archive.db'}"
    old = archive_of_the_first_release(url)
    archive = open_archive(url)
    other = orjson.dumps({**OLD_EVENT, "event": {**OLD_EVENT["event"], "at_ms": 6}})  # type: ignore[dict-item]
    of_pc = orjson.dumps({**OLD_EVENT, "id": "pc:p1:1", "source": "pc:p1"})

    async def move(entry_id: str, payload: bytes, after: str) -> None:
        read = [StreamEntry(entry_id, payload)]
        await archive.write("c", ChainStream.OUTBOX, read, after=after)

    asyncio.run(move("2-0", of_pc, "1-0"))
    asyncio.run(move("3-0", old, "2-0"))
    with pytest.raises(ArchiveError, match="session:s1/1 is archived with other content"):
        asyncio.run(move("4-0", other, "3-0"))
    archived = asyncio.run(archive.events("c"))
    archive.close()
    assert [(entry.entry_id, entry.payload) for entry in archived] == [
        ("1-0", old),
        ("2-0", of_pc),
    ]
