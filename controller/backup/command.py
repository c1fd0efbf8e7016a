"""``clubctl backup``, ``restore`` and ``replay``."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeAlias, TypeVar

import orjson
import typer

from actors.clock import SystemClock
from actors.store import StoreError
from actors.store_backup import RedisBackup
from actors.store_redis import RedisStore
from controller.archive import Archive, ArchiveConsumer, ArchiveError, open_archive
from controller.backup.backup_file import BackupError
from controller.backup.replaying import Replayed, replay
from controller.backup.restoring import restore
from controller.backup.taking import Taken, back_up
from controller.command_settings import misconfigured, settings_or_exit
from controller.settings import load_settings
from controller.terminal_audit import Terminal, note_in_every_chain
from controller.verify import verify

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")]
_Result = TypeVar("_Result")
Work: TypeAlias = Callable[[RedisStore, RedisBackup, Archive], Awaitable[_Result]]


def backup_command(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="The file to write.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Write store and archive of every chain to FILE while everybody plays."""

    async def work(store: RedisStore, source: RedisBackup, archive: Archive) -> Taken:
        return await back_up(file, store=store, source=source, archive=archive, clock=SystemClock())

    _run(work, "written", as_json=as_json)


def restore_command(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A backup.")],
    *,
    store_only: Annotated[
        bool, typer.Option("--store-only", help="The archive outlived the store: leave it alone.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Restore FILE into an empty store and archive, and check the books.

    Hosts that run see it as soon as all of it is there.
    """

    async def work(store: RedisStore, target: RedisBackup, archive: Archive) -> Taken:
        taken = await restore(
            file, store=store, target=target, archive=archive, store_only=store_only
        )
        told = {"file": file.name, "store_only": store_only}
        entry = Terminal.here().entry("restoreBackup", told, at_ms=SystemClock().wall_ms())
        await note_in_every_chain(store, entry)
        if store_only:
            # It sets aside what it knows and the store does not any more.
            await ArchiveConsumer(store, archive, SystemClock()).step()
        report = await verify(store, archive)
        if not report.ok:
            rows = "; ".join(f"{row.check} {row.subject}" for row in report.rows[:5])
            raise BackupError(f"restored, but {len(report.rows)} rows differ: {rows}")
        return taken

    _run(work, "restored", as_json=as_json)


def replay_command(
    *,
    dismiss: Annotated[
        bool, typer.Option("--dismiss", help="People have seen to what is left.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Pay in again what was paid after the backup; exit 1 while something is left to see to."""

    async def work(store: RedisStore, _: RedisBackup, archive: Archive) -> Replayed:
        clock, by = SystemClock(), Terminal.here()
        return await replay(store, archive, clock=clock, by=by, dismiss=dismiss)

    done = _done(work, "replayed")
    if as_json:
        typer.echo(orjson.dumps(done))
    else:
        typer.echo(
            f"happened again: {done.redone}, replayed: {done.replayed}, "
            f"dismissed: {done.dismissed}, left: {len(done.left)}"
        )
        for one in done.left:
            amounts = ", ".join(f"{account} {amount}" for account, amount in one.amounts.items())
            typer.echo(f"  {one.kind} {one.transaction_id}: {amounts}")
    if done.left:
        raise typer.Exit(1)


def _run(work: Work[Taken], deed: str, *, as_json: bool) -> None:
    taken = _done(work, deed)
    if as_json:
        typer.echo(orjson.dumps(taken))
    else:
        typer.echo(f"{deed}: {', '.join(taken.chains) or 'no chain'}, {taken.lines} lines")


def _done(work: Work[_Result], deed: str) -> _Result:
    settings = settings_or_exit(load_settings)
    if settings.redis_url is None:
        misconfigured("CLUBCTL_REDIS_URL says where the club's server is; it is not set")
    try:
        return asyncio.run(_carried_out(work, settings.redis_url, settings.sql_url))
    except (BackupError, StoreError, ArchiveError, OSError) as error:
        typer.echo(f"not {deed}: {error}", err=True)
        raise typer.Exit(1) from error


async def _carried_out(work: Work[_Result], redis_url: str, sql_url: str) -> _Result:
    archive = open_archive(sql_url)
    store, direct = RedisStore.open(redis_url), RedisBackup.open(redis_url)
    try:
        return await work(store, direct, archive)
    finally:
        await store.close()
        await direct.close()
        archive.close()
