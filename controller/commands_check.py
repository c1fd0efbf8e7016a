"""``clubctl doctor`` and ``clubctl verify``: look, say, and end with 1 if something is wrong."""

import asyncio
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from actors.store import StoreError
from actors.store_redis import RedisStore
from controller.archive import Archive, ArchiveError, open_archive
from controller.command_settings import misconfigured, settings_or_exit
from controller.doctor import doctor, findings_table, is_healthy
from controller.embedded.state import running_port
from controller.settings import Settings, load_settings
from controller.verify import Report, verify

ROWS_SHOWN_MAX = 50

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")]


def doctor_command(*, as_json: AsJson = False) -> None:
    """Say what this machine lacks to run clubctl, and how to get it."""
    findings = doctor(settings_or_exit(load_settings))
    if as_json:
        document = {"ok": is_healthy(findings), "findings": findings}
        typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    else:
        Console().print(findings_table(findings))
    if not is_healthy(findings):
        raise typer.Exit(1)


def verify_command(*, as_json: AsJson = False) -> None:
    """Check that balances, ledger, archive, sessions and receipts agree."""
    settings = settings_or_exit(load_settings)
    try:
        report = asyncio.run(_verified(settings))
    except (StoreError, ArchiveError) as error:
        typer.echo(f"cannot be verified: {error}", err=True)
        raise typer.Exit(2) from error
    if as_json:
        typer.echo(orjson.dumps({"ok": report.ok, **_counts(report), "rows": report.rows}))
    else:
        _show(report)
    if not report.ok:
        raise typer.Exit(1)


async def _verified(settings: Settings) -> Report:
    found = with_store(settings)
    archive = _archive(found)
    store = RedisStore.open(str(found.redis_url))
    try:
        return await verify(store, archive)
    finally:
        await store.close()
        if archive is not None:
            archive.close()


def with_store(settings: Settings) -> Settings:
    """The settings with a store: the one they name, else that of the demo that runs here.

    A demo keeps a folder inside the state folder. Ends the command when there is neither.
    """
    if settings.redis_url is not None:
        return settings
    for folder in (settings.state_dir, settings.state_dir / "demo"):
        port = running_port(folder, "valkey")
        if port is not None:
            url = f"redis://127.0.0.1:{port}/0"
            return settings.model_copy(update={"redis_url": url, "state_dir": folder})
    return misconfigured("CLUBCTL_REDIS_URL is not set and no embedded server runs here")


def _archive(settings: Settings) -> Archive | None:
    """The configured archive; the default one only if there is one."""
    if settings.archive_url is None and not (settings.state_dir / "archive.db").exists():
        return None
    return open_archive(settings.sql_url)


def _counts(report: Report) -> dict[str, int]:
    return {
        "chains": report.chains,
        "accounts": report.accounts,
        "transactions": report.transactions,
        "events": report.events,
        "sessions": report.sessions,
    }


def _show(report: Report) -> None:
    console = Console()
    looked_at = ", ".join(f"{count} {what}" for what, count in _counts(report).items())
    if report.ok:
        console.print(f"[green]everything agrees[/]: {looked_at}")
        return
    table = Table(title=f"{len(report.rows)} rows differ ({looked_at})")
    for column in ("check", "what", "expected", "found"):
        table.add_column(column, overflow="fold")
    for row in report.rows[:ROWS_SHOWN_MAX]:
        table.add_row(row.check, row.subject, row.expected, row.found)
    console.print(table)
