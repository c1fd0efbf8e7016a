"""Rows of the archive that somebody changed, took away or added: each is found and named."""

from collections.abc import Sequence
from typing import Final

import pytest
from clubs_under_test import CHAIN
from day_under_test import played_day
from sqlalchemy import Connection, text

from actors.clock import ManualClock
from actors.store_memory import MemoryStore
from controller.archive import Archive, ArchiveConsumer
from controller.verify import verify

STEP: Final = "step/s1/0/1"
CASH: Final = "EUR:wallet:ann:cash"
_STEP: Final = f"chain_id = '{CHAIN}' AND transaction_id = '{STEP}'"
_TOLD: Final = f"chain_id = '{CHAIN}' AND source_id = 'session:s1' AND seq = 2"
TAMPERED: Final[dict[str, tuple[str, Sequence[tuple[str, str]]]]] = {
    "an amount": (
        f"UPDATE entries SET amount_minor = amount_minor + 1 WHERE {_STEP} AND number = 0",
        [("transaction sum", STEP), ("account total", CASH)],
    ),
    "a total": (
        f"UPDATE account_totals SET amount_minor = amount_minor - 1 WHERE account = '{CASH}'",
        [("account total", CASH)],
    ),
    "a side taken away": (
        f"DELETE FROM entries WHERE {_STEP} AND number = 1",
        [("transaction sum", STEP)],
    ),
    "a transaction taken away": (
        f"DELETE FROM transactions WHERE {_STEP}",
        [("ledger archive", "archived")],
    ),
    "a transaction added": (
        (
            "INSERT INTO transactions (chain_id, transaction_id, entry_id, at_ms, kind,"
            " document, place_ms, place_no) SELECT chain_id, 'step/nobody/0/0',"
            " place_ms || '-77', at_ms, kind, document, place_ms, 77"
            f" FROM transactions WHERE {_STEP}"
        ),
        [("ledger archive", "in the store")],
    ),
    "what a transaction says": (
        (
            "UPDATE transactions SET document = (SELECT document FROM transactions WHERE"
            f" chain_id = '{CHAIN}' AND transaction_id = 'step/s1/0/2') WHERE {_STEP}"
        ),
        [("ledger archive", "the same")],
    ),
    "an event taken away": (
        f"DELETE FROM events WHERE {_TOLD}",
        [("outbox archive", "archived")],
    ),
    "an event added": (
        (
            "INSERT INTO events (chain_id, source_id, seq, entry_id, club_id, kind, at_ms,"
            " document, place_ms, place_no) SELECT chain_id, 'session:nobody', 1,"
            " place_ms || '-77', club_id, kind, at_ms, document, place_ms, 77"
            f" FROM events WHERE {_TOLD}"
        ),
        [("outbox archive", "in the store")],
    ),
    "a final document": (
        (
            "UPDATE sessions SET document = (SELECT document FROM sessions WHERE"
            f" chain_id = '{CHAIN}' AND session_id = 's2') WHERE session_id = 's1'"
        ),
        [("session archive", "s1")],
    ),
    "the same id with other content": (
        (
            "INSERT INTO set_aside (chain_id, source, cause, row_id, entry_id, noted_at_ms,"
            " document) SELECT chain_id, 'ledger', 'conflict', transaction_id, '9-0', 0, document"
            f" FROM transactions WHERE {_STEP}"
        ),
        [("ledger archive", "once")],
    ),
}


def tamper(connection: Connection, statement: str) -> int:
    return connection.execute(text(statement)).rowcount


@pytest.mark.parametrize("what", TAMPERED)
async def test_what_was_done_to_the_archive_is_found_and_named(archive: Archive, what: str) -> None:
    store = MemoryStore()
    await played_day(store)
    await ArchiveConsumer(store, archive, ManualClock()).step()
    assert (await verify(store, archive)).ok
    statement, wanted = TAMPERED[what]
    assert await archive.transact(tamper, statement) == 1
    rows = (await verify(store, archive)).rows
    for check, told in wanted:
        found = [row for row in rows if row.check == check]
        assert any(told in f"{row.subject} {row.expected}" for row in found), rows
