"""``clubctl pc``: the agent of this gaming PC, and how it becomes known to its club."""

import asyncio
import os
from collections.abc import Awaitable
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer

from actors.clock import SystemClock
from controller.command_settings import misconfigured
from controller.commands_serve import pc_command
from pc_daemon.club_door import DoorError
from pc_daemon.enrolment import EnrolmentFiles, Wish, enrol, refresh
from pc_daemon.settings import CONFIG_VARIABLE

DEFAULT_CONFIG: Final = Path("/etc/clubctl/pc.toml")
T = TypeVar("T")

pc_app = typer.Typer(add_completion=False, invoke_without_command=True)

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help=f"This PC's file; else {CONFIG_VARIABLE}, {DEFAULT_CONFIG}."),
]


@pc_app.callback()
def agent_command(context: typer.Context) -> None:
    """The agent of this gaming PC, configured by CLUBCTL_PC_* or CLUBCTL_PC_CONFIG."""
    if context.invoked_subcommand is None:
        pc_command()


@pc_app.command("enrol")
def enrol_command(
    *,
    code: Annotated[str, typer.Option(help="The one-time code, as staff were shown it.")],
    url: Annotated[str, typer.Option(help="The club's API, https://...")],
    pc: Annotated[str | None, typer.Option(help="Which PC this is, if not by its name.")] = None,
    ca: Annotated[
        Path | None, typer.Option(help="Trust this authority (PEM) as the API's.")
    ] = None,
    wait_minutes: Annotated[float, typer.Option(help="How long to wait for approval.")] = 10.0,
    config: ConfigFile = None,
) -> None:
    """Make this PC known to its club; run as root or administrator."""
    files = EnrolmentFiles(_config(config))
    wish = Wish(url, code, pc_id=pc, ca_file=ca, wait_s=wait_minutes * 60)
    clock = SystemClock()
    standing = _done(enrol(wish, files, mono_s=lambda: clock.mono_ms() / 1_000, told=typer.echo))
    typer.echo(f"this is {standing.pc_name} of {standing.club_name}; see {files.config}")


@pc_app.command("renew")
def renew_command(*, config: ConfigFile = None) -> None:
    """Give this PC a new secret now; the old one is void at once."""
    files = EnrolmentFiles(_config(config))
    standing = _done(refresh(files, force=True))
    if standing is None:
        misconfigured(f"{files.config}: this PC was not enrolled by a code")
    typer.echo(f"{standing.pc_name} of {standing.club_name} has a new secret")


def _config(given: Path | None) -> Path:
    named = os.environ.get(CONFIG_VARIABLE)
    return given or (Path(named) if named else DEFAULT_CONFIG)


def _done(work: Awaitable[T]) -> T:
    async def run() -> T:
        return await work

    try:
        return asyncio.run(run())
    except DoorError as error:
        typer.echo(f"{error}" + (f" [{error.code}]" if error.code else ""), err=True)
        raise typer.Exit(1) from error
    except (OSError, ValueError) as error:
        misconfigured(str(error))
