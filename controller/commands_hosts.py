"""``clubctl drain`` and ``clubctl clock``: what an operator does about hosts and their time."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from actors.clock import SystemClock
from actors.quarantine import QUARANTINE_SNAPSHOT
from actors.store import StoreError
from actors.store_redis import RedisStore
from actors.timekeeping import KnownTime, adopt_calendar, known_time, signed_seconds
from controller.command_settings import misconfigured, settings_or_exit
from controller.draining import drained_hosts, set_drained
from controller.settings import load_settings
from controller.terminal_audit import Terminal, note_in_every_chain


def drain_command(
    host: Annotated[str, typer.Argument(help="The host's name, as in /metrics and in the logs.")],
    *,
    undo: Annotated[bool, typer.Option("--undo", help="Let the host work again.")] = False,
) -> None:
    """Move a host's shards to the others, end it, and keep it away until ``--undo``."""
    url = _redis_url()
    try:
        typer.echo(asyncio.run(_drain(url, host, undo=undo)))
    except StoreError as error:
        typer.echo(f"cannot be drained: {error}", err=True)
        raise typer.Exit(1) from error


async def _drain(url: str, host: str, *, undo: bool) -> str:
    store = RedisStore.open(url)
    try:
        drained = await drained_hosts(store)
        if undo:
            await _noted(store, "undrainHost", {"host": host})
            await set_drained(store, drained - {host})
            return f"{host} may work again"
        live = {record.name: record for record in await store.hosts()}
        if host not in live:
            misconfigured(f"no host {host} lives; there are: {', '.join(live) or 'none'}")
        if not live.keys() - drained - {host}:
            misconfigured(f"{host} is the last host; nobody could take its shards")
        await _noted(store, "drainHost", {"host": host})
        await set_drained(store, drained | {host})
        return f"{host} gives up {live[host].shards_owned} shards"
    finally:
        await store.close()


def clock_command(
    *,
    adopt: Annotated[
        str | None,
        typer.Option(
            metavar="BOOT", help="Make the hosts of this boot of a machine go by its calendar."
        ),
    ] = None,
) -> None:
    """Show what time hosts bill by and how far calendars are off; or say that one is right.

    Adopting a calendar that is ahead bills the difference; one that is behind bills nothing until
    it has caught up.
    """
    url = _redis_url()
    try:
        _show_time(asyncio.run(_clock(url, adopt)))
    except StoreError as error:
        typer.echo(f"the store does not answer: {error}", err=True)
        raise typer.Exit(1) from error


async def _clock(url: str, adopt: str | None) -> KnownTime:
    store = RedisStore.open(url)
    try:
        if adopt is not None:
            if adopt not in (await known_time(store)).records:
                misconfigured(f"no host of boot {adopt} has left its time")
            await _noted(store, "adoptCalendar", {"boot": adopt})
            await adopt_calendar(store, adopt)
        return await known_time(store)
    finally:
        await store.close()


def _show_time(known: KnownTime) -> None:
    table = Table(title="clubctl clock")
    for column in ("boot of a machine", "its calendar is ahead by", "adopted", "hosts"):
        table.add_column(column, overflow="fold")
    for boot, record in sorted(known.records.items()):
        waits = "work" if record.waiting is None else f"wait: {record.waiting}"
        adopted = known.adopted.get(boot)
        times = "never" if adopted is None else f"{adopted.revision} times"
        table.add_row(boot, signed_seconds(record.ahead_ms), times, waits)
    Console().print(table)


def quarantine_command() -> None:
    """List what hosts have set aside because it keeps failing or cannot be read.

    Everything else goes on. Each is tried again every five minutes, by a command to it, and when
    its shard is loaded anew (``clubctl drain``, a restart, a new release).
    """
    url = _redis_url()
    try:
        snapshots = asyncio.run(_quarantined(url))
    except StoreError as error:
        typer.echo(f"the store does not answer: {error}", err=True)
        raise typer.Exit(1) from error
    table = Table(title="clubctl quarantine")
    for column in ("entity", "shard", "host", "since", "why"):
        table.add_column(column, overflow="fold")
    for name, snapshot in snapshots.items():
        for one in orjson.loads(snapshot):
            since = datetime.fromtimestamp(one["since_ms"] / 1_000, UTC).isoformat("T", "seconds")
            host = name.removeprefix(QUARANTINE_SNAPSHOT)
            table.add_row(one["entity"], one["shard"], host, since, one["reason"])
    Console().print(table if table.rows else "nothing is set aside")


async def _quarantined(url: str) -> dict[str, bytes]:
    store = RedisStore.open(url)
    try:
        return await store.snapshots(QUARANTINE_SNAPSHOT)
    finally:
        await store.close()


async def _noted(store: RedisStore, operation: str, asked: Mapping[str, object]) -> None:
    """Hosts bill every chain, so each chain's audit has it."""
    entry = Terminal.here().entry(operation, asked, at_ms=SystemClock().wall_ms())
    await note_in_every_chain(store, entry)


def _redis_url() -> str:
    settings = settings_or_exit(load_settings)
    if settings.redis_url is None:
        misconfigured("CLUBCTL_REDIS_URL says where the club's server is; it is not set")
    return settings.redis_url
