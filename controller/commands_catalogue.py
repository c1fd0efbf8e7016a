"""``clubctl import``, ``export`` and ``chain``: what is configured, from the command line."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer
from pydantic import TypeAdapter, ValidationError

from actors.clock import SystemClock
from actors.store import CatalogueEdit, ClubTakenError, EntityWrite, Scope, Store, StoreError
from actors.store_keys import clubs_among
from actors.store_redis import RedisStore
from controller.club_file import ClubFileError, FileFault, club_file_text, parse_club_file
from controller.club_ids import CHAIN_ID_MAX, is_named_after
from controller.club_import import Importing, export_club, import_club
from controller.club_plan import Plan
from controller.command_settings import EXIT_MISCONFIGURED, misconfigured, settings_or_exit
from controller.commands_check import with_store
from controller.settings import load_settings
from controller.terminal_audit import Terminal
from schemas.access import Role
from schemas.catalogue import ApiKeyDocument, ChainDocument
from schemas.commands import EntityId

SECRET_BYTES: Final = 32
R = TypeVar("R")

chain_app = typer.Typer(add_completion=False, no_args_is_help=True, help="Chains.")


def import_command(
    file: Annotated[Path, typer.Argument(help="A club file, TOML.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Archive what the file does not name.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """A whole club into its chain, all of it or nothing; exit 1 when the file is at fault."""
    how = Importing(prune=prune, dry_run=dry_run)
    try:
        wanted = parse_club_file(file.read_text())
        clock, by = SystemClock(), Terminal.here()
        plan = _with_store(lambda store: import_club(store, wanted, how, clock=clock, by=by))
    except (OSError, UnicodeDecodeError) as error:
        misconfigured(f"{file}: {error}")
    except ClubTakenError as error:
        _print_faults([FileFault("club.club_id", str(error))], as_json=as_json)
        raise typer.Exit(1) from error
    except ClubFileError as error:
        _print_faults(error.faults, as_json=as_json)
        raise typer.Exit(1) from error
    _print_plan(plan, dry_run=dry_run, as_json=as_json)


def export_command(
    *,
    club: Annotated[str, typer.Option("--club", help="Id of the club.")],
    out: Annotated[Path | None, typer.Option("--out", help="Where to; else printed.")] = None,
) -> None:
    """A whole club as one TOML file, without secrets."""

    async def export(store: Store) -> str:
        chain_id = await store.chain_of_club(club)
        if chain_id is None:
            raise ClubFileError([FileFault("", f"no chain has a club {club}")])
        return club_file_text(await export_club(store, chain_id, club))

    try:
        text = _with_store(export)
    except ClubFileError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    if out is None:
        typer.echo(text, nl=False)
    else:
        out.write_text(text)


@chain_app.callback()
def chains() -> None:
    """Chains of the installation."""


@chain_app.command("create")
def create_chain_command(
    chain: Annotated[str, typer.Argument(help="Id of the new chain.")],
    *,
    name: Annotated[str, typer.Option(help="What people call it.")],
) -> None:
    """Make a chain and its first key, an administrator's; the key is printed this once."""
    try:
        chain_id = TypeAdapter(EntityId).validate_python(chain)
        document = ChainDocument(chain_id=chain_id, name=name)
    except ValidationError as error:
        misconfigured(error.errors()[0]["msg"])
    if len(chain_id) > CHAIN_ID_MAX:
        misconfigured(f"a chain's id has at most {CHAIN_ID_MAX} characters; clubs begin with it")
    try:
        secret = _with_store(lambda store: create_chain(store, document, SystemClock().wall_ms()))
    except ChainTakenError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(secret)


class ChainTakenError(Exception):
    """The chain's id is taken, or clubs of one chain would be named after another."""


async def create_chain(store: Store, chain: ChainDocument, now_ms: int) -> str:
    """Make the chain with one key for it; the key's text. Raises ChainTakenError."""
    from controller.api.auth import digest_of
    from controller.api.stored_keys import key_text

    await _check_is_free(store, chain.chain_id)
    key_id = f"k-{secrets.token_hex(8)}"
    text = key_text(chain.chain_id, key_id, secrets.token_urlsafe(SECRET_BYTES))
    key = ApiKeyDocument(
        key_id=key_id,
        name="first key",
        sha256=digest_of(text),
        role=Role.ADMINISTRATOR,
        created_at_ms=now_ms,
    )
    blob = key.model_dump_json().encode()
    write = EntityWrite(f"apikey:{key_id}", 0, blob, Scope.CHAIN)
    told = {"chain_id": chain.chain_id, "name": chain.name, "key_id": key_id}
    entry = Terminal.here().entry("createChain", told, at_ms=now_ms)
    await store.edit(chain.chain_id, CatalogueEdit(documents=(write,), audit=(entry,)))
    # Last, for it is what makes the chain one: whoever dies before may call again.
    await store.put(chain.chain_id, {"chain": chain.model_dump_json().encode()})
    return text


async def _check_is_free(store: Store, chain_id: str) -> None:
    chains = await store.chains()
    if chain_id in chains:
        raise ChainTakenError(f"the chain {chain_id} is there already")
    for one in chains:
        if is_named_after(one, chain_id) or is_named_after(chain_id, one):
            raise ChainTakenError(f"clubs of {chain_id} and of the chain {one} would begin alike")
        for club_id in clubs_among(await store.catalogue(one)):
            if is_named_after(chain_id, club_id):
                raise ChainTakenError(f"the chain {one} has the club {club_id}, which begins so")


def _with_store(use: Callable[[Store], Awaitable[R]]) -> R:
    url = str(with_store(settings_or_exit(load_settings)).redis_url)

    async def run() -> R:
        store = RedisStore.open(url)
        try:
            return await use(store)
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except ClubTakenError:
        raise
    except StoreError as error:
        typer.echo(f"the store: {error}", err=True)
        raise typer.Exit(EXIT_MISCONFIGURED) from error


def _print_faults(faults: list[FileFault] | tuple[FileFault, ...], *, as_json: bool) -> None:
    if as_json:
        answer = {"ok": False, "faults": [asdict(fault) for fault in faults]}
        typer.echo(json.dumps(answer, indent=2))
        return
    for fault in faults:
        typer.echo(str(fault), err=True)


def _print_plan(plan: Plan, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        answer = {
            "ok": True,
            "applied": not dry_run,
            "changes": [asdict(change) for change in plan.changes],
            "warnings": plan.warnings,
        }
        typer.echo(json.dumps(answer, indent=2))
        return
    marks = {"add": "+", "change": "~", "archive": "-"}
    for change in plan.changes:
        differing = f" ({', '.join(change.fields)})" if change.fields else ""
        typer.echo(f"{marks[change.action]} {change.kind} {change.id}{differing}")
    for warning in plan.warnings:
        typer.echo(f"warning: {warning}", err=True)
    count = len(plan.changes)
    done = "would change" if dry_run else "changed"
    typer.echo(f"{count} {done}" if count else "nothing to change")
