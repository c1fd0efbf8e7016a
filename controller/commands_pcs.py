"""``clubctl pcs``: codes that let PCs in, machines that wait, credentials revoked and rotated."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, TypeVar

import orjson
import typer
from rich.console import Console
from rich.table import Table

from actors.clock import SystemClock
from actors.store import StoreError
from actors.store_redis import RedisStore
from controller.api.instants import render_instant
from controller.command_settings import misconfigured, settings_or_exit
from controller.enrolment.office import (
    DEFAULT_MINUTES,
    MINUTES_MAX,
    USES_MAX,
    CodeWish,
    EnrolmentOffice,
    Place,
)
from controller.enrolment.staffing import StaffRefusal
from controller.settings import load_settings
from controller.terminal_audit import CHANNEL, Terminal

pcs_app = typer.Typer(no_args_is_help=True, add_completion=False)

EXIT_UNREACHABLE: Final = 2
CODE_ID_BYTES: Final = 8
T = TypeVar("T")

Club = Annotated[str, typer.Option("--club", help="The club's id.")]
PcId = Annotated[str, typer.Argument(help="The PC's id.")]


@pcs_app.command("enrol")
def enrol_command(
    *,
    club: Club,
    uses: Annotated[int, typer.Option(min=1, max=USES_MAX, help="How many PCs.")] = 1,
    minutes: Annotated[int, typer.Option(min=1, max=MINUTES_MAX)] = DEFAULT_MINUTES,
    approve: Annotated[bool, typer.Option("--approve", help="Staff approve each PC.")] = False,
    pc: Annotated[
        str | None, typer.Option(help="For this PC alone; replaces what it is known by.")
    ] = None,
) -> None:
    """Make a one-time code that lets PCs in. It is shown once and kept nowhere."""
    wish = CodeWish(secrets.token_hex(CODE_ID_BYTES), uses, minutes, approve, pc)
    issued = _done(club, lambda office, place: office.issue(place, wish))
    until = render_instant(issued.document.expires_at_ms)
    typer.echo(f"{issued.text}\ngood for {uses} until {until}")


@pcs_app.command("list")
def list_command(
    *,
    club: Club,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Machines that wait and PCs that were enrolled."""
    rows = _done(club, _rows)
    if as_json:
        typer.echo(orjson.dumps({"pcs": rows}))
        return
    table = Table(title=f"{len(rows)} machines")
    for column in ("pc", "state", "request", "hostname", "mac", "since"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row.values())
    Console().print(table)


@pcs_app.command("approve")
def approve_command(
    request: Annotated[str, typer.Argument(help="The request, as `list` shows it.")],
    *,
    club: Club,
    pc: Annotated[str | None, typer.Option(help="Which PC it is.")] = None,
) -> None:
    """Let a waiting machine in."""
    done = _done(club, lambda office, place: office.approve(place, request, pc))
    typer.echo(f"{done.pc_id} is let in")


@pcs_app.command("reject")
def reject_command(
    request: Annotated[str, typer.Argument(help="The request, as `list` shows it.")], *, club: Club
) -> None:
    """Turn a waiting machine away."""
    _done(club, lambda office, place: office.reject(place, request))
    typer.echo("turned away")


@pcs_app.command("revoke")
def revoke_command(pc: PcId, *, club: Club) -> None:
    """Shut a PC out of the broker at once, until it is enrolled anew."""
    done = _done(club, lambda office, place: office.revoke(place, pc))
    typer.echo(f"{pc} is {done.state.value}")


@pcs_app.command("rotate")
def rotate_command(pc: PcId, *, club: Club) -> None:
    """Have a PC draw a new secret: at once if it is on, otherwise when it comes back."""
    done = _done(club, lambda office, place: office.rotate(place, pc))
    typer.echo(f"{pc} will draw a new secret")
    if done.renew_by_ms is not None:
        typer.echo(f"without one it is shut out at {render_instant(done.renew_by_ms)}")


async def _rows(office: EnrolmentOffice, place: Place) -> list[dict[str, str]]:
    book = await office.book(place)
    waiting = [
        {
            "pc": one.pc_id or "?",
            "state": "REJECTED" if one.rejected_at_ms is not None else one.reason.value,
            "request": one.request_id,
            "hostname": one.facts.hostname,
            "mac": one.facts.mac,
            "since": render_instant(one.asked_at_ms),
        }
        for one in book.requests.values()
    ]
    known = [
        {
            "pc": one.pc_id,
            "state": one.state.value,
            "request": one.request_id,
            "hostname": one.facts.hostname,
            "mac": one.facts.mac,
            "since": render_instant(one.changed_at_ms),
        }
        for one in book.credentials.values()
    ]
    return [*waiting, *known]


def _done(club_id: str, work: Callable[[EnrolmentOffice, Place], Awaitable[T | StaffRefusal]]) -> T:
    settings = settings_or_exit(load_settings)
    if settings.redis_url is None:
        misconfigured("CLUBCTL_REDIS_URL says where the club's server is; it is not set")
    try:
        done = asyncio.run(_opened(settings.redis_url, club_id, work))
    except StoreError as error:
        typer.echo(f"cannot be reached: {error}", err=True)
        raise typer.Exit(EXIT_UNREACHABLE) from error
    if isinstance(done, StaffRefusal):
        typer.echo(f"refused: {done.value}", err=True)
        raise typer.Exit(1)
    return done


async def _opened(
    redis_url: str,
    club_id: str,
    work: Callable[[EnrolmentOffice, Place], Awaitable[T | StaffRefusal]],
) -> T | StaffRefusal:
    store = RedisStore.open(redis_url)
    try:
        chain_id = await store.chain_of_club(club_id)
        if chain_id is None:
            misconfigured(f"no chain has a club {club_id}")
        office = EnrolmentOffice(store, SystemClock(), secrets.token_bytes)
        return await work(office, _place(chain_id, club_id))
    finally:
        await store.close()


def _place(chain_id: str, club_id: str) -> Place:
    here = Terminal.here()
    return Place(chain_id, club_id, here.principal, here.origin, channel=CHANNEL)
