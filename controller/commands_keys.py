"""``clubctl keys``: the keys that leases and orders for PCs are signed with."""

import os
from pathlib import Path
from typing import Annotated, Final

import orjson
import typer

from actors.signing_keys import (
    KeyFileError,
    SigningKeys,
    load_signing_keys,
    new_signing_keys,
    save_signing_keys,
)
from controller.command_settings import misconfigured
from controller.settings import PREFIX

KEY_FILE_VARIABLE: Final = PREFIX + "LEASE_KEY_FILE"

keys_app = typer.Typer(
    help="The keys that leases and orders for PCs are signed with.", no_args_is_help=True
)

KeyFile = Annotated[
    Path | None, typer.Option("--file", help=f"The private key file; {KEY_FILE_VARIABLE}.")
]


@keys_app.command("create")
def create_command(file: KeyFile = None) -> None:
    """Make the first key. Refuses to replace a file that is there."""
    path, keys = _path(file), new_signing_keys()
    try:
        save_signing_keys(path, keys, replace=False)
    except FileExistsError:
        misconfigured(f"{path} is there already; clubctl keys rotate makes a new key in it")
    except OSError as error:
        misconfigured(f"{path}: {error.strerror}")
    typer.echo(f"{path}: key {keys.signing.kid}")


@keys_app.command("rotate")
def rotate_command(file: KeyFile = None) -> None:
    """Make a new key that signs from now on. The one before it is believed until the next time.

    Hosts notice within seconds and tell their PCs; PCs that are off are told when they return.
    """
    path = _path(file)
    before = _loaded(path)
    after = before.rotated()
    try:
        save_signing_keys(path, after, replace=True)
    except OSError as error:
        misconfigured(f"{path}: {error.strerror}")
    typer.echo(f"{path}: key {after.signing.kid}, after {before.signing.kid}")


@keys_app.command("list")
def list_command(
    file: KeyFile = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Which keys PCs believe, the one that signs first."""
    keys = _loaded(_path(file))
    kids = [entry.kid for entry in keys.public.keys]
    if json:
        typer.echo(orjson.dumps({"version": keys.public.version, "kids": kids}).decode())
        return
    for index, kid in enumerate(kids):
        typer.echo(f"{kid}  {'believed' if index else 'signs'}")


@keys_app.command("public")
def public_command(
    file: KeyFile = None,
    *,
    out: Annotated[
        Path | None, typer.Option(help="Write it there and not to the terminal.")
    ] = None,
) -> None:
    """What a PC is enrolled with: the public keys, as its ``keys_file``. It holds no secret."""
    text = _loaded(_path(file)).public.model_dump_json(exclude_none=True) + "\n"
    if out is None:
        typer.echo(text, nl=False)
        return
    out.write_text(text)


def _path(file: Path | None) -> Path:
    named = os.environ.get(KEY_FILE_VARIABLE)
    if file is None and not named:
        misconfigured(f"--file or {KEY_FILE_VARIABLE} says where the keys are; neither is set")
    return file or Path(str(named))


def _loaded(path: Path) -> SigningKeys:
    try:
        return load_signing_keys(path)
    except KeyFileError as error:
        misconfigured(str(error))
