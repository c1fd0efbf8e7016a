"""What a store that was put back has forgotten, and what the archive beside it makes of that.

The store is right. But nothing that was archived may vanish: what the store does not know any
more is set aside, as it was.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from actors.store import ChainStream
from controller.archive import Archive, rows, sums
from controller.archive.aside import REWIND
from controller.archive.rewinding import TABLE_OF
from controller.simulation.virtual_loop import at_once

SET_ASIDE: Final = "set_aside"
SHOWN: Final = 120


@dataclass(slots=True)
class Forgotten:
    """Rows the archive held of what a store has forgotten: (stream, content)."""

    rows: dict[tuple[ChainStream, bytes], None] = field(default_factory=dict)

    def went_back(
        self, archive: Archive, chain_id: str, kept: dict[ChainStream, list[bytes]]
    ) -> None:
        """A store is put back, to when its streams had been written as ``kept`` and no further."""
        for stream, payloads in kept.items():
            held = at_once(
                archive.look(rows.documents, TABLE_OF[stream], chain_id, after=rows.BEGINNING)
            )
            for entry in held[len(payloads) :]:
                self.rows[stream, entry.payload] = None

    def violations(self, archive: Archive, chain_id: str) -> Iterator[str]:
        """Once the archive has caught up: whatever was forgotten lies beside it."""
        aside = {
            (row["source"], row["document"].encode())
            for table, part in archive.chain_rows(chain_id)
            if table == SET_ASIDE
            for row in part
            if row["cause"] == REWIND
        }
        for stream, payload in self.rows:
            if (stream.value, payload) not in aside:
                yield f"archive: {stream} forgotten and not set aside: {payload[:SHOWN].decode()}"
        if self.rows and not at_once(archive.look(sums.oddities, chain_id)).rewinds:
            yield "archive: the store went back and nothing says so"
