"""``clubctl bench archive``: history into the archive against bare rows into one bare table.

Ours: what the consumer does with a batch, from payload to commit, with its checks, both sides of
each transaction and the totals. Bare: the same payloads, parsed beforehand, in one ``executemany``
a batch through the same engine. Both commit to disk after each batch. With
``CLUBCTL_ARCHIVE_URL`` the database is that one, one made for it.
"""

import asyncio
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from actors.store import ChainStream, StreamEntry
from controller.archive import Archive, open_archive
from controller.archive.bare import drop_bare, make_bare, write_bare
from controller.archive.consumer import ENTRIES_PER_TRANSACTION
from controller.bench.stopwatch import stopwatch

CHAIN: Final = "bench"
TRANSACTIONS: Final = 50_000
SMALL_BATCH: Final = 25


def run() -> dict[str, Any]:
    """Rows a second of both, and their ratio, by how many entries a batch has."""
    with tempfile.TemporaryDirectory(prefix="clubctl-bench-") as folder:
        url = os.environ.get("CLUBCTL_ARCHIVE_URL") or f"sqlite:///{Path(folder) / 'archive.db'}"
        archive = open_archive(url)
        try:
            return asyncio.run(_measured(archive))
        finally:
            archive.close()


async def _measured(archive: Archive) -> dict[str, Any]:
    result: dict[str, Any] = {"transactions": TRANSACTIONS, "database": archive.kind}
    await archive.transact(make_bare)
    for size in (ENTRIES_PER_TRANSACTION, SMALL_BATCH):
        chain_id = f"{CHAIN}-{size}"
        entries = list(_history(TRANSACTIONS))
        with stopwatch() as ours:
            after = "0-0"
            for batch in _batches(entries, size):
                await archive.write(chain_id, ChainStream.LEDGER, batch, after=after)
                after = batch[-1].entry_id
        bare_batches = [
            [row for entry in batch for row in _rows(entry)] for batch in _batches(entries, size)
        ]
        with stopwatch() as bare:
            for rows in bare_batches:
                await archive.transact(write_bare, rows)
        result[f"batches_of_{size}"] = {
            "archived_per_s": round(TRANSACTIONS / ours.seconds),
            "bare_per_s": round(TRANSACTIONS / bare.seconds),
            "ratio": bare.seconds / ours.seconds,
        }
    await archive.transact(drop_bare)
    return result


def _history(count: int) -> Iterator[StreamEntry]:
    for number in range(count):
        session, step = divmod(number, 60)
        transaction = {
            "id": f"step/s{session}/0/{step}",
            "at_ms": 1_700_000_000_000 + number,
            "kind": "step",
            "entries": [
                {"account": f"EUR:wallet:p{session % 900}:cash", "amount_minor": -200},
                {"account": "EUR:revenue:north", "amount_minor": 200},
            ],
            "session_id": f"s{session}",
            "segment_index": 0,
            "step_index": step,
        }
        yield StreamEntry(f"{1_700_000_000_000 + number}-0", orjson.dumps(transaction))


def _batches(entries: Sequence[StreamEntry], size: int) -> Iterable[Sequence[StreamEntry]]:
    return (entries[first : first + size] for first in range(0, len(entries), size))


def _rows(entry: StreamEntry) -> list[dict[str, Any]]:
    """As many rows as the archive makes of it: the document, and each side of it."""
    transaction = orjson.loads(entry.payload)
    sides = [orjson.dumps(side) for side in transaction["entries"]]
    return [{"id": transaction["id"], "document": blob} for blob in (entry.payload, *sides)]
