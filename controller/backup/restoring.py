"""Restoring a backup into an empty store and an empty archive."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from actors.store import ChainStream, Store
from actors.store_backup import HashPart, Part, RedisBackup, StreamPart, StringPart
from controller.archive import Archive
from controller.backup.backup_file import BackupError, Line, read_checked
from controller.backup.taking import Taken
from controller.business_time import CLOCK_SNAPSHOT

Fill = Callable[[str, list[dict[str, Any]]], None]


async def restore(
    path: Path,
    *,
    store: Store,
    target: RedisBackup,
    archive: Archive | None,
    store_only: bool = False,
) -> Taken:
    """Write every chain of the file; hosts see a chain when all of it is there.

    Raises BackupError before anything is written when the file is damaged or a chain exists, and
    when the file holds an archive and none is given. ``store_only`` leaves the archive as it is:
    it outlived the store and knows more than the file.
    """
    lines = read_checked(path)
    header = next(lines)
    chains = tuple(map(str, header["chains"]))
    if header["archive"] and archive is None:
        raise BackupError(f"{path} holds an archive; say where to restore it")
    for chain_id in chains:
        if not await target.is_empty(chain_id):
            raise BackupError(f"the store holds {chain_id} already; restore into an empty one")
    with ExitStack() as stack:
        fill: Fill | None = None
        if archive is not None and not store_only:
            fill = stack.enter_context(archive.filling(chains))
        count = await _write(lines, target, fill)
    if header["clock"] is not None:
        await store.put_snapshot(CLOCK_SNAPSHOT, str(header["clock"]).encode(), ttl_ms=None)
    for chain_id in chains:
        await target.announce(chain_id)
    return Taken(chains, count + 1)


async def _write(lines: Iterator[Line], target: RedisBackup, fill: Fill | None) -> int:
    count = 0
    for line in lines:
        count += 1
        if line["kind"] != "rows":
            await target.write(line["chain"], _part(line))
        elif fill is not None:
            fill(line["table"], line["rows"])
    return count


def _part(line: Line) -> Part:
    match line["kind"]:
        case "hash":
            return HashPart(line["key"], line["fields"])
        case "string":
            return StringPart(line["key"], line["value"], line["ttl_ms"])
        case "stream":
            entries = tuple((entry_id, payload) for entry_id, payload in line["entries"])
            return StreamPart(ChainStream(line["name"]), entries)
        case other:
            raise BackupError(f"a line of a kind nobody knows: {other}")
