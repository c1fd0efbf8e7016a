"""What a connection to the archive keeps in memory does not follow from what was asked of it."""

import gc
from pathlib import Path

from sqlalchemy import Connection

from controller.archive import open_archive, rows
from controller.archive.engines import STATEMENTS_KEPT


def kept_after(connection: Connection, lengths: range) -> int:
    """How many statements the driver keeps after lists of keys of these lengths."""
    for length in lengths:
        rows.session_ids(connection, "c", [f"s{number}" for number in range(length)])
    # The driver's connection tells its cache to the garbage collector and to nobody else.
    referents = gc.get_referents(connection.connection.driver_connection)
    (kept,) = [one.cache_info().currsize for one in referents if hasattr(one, "cache_info")]
    return int(kept)


async def test_lists_of_keys_of_all_lengths_leave_few_statements(tmp_path: Path) -> None:
    archive = open_archive(f"sqlite:///{tmp_path / 'archive.db'}")
    assert await archive.look(kept_after, range(1, 4)) <= STATEMENTS_KEPT
    assert await archive.look(kept_after, range(1, 3 * STATEMENTS_KEPT)) == STATEMENTS_KEPT
    archive.close()
