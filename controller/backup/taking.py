"""Taking a backup while everybody plays."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from actors.clock import Clock
from actors.store import Store
from actors.store_backup import HashPart, Part, RedisBackup, StreamPart, StringPart
from controller.archive import Archive
from controller.backup.backup_file import FORMAT, VERSION, BackupWriter, written
from controller.business_time import CLOCK_SNAPSHOT

KIND_OF_PART: Final = {HashPart: "hash", StringPart: "string", StreamPart: "stream"}


@dataclass(frozen=True, slots=True)
class Taken:
    """What a backup or a restore moved."""

    chains: tuple[str, ...]
    lines: int


async def back_up(
    path: Path, *, store: Store, source: RedisBackup, archive: Archive | None, clock: Clock
) -> Taken:
    """Write every chain to ``path``, each as of one instant of its store.

    The archive is copied first: what is trimmed from the store later than that is older than
    what the copy ends with, so nothing falls between the two. Raises StoreError, ArchiveError.
    """
    chains = await store.chains()
    header = {
        "format": FORMAT,
        "v": VERSION,
        "taken_at_ms": clock.wall_ms(),
        "chains": chains,
        "clock": await _anchor(store),
        "archive": archive is not None,
    }
    with written(path) as file:
        file.write(header)
        for chain_id in chains:
            if archive is not None:
                await asyncio.to_thread(_copy_rows, archive, chain_id, file)
            async for part in source.dump(chain_id):
                file.write({"chain": chain_id, "kind": KIND_OF_PART[type(part)], **_fields(part)})
        return Taken(chains, file.lines)


async def _anchor(store: Store) -> str | None:
    raw = (await store.snapshots(CLOCK_SNAPSHOT)).get(CLOCK_SNAPSHOT)
    return None if raw is None else raw.decode()


def _copy_rows(archive: Archive, chain_id: str, file: BackupWriter) -> None:
    for table, rows in archive.chain_rows(chain_id):
        file.write({"chain": chain_id, "kind": "rows", "table": table, "rows": rows})


def _fields(part: Part) -> Mapping[str, Any]:
    return asdict(part)
