"""``clubctl drain``: empty a host for maintenance, and let it work again."""

import asyncio
from typing import Annotated

import typer

from actors.store import StoreError
from actors.store_redis import RedisStore
from controller.command_settings import misconfigured, settings_or_exit
from controller.draining import drained_hosts, set_drained
from controller.settings import load_settings


def drain_command(
    host: Annotated[str, typer.Argument(help="The host's name, as in /metrics and in the logs.")],
    *,
    undo: Annotated[bool, typer.Option("--undo", help="Let the host work again.")] = False,
) -> None:
    """Move a host's shards to the others, end it, and keep it away until ``--undo``."""
    settings = settings_or_exit(load_settings)
    if settings.redis_url is None:
        misconfigured("CLUBCTL_REDIS_URL says where the club's server is; it is not set")
    try:
        typer.echo(asyncio.run(_drain(settings.redis_url, host, undo=undo)))
    except StoreError as error:
        typer.echo(f"cannot be drained: {error}", err=True)
        raise typer.Exit(1) from error


async def _drain(url: str, host: str, *, undo: bool) -> str:
    store = RedisStore.open(url)
    try:
        drained = await drained_hosts(store)
        if undo:
            await set_drained(store, drained - {host})
            return f"{host} may work again"
        live = {record.name: record for record in await store.hosts()}
        if host not in live:
            misconfigured(f"no host {host} lives; there are: {', '.join(live) or 'none'}")
        if not live.keys() - drained - {host}:
            misconfigured(f"{host} is the last host; nobody could take its shards")
        await set_drained(store, drained | {host})
        return f"{host} gives up {live[host].shards_owned} shards"
    finally:
        await store.close()
