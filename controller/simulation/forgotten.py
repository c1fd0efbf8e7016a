"""What a store that was put back has forgotten, and what the archive beside it makes of that.

The store is right. But nothing that was archived may vanish: what the store does not know any
more is set aside, as it was.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import orjson

from actors.store import ChainStream
from controller.archive import Archive, order_rows, rows, sums
from controller.archive.aside import ORDERS, REWIND
from controller.archive.rewinding import TABLE_OF
from controller.simulation.virtual_loop import at_once
from schemas.events import ORDER_SOURCE, source_of

SET_ASIDE: Final = "set_aside"
SHOWN: Final = 120


@dataclass(slots=True)
class Forgotten:
    """What the archive held of what a store has forgotten: (stream or orders, content)."""

    rows: dict[tuple[str, bytes], None] = field(default_factory=dict)

    def went_back(
        self, archive: Archive, chain_id: str, kept: dict[ChainStream, list[bytes]]
    ) -> None:
        """A store is put back, to when its streams had been written as ``kept`` and no further."""
        for stream, payloads in kept.items():
            held = at_once(
                archive.look(rows.documents, TABLE_OF[stream], chain_id, after=rows.BEGINNING)
            )
            lost = [entry.payload for entry in held[len(payloads) :]]
            self.rows |= dict.fromkeys((stream.value, payload) for payload in lost)
            if stream is ChainStream.OUTBOX:
                ids = _orders_of(lost)
                documents = at_once(archive.look(order_rows.orders, chain_id, ids))
                self.rows |= dict.fromkeys((ORDERS, one) for one in documents.values())

    def violations(self, archive: Archive, chain_id: str) -> Iterator[str]:
        """Once the archive has caught up: whatever was forgotten lies beside it."""
        if not self.rows:
            return
        aside = {
            (row["source"], row["document"].encode())
            for table, part in archive.chain_rows(chain_id)
            if table == SET_ASIDE
            for row in part
            if row["cause"] == REWIND
        }
        for source, payload in self.rows:
            if (source, payload) not in aside:
                yield f"archive: {source} forgotten and not set aside: {payload[:SHOWN].decode()}"
        if not at_once(archive.look(sums.oddities, chain_id)).rewinds:
            yield "archive: the store went back and nothing says so"


def _orders_of(events: Iterable[bytes]) -> list[str]:
    sources = {source_of(orjson.loads(event)) for event in events}
    return sorted(
        source.removeprefix(ORDER_SOURCE) for source in sources if source.startswith(ORDER_SOURCE)
    )
