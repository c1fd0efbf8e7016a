"""``clubctl webhooks``: send what subscribers are owed, look at it, and send it once more."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import orjson
import typer
from rich.console import Console
from rich.table import Table

from actors.clock import SystemClock
from actors.store import StoreError
from actors.store_redis import RedisStore
from controller.api.instants import parse_instant
from controller.archive import Archive, ArchiveError, open_archive
from controller.command_settings import connected_settings, misconfigured, settings_or_exit
from controller.settings import Settings, load_settings
from controller.terminal_audit import Terminal, note
from controller.webhooks.queue import DeliveryQueue
from controller.webhooks.replay import Replay
from controller.webhooks.subscriptions import subscriptions_of

webhooks_app = typer.Typer(no_args_is_help=True, add_completion=False)

T = TypeVar("T")
EXIT_UNREACHABLE = 2


@webhooks_app.command("run")
def run_command() -> None:
    """Send events to subscribers until it is stopped."""
    from controller.webhooks.process import run_webhooks

    try:
        run_webhooks(connected_settings())
    except ArchiveError as error:
        misconfigured(str(error))


@webhooks_app.command("list")
def list_command(
    *, as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False
) -> None:
    """Subscriptions of every chain, and what each is owed."""
    rows = _done(_rows)
    if as_json:
        typer.echo(orjson.dumps({"webhooks": rows}))
        return
    table = Table(title=f"{len(rows)} webhooks")
    for column in ("chain", "webhook", "url", "state", "waiting", "dead"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console().print(table)


@webhooks_app.command("replay")
def replay_command(
    webhook_id: Annotated[str, typer.Argument(help="The subscription, as `list` shows it.")],
    *,
    since: Annotated[
        str | None,
        typer.Option(help="Everything since then, RFC 3339, whether it was delivered or not."),
    ] = None,
) -> None:
    """Let the dead letters of a subscription be sent again, or all of the past since an instant."""
    since_ms = None if since is None else _instant(since)

    async def replay(store: RedisStore, archive: Archive) -> int | None:
        now_ms = SystemClock().wall_ms()
        for chain_id in await store.chains():
            one = (await subscriptions_of(store, chain_id)).get(webhook_id)
            if one is None:
                continue
            asked = {"webhook_id": webhook_id, "since": since}
            entry = Terminal.here().entry("replayWebhook", asked, at_ms=now_ms)
            await note(store, chain_id, entry)
            if since_ms is not None:
                return await Replay(store, archive, now_ms=now_ms).since(chain_id, one, since_ms)
            return await DeliveryQueue(archive).revive(chain_id, webhook_id, now_ms=now_ms)
        return None

    revived = _done(replay)
    if revived is None:
        typer.echo(f"no webhook {webhook_id}", err=True)
        raise typer.Exit(1)
    typer.echo(f"{revived} letters will be sent again")


def _instant(text: str) -> int:
    try:
        return parse_instant(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since") from error


async def _rows(store: RedisStore, archive: Archive) -> list[dict[str, str | int]]:
    queue = DeliveryQueue(archive)
    rows: list[dict[str, str | int]] = []
    for chain_id in await store.chains():
        owed = {one.webhook_id: one for one in await queue.owed(chain_id)}
        for webhook_id, one in sorted((await subscriptions_of(store, chain_id)).items()):
            due = owed.get(webhook_id)
            rows.append(
                {
                    "chain": chain_id,
                    "webhook": webhook_id,
                    "url": one.url,
                    "state": one.disabled_reason or "enabled",
                    "waiting": due.waiting if due else 0,
                    "dead": due.dead if due else 0,
                }
            )
    return rows


def _done(work: Callable[[RedisStore, Archive], Awaitable[T]]) -> T:
    settings = settings_or_exit(load_settings)
    if settings.redis_url is None:
        misconfigured("CLUBCTL_REDIS_URL says where the club's server is; it is not set")
    try:
        return asyncio.run(_opened(settings, settings.redis_url, work))
    except (StoreError, ArchiveError) as error:
        typer.echo(f"cannot be reached: {error}", err=True)
        raise typer.Exit(EXIT_UNREACHABLE) from error


async def _opened(
    settings: Settings,
    redis_url: str,
    work: Callable[[RedisStore, Archive], Awaitable[T]],
) -> T:
    archive = open_archive(settings.sql_url)
    store = RedisStore.open(redis_url)
    try:
        return await work(store, archive)
    finally:
        await store.close()
        archive.close()
